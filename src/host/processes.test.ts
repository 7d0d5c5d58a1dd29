import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { listProcesses, MAX_COMMAND_LINE_BYTES, pathSeenBy, readProcess, threadIds } from './processes.ts';

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

it('finds processes by program name', () => {
  const found = listProcesses((program) => /^(qemu|kvm)/.test(program), proc);
  expect(found.map(({ pid }) => pid)).toEqual([10, 13]);
  expect(found[0]).toEqual({
    pid: 10,
    startTicks: 987654n,
    argv: ['/usr/bin/qemu-system-x86_64', '-name', 'a b', '-m'],
  });
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
