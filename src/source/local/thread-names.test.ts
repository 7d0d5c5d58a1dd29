import { expect, it } from 'vitest';
import { pathsByName } from './thread-names.ts';

const named = (...names: readonly string[]) => names.map((name, index) => ({ threadId: 100 + index, name }));

it('tells vCPUs by QEMU’s number, ascending', () => {
  const threads = named('qemu-system-x86', 'CPU 10/KVM', 'CPU 2/KVM', 'worker', 'IO io1');
  expect(pathsByName('vcpu', threads)).toEqual([
    { path: 'cpu-2', threadId: 102 },
    { path: 'cpu-10', threadId: 101 },
  ]);
  expect(pathsByName('vcpu', named('CPU 0/TCG'))).toEqual([{ path: 'cpu-0', threadId: 100 }]);
});

it('tells I/O threads by their ids, unless the kernel may have cut them', () => {
  const threads = named('IO iothread0', 'IO a-very-long-1', 'IO mon_iothread');
  expect(pathsByName('iothread', threads)).toEqual([{ path: '/objects/iothread0', threadId: 100 }]);
});

it.each(['CPU x/KVM', 'CPU 1', 'ALL CPUs/TCG', 'CPU 1/KVM ', 'CPU 999999/KVM', ''])('takes %j for no vCPU', (name) => {
  expect(pathsByName('vcpu', named(name))).toEqual([]);
});

it('believes no name that several threads have', () => {
  expect(pathsByName('vcpu', named('CPU 0/KVM', 'CPU 0/KVM', 'CPU 1/KVM'))).toEqual([{ path: 'cpu-1', threadId: 102 }]);
});
