import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { NEW_MS, ProcessSearch, SELDOM_MS } from './process-search.ts';
import { MAX_COMMAND_LINE_BYTES } from './processes.ts';

let proc: string;
let nowMs: number;
let search: ProcessSearch;

function run(pid: number, cmdline: string): void {
  const folder = join(proc, String(pid));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'cmdline'), cmdline);
  writeFileSync(join(folder, 'stat'), `${pid} (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21\n`);
}

const pids = () => search.find().map(({ pid }) => pid);

/** Searches as often as somebody who reads all the time, until it finds anything; the time that took, at most. */
function msUntilFound(limitMs: number): number {
  const startMs = nowMs;
  while (nowMs - startMs < limitMs && pids().length === 0) nowMs += 2000;
  return nowMs - startMs;
}

beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'proc-'));
  onTestFinished(() => rmSync(proc, { recursive: true }));
  nowMs = 100_000;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  onTestFinished(() => void vi.restoreAllMocks());
  search = new ProcessSearch((program) => /^(qemu|kvm)/.test(program), proc);
});

it('finds processes by the names of their programs', () => {
  mkdirSync(join(proc, 'self'));
  mkdirSync(join(proc, '1'));
  mkdirSync(join(proc, '9x'));
  run(10, '/usr/bin/qemu-system-x86_64\0-name\0a b\0-m\0\0');
  run(11, '/bin/sh\0-c\0qemu-system-x86_64\0');
  run(12, '');
  run(13, `kvm\0${'x'.repeat(MAX_COMMAND_LINE_BYTES)}\0`);
  const found = search.find();
  expect(found.map(({ pid }) => pid)).toEqual([10, 13]);
  expect(found[0]).toEqual({
    pid: 10,
    startTicks: 987654n,
    argv: ['/usr/bin/qemu-system-x86_64', '-name', 'a b', '-m'],
  });
});

it('takes those that somebody holds as they are', () => {
  run(10, 'qemu\0');
  run(13, 'kvm\0');
  const held = { pid: 10, startTicks: 1n, argv: ['held'] };
  const found = search.find((pid) => (pid === 10 ? held : undefined));
  expect(found[0]).toBe(held);
  expect(found.map(({ pid }) => pid)).toEqual([10, 13]);
});

it('finds at once what executes another program while it is new', () => {
  run(10, 'libvirtd\0');
  expect(pids()).toEqual([]);
  nowMs += NEW_MS - 1;
  expect(pids()).toEqual([]);
  run(10, 'qemu-kvm\0');
  nowMs += 1;
  expect(pids()).toEqual([10]);
});

it('finds within the time that it says what executes another program later', () => {
  for (let pid = 1; pid <= 40; pid++) {
    rmSync(proc, { recursive: true });
    run(pid, 'sh\0');
    msUntilFound(3 * NEW_MS);
    run(pid, 'kvm\0');
    expect(msUntilFound(60_000)).toBeLessThanOrEqual(SELDOM_MS + 2000);
  }
});

it('does not look at others in every search once they are no longer new', () => {
  for (let pid = 1; pid <= 64; pid++) run(pid, 'sh\0');
  pids();
  nowMs += NEW_MS;
  pids();
  for (let pid = 1; pid <= 64; pid++) run(pid, 'kvm\0');
  nowMs += SELDOM_MS / 2 - 1;
  expect(pids()).toEqual([]);
  const counts: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    nowMs += 2000;
    counts.push(pids().length);
  }
  expect(counts.at(-1)).toBe(64);
  expect(counts[0]).toBeGreaterThan(0);
  expect(counts[0]).toBeLessThan(64);
});

it('knows again whoever went and came back as another process', () => {
  run(10, 'sh\0');
  pids();
  nowMs += NEW_MS;
  pids();
  rmSync(join(proc, '10'), { recursive: true });
  pids();
  run(10, 'kvm\0');
  expect(pids()).toEqual([10]);
});

it('fails where processes cannot be listed', () => {
  rmSync(proc, { recursive: true });
  expect(() => search.find()).toThrow(/ENOENT/);
  mkdirSync(proc);
});
