import { expect, it } from 'vitest';
import { pathsOf } from './vcpu-paths.ts';

const vcpus = [
  { vcpuId: 0, threadId: 100 },
  { vcpuId: 2, threadId: 101 },
];
const none = new Map<number, number>();

it('follows the threads, whatever the order', () => {
  const cpus = [
    { path: '/b', threadId: 101 },
    { path: '/a', threadId: 100 },
  ];
  expect(pathsOf(vcpus, cpus, none)).toEqual(['/a', '/b']);
});

it('follows them into another pid namespace', () => {
  const cpus = [
    { path: '/b', threadId: 8 },
    { path: '/a', threadId: 7 },
  ];
  const innerToOuter = new Map([
    [7, 100],
    [8, 101],
  ]);
  expect(pathsOf(vcpus, cpus, innerToOuter)).toEqual(['/a', '/b']);
});

it('goes by order where threads say nothing, if the numbers agree', () => {
  const cpus = [
    { path: '/a', threadId: 7 },
    { path: '/b', threadId: 8 },
  ];
  expect(pathsOf(vcpus, cpus, none)).toEqual(['/a', '/b']);
  const sameThread = vcpus.map((vcpu) => ({ ...vcpu, threadId: 50 }));
  const oneThread = cpus.map((cpu) => ({ ...cpu, threadId: 50 }));
  expect(pathsOf([...sameThread].reverse(), oneThread, none)).toEqual(['/b', '/a']);
});

it('tells nothing rather than something wrong', () => {
  expect(pathsOf(vcpus, [{ path: '/a', threadId: 100 }], none)).toEqual([undefined, undefined]);
  expect(pathsOf(vcpus, [], none)).toEqual([undefined, undefined]);
});
