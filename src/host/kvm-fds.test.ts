import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { areStillKept, countFds, listKvmFds, MAX_PROBED_FDS, takeStatsFds } from './kvm-fds.ts';
import { ProcessHandle } from './process-handle.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'virtstat-proc-'));
});

afterEach(() => rmSync(root, { recursive: true }));

function addFds(pid: number, links: Readonly<Record<number, string>>): void {
  mkdirSync(join(root, String(pid), 'fd'), { recursive: true });
  for (const [fd, link] of Object.entries(links)) symlinkSync(link, join(root, String(pid), 'fd', fd));
}

it('KVM descriptors are told by their names', () => {
  addFds(7, {
    3: '/dev/kvm',
    4: 'anon_inode:kvm-vm',
    5: 'anon_inode:kvm-vm-stats',
    11: 'anon_inode:kvm-vcpu:11',
    12: 'anon_inode:kvm-vcpu-stats:11',
    13: '/tmp/anon_inode:kvm-vcpu-stats:1',
    14: 'anon_inode:kvm-vcpu-stats:x',
  });
  const found = listKvmFds(7, root)?.toSorted((a, b) => a.fd - b.fd);
  expect(found).toStrictEqual([
    { fd: 5, kind: 'vm-stats' },
    { fd: 11, kind: 'vcpu', vcpuId: 11 },
    { fd: 12, kind: 'vcpu-stats', vcpuId: 11 },
  ]);
});

it('where nothing may be listed, that is no empty list', () => {
  expect(listKvmFds(7, root)).toBeUndefined();
});

it('what a descriptor is by now counts, not what the list says; nothing stays open', () => {
  using self = new ProcessHandle(process.pid);
  addFds(process.pid, { 0: 'anon_inode:kvm-vcpu-stats:0', 99999: 'anon_inode:kvm-vm-stats' });
  const before = readdirSync('/proc/self/fd').length;
  expect(takeStatsFds(self, root)).toStrictEqual({ files: [], vcpuCount: 0, fdCount: undefined });
  expect(readdirSync('/proc/self/fd')).toHaveLength(before);
});

it.each([
  [256, 256],
  [MAX_PROBED_FDS, MAX_PROBED_FDS],
  [2 * MAX_PROBED_FDS, MAX_PROBED_FDS],
])('of a table of %d descriptors %d are tried', (tableSize, triedCount) => {
  mkdirSync(join(root, '7'));
  writeFileSync(join(root, '7', 'status'), `Name:\tkvm\nFDSize:\t${tableSize}\n`);
  const tried: number[] = [];
  const take = (fd: number): undefined => void tried.push(fd);
  expect(takeStatsFds({ pid: 7, take }, root).files).toStrictEqual([]);
  expect(tried).toHaveLength(triedCount);
  expect(tried.at(-1)).toBe(triedCount - 1);
});

it('where descriptors may not be listed they are tried one by one', () => {
  using self = new ProcessHandle(process.pid);
  const before = readdirSync('/proc/self/fd').length;
  expect(takeStatsFds(self, root)).toStrictEqual({ files: [], vcpuCount: undefined, fdCount: undefined });
  expect(readdirSync('/proc/self/fd')).toHaveLength(before);
});

it('a file that was closed, replaced under its number, or joined by another one is noticed', () => {
  using self = new ProcessHandle(process.pid);
  const path = join(root, 'file');
  writeFileSync(path, '');
  const fd = openSync(path, 'r');
  using file = self.take(fd)!;
  const kept = [{ fd, file }];
  const count = countFds(process.pid);
  expect(count).toBe(readdirSync('/proc/self/fd').length - 1);
  expect(areStillKept(process.pid, kept, count)).toBe(true);
  const more = openSync(path, 'r');
  expect(areStillKept(process.pid, kept, count)).toBe(false);
  closeSync(more);
  closeSync(fd);
  expect(areStillKept(process.pid, kept, count)).toBe(false);
  // The same file and the same number, but opened anew.
  expect(openSync(path, 'r')).toBe(fd);
  expect(areStillKept(process.pid, kept, count)).toBe(false);
  closeSync(fd);
});

it('where nobody says how many there are, nothing is believed', () => {
  expect(countFds(process.pid, root)).toBeUndefined();
  expect(areStillKept(process.pid, [], undefined)).toBe(false);
});
