import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EXIT_CHECK_INTERVAL_MS, ExitWatch } from './exit-watch.ts';
import { OwnedFd } from './owned-fd.ts';
import { ProcessHandle } from './process-handle.ts';
import { exitedAmong, groupId, pidfdGetfd, pidfdOpen, pread, socketOption, systemError, userId } from './syscalls.ts';

/** A pid that no process has: above the largest that a kernel gives. */
const NO_PID = 2 ** 22 + 1;

const openFds = (): number => readdirSync('/proc/self/fd').length;

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-syscalls-'));
  path = join(folder, 'file');
  writeFileSync(path, 'abcdefgh');
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('pread', () => {
  it('reads at a position, short at the end, and changes nothing beside', () => {
    using file = new OwnedFd(openSync(path, 'r'));
    const into = new Uint8Array(6).fill(0x2e);
    expect(pread(file.fd, into, 4, 2)).toBe(4);
    expect(Buffer.from(into).toString()).toBe('cdef..');
    expect(file.read(into, 6)).toBe(2);
    expect(file.read(into, 100)).toBe(0);
    expect(Buffer.from(into).toString()).toBe('ghef..');
  });

  it('reads into the middle of a buffer through a view', () => {
    using file = new OwnedFd(openSync(path, 'r'));
    const whole = new Uint8Array(8).fill(0x2e);
    expect(file.read(whole.subarray(2, 5), 0)).toBe(3);
    expect(Buffer.from(whole).toString()).toBe('..abc...');
  });

  it('refuses to write past its memory', () => {
    using file = new OwnedFd(openSync(path, 'r'));
    expect(() => pread(file.fd, new Uint8Array(3), 4, 0)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it('says why it failed', () => {
    expect(pread(-1, new Uint8Array(1), 1, 0)).toBe(-1);
    expect(systemError('reading', 'STATS_FILE_UNREADABLE').message).toBe('reading: EBADF');
    using directory = new OwnedFd(openSync(folder, 'r'));
    expect(() => directory.read(new Uint8Array(1), 0)).toThrow(
      expect.objectContaining({ code: 'STATS_FILE_UNREADABLE', message: expect.stringContaining('EISDIR') }),
    );
  });
});

describe('OwnedFd', () => {
  it('closes once, and then names no file', () => {
    const file = new OwnedFd(openSync(path, 'r'));
    const { fd } = file;
    file.close();
    const other = openSync(path, 'r');
    expect(other).toBe(fd);
    file.close();
    expect(file.fd).toBe(-1);
    expect(() => file.read(new Uint8Array(1), 0)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    closeSync(other);
  });
});

describe('a process', () => {
  it('that does not exist is gone', () => {
    expect(() => pidfdOpen(NO_PID)).toThrow(expect.objectContaining({ code: 'DOMAIN_GONE' }));
  });

  it('shares a descriptor, or has none of that number', () => {
    using self = new ProcessHandle(process.pid);
    const before = openFds();
    const original = openSync(path, 'r');
    using copy = self.take(original);
    closeSync(original);
    const into = new Uint8Array(8);
    expect(copy?.read(into, 0)).toBe(8);
    expect(pidfdGetfd(self.pidfd, 1_000_000)).toBeUndefined();
    copy?.close();
    expect(openFds()).toBe(before);
  });

  it('is alive until it exits, which its watch notices at once', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    const [onExit, onOtherExit] = [vi.fn(), vi.fn()];
    const watch = new ExitWatch();
    using handle = new ProcessHandle(child.pid!);
    using self = new ProcessHandle(process.pid);
    try {
      watch.watch(handle, onExit);
      const unwatch = watch.watch(self, onOtherExit);
      expect(handle.isAlive()).toBe(true);
      watch.check();
      expect(onExit).not.toHaveBeenCalled();
      child.kill('SIGKILL');
      await once(child, 'exit');
      await new Promise((resolve) => setTimeout(resolve, 4 * EXIT_CHECK_INTERVAL_MS));
      expect(onExit).toHaveBeenCalledOnce();
      expect(onOtherExit).not.toHaveBeenCalled();
      expect(handle.isAlive()).toBe(false);
      expect(exitedAmong([self, handle])).toStrictEqual([handle]);
      expect(exitedAmong([])).toStrictEqual([]);
      expect(() => handle.take(0)).toThrow(expect.objectContaining({ code: 'DOMAIN_GONE' }));
      expect(watch.size).toBe(1);
      unwatch();
      expect(watch.size).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('whose handle was closed is no longer watched', () => {
    const watch = new ExitWatch();
    const handle = new ProcessHandle(process.pid);
    watch.watch(handle, vi.fn());
    handle.close();
    expect(handle.isAlive()).toBe(false);
    watch.check();
    expect(watch.size).toBe(0);
  });
});

describe('accounts', () => {
  it('are found by name, and only by it', () => {
    expect([userId('root'), groupId('root')]).toEqual([0, 0]);
    const [, name = '', uid] = /^(nobody):[^:]*:(\d+)/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? [];
    if (name !== '') expect(userId(name)).toBe(Number(uid));
    for (const wrong of ['', 'no-such-account', '0']) {
      expect([userId(wrong), groupId(wrong)]).toEqual([undefined, undefined]);
    }
  });
});

describe('socketOption', () => {
  it('says where there is no socket', () => {
    using file = new OwnedFd(openSync(path, 'r'));
    expect(() => socketOption(file.fd, 17, 12)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
});

it('a watch does not keep the process from ending', async () => {
  const program = `
    const { ExitWatch } = await import(${JSON.stringify(join(import.meta.dirname, 'exit-watch.ts'))});
    const { ProcessHandle } = await import(${JSON.stringify(join(import.meta.dirname, 'process-handle.ts'))});
    new ExitWatch().watch(new ProcessHandle(process.ppid), () => {});
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
  try {
    expect(await once(child, 'exit')).toStrictEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});
