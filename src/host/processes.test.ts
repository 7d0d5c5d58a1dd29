import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  hasOwnNetwork,
  isStillRunning,
  listThreads,
  MAX_COMMAND_LINE_BYTES,
  MAX_TEXT_FILE_BYTES,
  MAX_THREADS,
  pathSeenBy,
  readFileOf,
  readProcess,
  threadIds,
} from './processes.ts';

let proc: string;

function addProcess(pid: number, cmdline: string, comm = 'qemu', root = '/'): void {
  const folder = join(proc, String(pid));
  mkdirSync(join(folder, 'task', String(pid)), { recursive: true });
  writeFileSync(join(folder, 'cmdline'), cmdline);
  writeFileSync(join(folder, 'stat'), `${pid} (${comm}) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21\n`);
  writeFileSync(join(folder, 'task', String(pid), 'status'), `Name:\t${comm}\nNSpid:\t${pid}\t7\n`);
  symlinkSync(root, join(folder, 'root'));
}

beforeAll(() => {
  proc = mkdtempSync(join(tmpdir(), 'proc-'));
  mkdirSync(join(proc, 'self'));
  symlinkSync('/', join(proc, 'self', 'root'));
  mkdirSync(join(proc, 'sys'));
  mkdirSync(join(proc, '1'));
  addProcess(10, '/usr/bin/qemu-system-x86_64\0-name\0a b\0-m\0\0');
  addProcess(11, '/bin/sh\0-c\0qemu-system-x86_64\0', 'we)ird (x');
  addProcess(12, '', 'kthread');
  addProcess(13, `kvm\0${'x'.repeat(MAX_COMMAND_LINE_BYTES)}\0`, 'kvm', '/var/chroot');
});
afterAll(() => rmSync(proc, { recursive: true }));

it('looks at no more threads than the bound', () => {
  const task = join(proc, '200', 'task');
  mkdirSync(task, { recursive: true });
  const add = (id: number) => writeFileSync(join(task, String(id)), '');
  for (let id = 1; id < MAX_THREADS; id++) add(id);
  expect(listThreads(200, proc)).toHaveLength(MAX_THREADS - 1);
  for (let id = MAX_THREADS; id < MAX_THREADS + 10; id++) add(id);
  expect(listThreads(200, proc)).toHaveLength(MAX_THREADS);
  expect(listThreads(299, proc)).toEqual([]);
});

it('does not look at threads that have the same ids in their own namespace', () => {
  mkdirSync(join(proc, '201', 'task', '201'), { recursive: true });
  writeFileSync(join(proc, '201', 'status'), 'Name:\tx\nNSpid:\t201\n');
  expect(threadIds(201, proc)).toEqual(new Map());
  writeFileSync(join(proc, '201', 'status'), 'Name:\tx\nNSpid:\t201\t1\n');
  writeFileSync(join(proc, '201', 'task', '201', 'status'), 'Name:\tx\nNSpid:\t201\t1\n');
  expect(threadIds(201, proc)).toEqual(new Map([[1, 201]]));
});

it('cuts a command line without end', () => {
  expect(readProcess(13, proc)?.argv.join('').length).toBeLessThan(MAX_COMMAND_LINE_BYTES);
});

it('is not misled by brackets in a process’s name', () => {
  expect(readProcess(11, proc)?.startTicks).toBe(987654n);
});

it('has nothing for a process that is not there, or a kernel thread', () => {
  expect(readProcess(99, proc)).toBeUndefined();
  expect(readProcess(12, proc, (program) => program.startsWith('q'))).toBeUndefined();
});

it('sees paths of a process in another root, and relative ones', () => {
  expect(pathSeenBy(10, '/run/a', proc)).toBe('/run/a');
  expect(pathSeenBy(13, '/run/a', proc)).toBe(`${proc}/13/root/run/a`);
  expect(pathSeenBy(10, 'a', proc)).toBe(`${proc}/10/cwd/a`);
});

it('reads files of a process, and waits for none that it might name', () => {
  const file = join(proc, 'box.conf');
  for (const sizeBytes of [0, 1, 20_000, MAX_TEXT_FILE_BYTES]) {
    writeFileSync(file, 'x'.repeat(sizeBytes));
    expect(readFileOf(10, file, proc)).toHaveLength(sizeBytes);
  }
  writeFileSync(file, 'x'.repeat(MAX_TEXT_FILE_BYTES + 1));
  expect(readFileOf(10, file, proc)).toBeUndefined();
  const pipe = join(proc, 'pipe');
  expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
  for (const other of [pipe, '/dev/zero', '/proc/self/pagemap', '/gone', proc]) {
    expect(readFileOf(10, other, proc)).toBeUndefined();
  }
});

