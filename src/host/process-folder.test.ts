import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { KERNEL_TEXT, OpenPlaces } from './kernel-files.ts';
import { ProcessFolder } from './process-folder.ts';
import { readProcess } from './processes.ts';
import { processCpuNs } from './syscalls.ts';

function fakeProc(): { readonly root: string; readonly startAt: (ticks: number, text: string) => void } {
  const root = mkdtempSync(join(tmpdir(), 'proc-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  return {
    root,
    startAt: (ticks, text) => {
      rmSync(join(root, '10'), { recursive: true, force: true });
      mkdirSync(join(root, '10'));
      writeFileSync(join(root, '10', 'stat'), `10 (a) b) S ${'0 '.repeat(18)}${ticks} 1\n`);
      writeFileSync(join(root, '10', 'schedstat'), text);
    },
  };
}

it('is of one process: a later one of the same pid shows nothing through it', () => {
  const { root, startAt } = fakeProc();
  startAt(500, 'first');
  const folder = new ProcessFolder({ pid: 10, startTicks: 500n }, { procRoot: root, places: new OpenPlaces(8) });
  const file = folder.file('schedstat');
  const text = () => KERNEL_TEXT.toString('latin1', 0, file.read());
  expect(text()).toBe('first');
  folder.leave();
  startAt(501, 'second');
  expect(text()).toBe('first');
  folder.close();
  expect(text).toThrow(expect.objectContaining({ code: 'DOMAIN_GONE' }));
});

it('opens what it is asked for, and closes it together', () => {
  const places = new OpenPlaces(8);
  const folder = new ProcessFolder(readProcess(process.pid)!, { places });
  const files = ['stat', 'status', `task/${process.pid}/schedstat`].map((name) => folder.file(name));
  for (const file of files) expect(file.read()).toBeGreaterThan(0);
  expect(places.size).toBe(3);
  folder.drop(files[0]!);
  expect(places.size).toBe(2);
  folder.close();
  expect(places.size).toBe(0);
});

it('shares the descriptor of the folder among what is opened in one go, and gives it back', () => {
  const ownFds = () => readdirSync('/proc/self/fd').length;
  const before = ownFds();
  const folder = new ProcessFolder(readProcess(process.pid)!, { places: new OpenPlaces(0) });
  const files = ['stat', 'status'].map((name) => folder.file(name));
  for (const file of files) file.read();
  expect(ownFds()).toBe(before + 1);
  folder.leave();
  folder.leave();
  expect(ownFds()).toBe(before);
});

it('has a clock that counts the nanoseconds of the whole process', async () => {
  const usage = () => {
    const { user, system } = process.cpuUsage();
    return BigInt(user + system) * 1000n;
  };
  const before = usage();
  const ours = processCpuNs(process.pid) ?? 0n;
  expect(ours).toBeGreaterThanOrEqual(before);
  expect(ours).toBeLessThanOrEqual(usage() + 1000n);
  const child = spawn('true');
  await once(child, 'exit');
  expect(processCpuNs(child.pid ?? 0)).toBeUndefined();
});
