import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import { Threads } from './threads.ts';
import type { CpuIdentity, VcpuIdentity } from './vcpu-paths.ts';

const PID = 10;
const call = { signal: new AbortController().signal };
const busy = new VirtstatError('MONITOR_BUSY', 'the monitor is busy');
const NAMED = [
  { path: '/machine/cpu0', threadId: 11 },
  { path: '/machine/cpu1', threadId: 12 },
];

let root: string;
let nowMs: number;
let asked: number;
let cpus: () => Promise<readonly CpuIdentity[]>;
let filed: readonly VcpuIdentity[];
let threads: Threads;

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** A thread by its id here and, where it differs, in the VMM's own pid namespace. */
function addThread(id: number, name: string, inner?: number): void {
  write(`${PID}/task/${id}/comm`, `${name}\n`);
  write(`${PID}/task/${id}/status`, `Name:\t${name}\nNSpid:\t${id}${inner === undefined ? '' : `\t${inner}`}\n`);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'proc-'));
  nowMs = 100_000;
  asked = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  write(`${PID}/status`, `NSpid:\t${PID}\n`);
  addThread(PID, 'qemu');
  addThread(11, 'worker');
  addThread(12, 'worker');
  cpus = async () => NAMED;
  filed = [];
  threads = new Threads(PID, {
    procRoot: root,
    name: 'web-1',
    cpus: () => {
      asked++;
      return cpus();
    },
    iothreads: async () => [{ path: '/objects/io1', threadId: 12 }],
    filed: () => filed,
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(root, { recursive: true });
});

describe('the threads of a VM', () => {
  it('are those that the monitor tells, asked for now and then', async () => {
    expect(await threads.vcpus(call)).toEqual(NAMED);
    expect(await threads.vcpus(call)).toBe(await threads.vcpus(call));
    expect(await threads.iothreads(call)).toEqual([{ path: '/objects/io1', threadId: 12 }]);
    const before = asked;
    nowMs += 4999;
    await threads.vcpus(call);
    expect(asked).toBe(before);
    nowMs += 1;
    await threads.vcpus(call);
    expect(asked).toBe(before + 1);
  });

  it('bear the ids of this host where the VMM lives in a pid namespace', async () => {
    write(`${PID}/status`, `NSpid:\t${PID}\t1\n`);
    addThread(PID, 'qemu', 1);
    addThread(11, 'worker', 3);
    addThread(12, 'worker', 2);
    cpus = async () => [
      { path: '/machine/cpu0', threadId: 2 },
      { path: '/machine/cpu1', threadId: 3 },
    ];
    expect(await threads.vcpus(call)).toEqual([
      { path: '/machine/cpu0', threadId: 12 },
      { path: '/machine/cpu1', threadId: 11 },
    ]);
  });

  it('that have ended since are left out', async () => {
    rmSync(join(root, `${PID}/task/12`), { recursive: true });
    expect(await threads.vcpus(call)).toEqual([NAMED[0]]);
  });

  it('that serve several vCPUs tell nothing of each', async () => {
    cpus = async () => NAMED.map(({ path }) => ({ path, threadId: 11 }));
    await expect(threads.vcpus(call)).rejects.toMatchObject({ code: 'STATS_NOT_OFFERED' });
  });

  it('stay known while the monitor cannot be asked', async () => {
    expect(await threads.vcpus(call)).toEqual(NAMED);
    cpus = () => Promise.reject(busy);
    nowMs += 60_000;
    expect(await threads.vcpus(call)).toEqual(NAMED);
  });

  it('are asked for once by all who want them at the same time', async () => {
    const { promise, resolve } = Promise.withResolvers<readonly CpuIdentity[]>();
    cpus = () => promise;
    const files = [
      { vcpuId: 0, threadId: 11 },
      { vcpuId: 1, threadId: 12 },
    ];
    const all = [threads.vcpus(call), threads.pathsOf(files, call)];
    resolve(NAMED);
    expect(await Promise.all(all)).toEqual([NAMED, ['/machine/cpu0', '/machine/cpu1']]);
    expect(asked).toBe(1);
  });

  it('are not waited for by whoever gave up', async () => {
    cpus = () => new Promise(() => undefined);
    const gaveUp = new AbortController();
    const waiting = threads.vcpus({ signal: gaveUp.signal });
    gaveUp.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('without a monitor', () => {
  beforeEach(() => {
    cpus = () => Promise.reject(busy);
  });

  it('the stats files tell, by the paths that their own statistics have', async () => {
    filed = [
      { vcpuId: 0, threadId: 11 },
      { vcpuId: 4, threadId: 12 },
    ];
    expect(await threads.vcpus(call)).toEqual([
      { path: 'vcpu-0', threadId: 11 },
      { path: 'vcpu-4', threadId: 12 },
    ]);
    expect(await threads.pathsOf(filed, call)).toEqual([undefined, undefined]);
    // As soon as the monitor is free, both go by its names.
    cpus = async () => NAMED;
    nowMs += 5000;
    expect(await threads.pathsOf(filed, call)).toEqual(['/machine/cpu0', '/machine/cpu1']);
    expect(await threads.vcpus(call)).toEqual(NAMED);
  });

  it('they are the same list as long as the files are the same', async () => {
    filed = [{ vcpuId: 0, threadId: 11 }];
    const found = await threads.vcpus(call);
    nowMs += 5000;
    expect(await threads.vcpus(call)).toBe(found);
    filed = [{ vcpuId: 0, threadId: 12 }];
    nowMs += 5000;
    expect(await threads.vcpus(call)).toEqual([{ path: 'vcpu-0', threadId: 12 }]);
  });

  it('stats files of threads that are not here do not count', async () => {
    filed = [{ vcpuId: 0, threadId: 999 }];
    await expect(threads.vcpus(call)).rejects.toBe(busy);
  });

  it('the names of the threads tell', async () => {
    addThread(13, 'CPU 1/KVM');
    addThread(14, 'CPU 0/KVM');
    expect(await threads.vcpus(call)).toEqual([
      { path: 'cpu-0', threadId: 14 },
      { path: 'cpu-1', threadId: 13 },
    ]);
  });

  it('and without such names nobody tells', async () => {
    await expect(threads.vcpus(call)).rejects.toBe(busy);
    rmSync(join(root, String(PID)), { recursive: true });
    nowMs += 5000;
    await expect(threads.vcpus(call)).rejects.toBe(busy);
  });
});
