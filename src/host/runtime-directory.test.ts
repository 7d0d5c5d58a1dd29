import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RuntimeDirectory } from './runtime-directory.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-runtime-'));
  path = join(folder, 'deep/run');
});
afterEach(() => rmSync(folder, { recursive: true }));

const openFds = (): number => readdirSync('/proc/self/fd').length;

describe('RuntimeDirectory', () => {
  it('is made with its parents, whatever the umask, and is found again', () => {
    const umask = process.umask(0o077);
    try {
      using directory = RuntimeDirectory.open(path);
      expect(directory.path).toBe(path);
      expect(statSync(path).mode & 0o7777).toBe(0o755);
    } finally {
      process.umask(umask);
    }
    RuntimeDirectory.open(path)[Symbol.dispose]();
  });

  it('is held by one at a time, and gives nothing away', () => {
    const before = openFds();
    {
      using directory = RuntimeDirectory.open(path);
      const again = (): unknown => RuntimeDirectory.open(directory.path);
      expect(again).toThrow(
        expect.objectContaining({
          code: 'ADDRESS_IN_USE',
          message: expect.stringContaining(`process ${process.pid})`),
        }),
      );
    }
    expect(openFds()).toBe(before);
  });

  it('is free when its holder was killed', async () => {
    const program = `
      const { RuntimeDirectory } = await import(${JSON.stringify(join(import.meta.dirname, 'runtime-directory.ts'))});
      globalThis.held = RuntimeDirectory.open(${JSON.stringify(path)});
      process.stdout.write('held');
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      expect(() => RuntimeDirectory.open(path)).toThrow(
        expect.objectContaining({ message: expect.stringContaining(`process ${child.pid})`) }),
      );
      child.kill('SIGKILL');
      await once(child, 'exit');
      RuntimeDirectory.open(path)[Symbol.dispose]();
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('is refused where others could put files into it', () => {
    mkdirSync(path, { recursive: true });
    for (const mode of [0o777, 0o775, 0o1777]) {
      chmodSync(path, mode);
      expect(() => RuntimeDirectory.open(path)).toThrow(expect.objectContaining({ code: 'ACCESS_DENIED' }));
    }
    chmodSync(path, 0o750);
    RuntimeDirectory.open(path)[Symbol.dispose]();
  });

  it('says whose it is where it is that of another user', (context) => {
    if (process.geteuid?.() !== 0) return context.skip('only root may give a directory away');
    mkdirSync(path, { recursive: true });
    chownSync(path, 65534, 65534);
    expect(() => RuntimeDirectory.open(path)).toThrow(
      expect.objectContaining({ code: 'ACCESS_DENIED', message: expect.stringContaining('with uid 65534') }),
    );
  });

  it('is refused where it is no directory, or a link', () => {
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'real'));
    symlinkSync('real', join(folder, 'link'));
    for (const name of ['file', 'file/below', 'link']) {
      expect(() => RuntimeDirectory.open(join(folder, name)), name).toThrow(
        expect.objectContaining({ code: 'PATH_NOT_FOUND' }),
      );
    }
  });

  it('does not follow a link in place of its lock', () => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(folder, 'victim'), 'precious');
    symlinkSync(join(folder, 'victim'), join(path, 'virtstatd.lock'));
    expect(() => RuntimeDirectory.open(path)).toThrow(expect.objectContaining({ code: 'PATH_NOT_FOUND' }));
    expect(statSync(join(folder, 'victim')).size).toBe(8);
  });
});