it('follows links inside the other root, not from ours', () => {
  const root = join(proc, 'container');
  mkdirSync(join(root, 'run/qemu'), { recursive: true });
  mkdirSync(join(root, 'var/lib'), { recursive: true });
  symlinkSync('/run', join(root, 'var/run'));
  symlinkSync('../run/./qemu', join(root, 'var/qemu'));
  symlinkSync('loop', join(root, 'loop'));
  addProcess(14, 'kvm\0', 'kvm', root);
  expect(pathSeenBy(14, '/var/run/vm.qmp', proc)).toBe(`${proc}/14/root/run/vm.qmp`);
  expect(pathSeenBy(14, '/var/qemu//vm.qmp', proc)).toBe(`${proc}/14/root/run/qemu/vm.qmp`);
  expect(pathSeenBy(14, '/var/lib/../../../vm.qmp', proc)).toBe(`${proc}/14/root/vm.qmp`);
  expect(pathSeenBy(14, '/loop/a', proc)).toBe(`${proc}/14/root/loop/a`);
});

describe('a process in a container', () => {
  const addNamespaces = (name: string, ids: Readonly<Record<string, string>>): void => {
    mkdirSync(join(proc, name, 'ns'), { recursive: true });
    for (const [kind, id] of Object.entries(ids)) symlinkSync(`${kind}:[${id}]`, join(proc, name, 'ns', kind));
  };

  beforeAll(() => addNamespaces('self', { mnt: '1', net: '1' }));
  afterAll(() => rmSync(join(proc, 'self', 'ns'), { recursive: true }));

  it('has mounts and a network of its own, though its root is called like ours', () => {
    addProcess(20, 'kvm\0');
    addNamespaces('20', { mnt: '2', net: '2' });
    expect(pathSeenBy(20, '/run/a', proc)).toBe(`${proc}/20/root/run/a`);
    expect(hasOwnNetwork(20, proc)).toBe(true);
    addProcess(21, 'kvm\0');
    addNamespaces('21', { mnt: '1', net: '1' });
    expect(pathSeenBy(21, '/run/a', proc)).toBe('/run/a');
    expect(hasOwnNetwork(21, proc)).toBe(false);
  });

  it('is told by its pids where we may not look closer', () => {
    addProcess(22, 'kvm\0');
    rmSync(join(proc, '22', 'root'));
    writeFileSync(join(proc, '22', 'status'), 'NSpid:\t22\t1\n');
    expect(pathSeenBy(22, '/run/a', proc)).toBe(`${proc}/22/root/run/a`);
    expect(hasOwnNetwork(22, proc)).toBe(true);
    writeFileSync(join(proc, '22', 'status'), 'NSpid:\t22\n');
    expect(pathSeenBy(22, '/run/a', proc)).toBe('/run/a');
    expect(hasOwnNetwork(22, proc)).toBe(false);
  });
});

it('has nothing for a process that is exiting', () => {
  addProcess(15, '', 'kvm');
  expect(readProcess(15, proc)).toBeUndefined();
});

it('knows whether that very process lives', () => {
  expect(isStillRunning({ pid: 10, startTicks: 987654n }, proc)).toBe(true);
  expect(isStillRunning({ pid: 10, startTicks: 987653n }, proc)).toBe(false);
  expect(isStillRunning({ pid: 99, startTicks: 987654n }, proc)).toBe(false);
  addProcess(16, '', 'kvm');
  const stat = join(proc, '16', 'stat');
  for (const state of ['Z', 'X']) {
    writeFileSync(stat, readFileSync(stat, 'latin1').replace(/\) \w/, `) ${state}`));
    expect(isStillRunning({ pid: 16, startTicks: 987654n }, proc)).toBe(false);
  }
});

it('knows threads by the ids that they have in their own namespace', () => {
  expect(threadIds(10, proc)).toEqual(new Map([[7, 10]]));
  expect(threadIds(99, proc)).toEqual(new Map());
});

it('finds this very process in the real /proc', () => {
  const self = readProcess(process.pid);
  expect(self?.pid).toBe(process.pid);
  expect(self?.startTicks).toBeGreaterThan(0n);
  expect(pathSeenBy(process.pid, '/etc')).toBe('/etc');
});
