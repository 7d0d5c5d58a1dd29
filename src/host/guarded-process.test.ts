import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { type GuardedProcess, startGuarded } from './guarded-process.ts';

const PREFIX = 'virtstat-guarded-test-';

const opened: GuardedProcess[] = [];
const owners: ChildProcess[] = [];

async function start(command: string): Promise<GuardedProcess> {
  const process = await startGuarded({ prefix: PREFIX, command: (folder) => ['/bin/sh', '-c', command, folder] });
  opened.push(process);
  return process;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((process) => process.close()));
  for (const owner of owners.splice(0)) owner.kill('SIGKILL');
});

/** Waits until the process has gone for good, also as a zombie. */
async function untilGone(pid: number): Promise<void> {
  await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 5000, interval: 10 }).toBe(false);
}

describe('startGuarded', () => {
  it('starts a process in a folder that only this user may enter, and ends both', async () => {
    const guarded = await start('echo up; echo content >"$0/file"; echo done; exec sleep 600');
    expect([await guarded.nextLine(), await guarded.nextLine()]).toEqual(['up', 'done']);
    // It says its last word before it becomes what it is to be.
    await expect
      .poll(() => readFileSync(`/proc/${guarded.pid}/cmdline`, 'latin1').split('\0'))
      .toEqual(['sleep', '600', '']);
    expect(statSync(guarded.folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(guarded.folder)).toEqual(['file']);
    await guarded.close();
    expect(existsSync(`/proc/${guarded.pid}`)).toBe(false);
    expect(existsSync(guarded.folder)).toBe(false);
  });

  it('ends a process that hears no signal', async () => {
    const guarded = await start("trap '' HUP INT TERM; echo deaf; while :; do sleep 0.1; done");
    await guarded.nextLine();
    await guarded.close();
    expect(existsSync(`/proc/${guarded.pid}`)).toBe(false);
  });

  it('may be closed twice, and after the process ended', async () => {
    const guarded = await start('exit 3');
    await guarded.ended;
    await guarded.close();
    await guarded.close();
    expect(existsSync(guarded.folder)).toBe(false);
  });

  it('notices the end of the process at once, and keeps what it said last', async () => {
    const guarded = await start('echo first >&2; echo last >&2');
    await guarded.ended;
    expect(await guarded.nextLine()).toBeUndefined();
    expect(guarded.lastWords).toBe('first\nlast');
  });

  it('keeps no more of the last words than the bound', async () => {
    const guarded = await start("head -c 100000 /dev/zero | tr '\\0' x >&2; echo end >&2");
    await guarded.ended;
    await guarded.close();
    expect(guarded.lastWords).toHaveLength(4095);
    expect(guarded.lastWords).toMatch(/^x+end$/);
  });

  it('cleans up by itself where somebody killed the guardian', async () => {
    const guarded = await start('echo up; exec sleep 600');
    await guarded.nextLine();
    const guardian = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${guarded.pid}/status`, 'latin1'))?.[1]);
    process.kill(guardian, 'SIGKILL');
    await guarded.close();
    await untilGone(guarded.pid);
    expect(existsSync(guarded.folder)).toBe(false);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('has a guardian that ends all on %s', async (signal) => {
    const guarded = await start('exec sleep 600');
    const guardian = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${guarded.pid}/status`, 'latin1'))?.[1]);
    // A signal just before a shell begins to read is seen only with the next one.
    const again = setInterval(() => existsSync(`/proc/${guardian}`) && process.kill(guardian, signal), 200);
    process.kill(guardian, signal);
    await guarded.ended;
    clearInterval(again);
    await untilGone(guarded.pid);
    await expect.poll(() => existsSync(guarded.folder), { timeout: 5000 }).toBe(false);
  });

  it.each(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'leaves nothing when its owner dies of %s',
    async (signal) => {
      const module = JSON.stringify(new URL('./guarded-process.ts', import.meta.url).href);
      const script = `
      const { startGuarded } = await import(${module});
      const { pid, folder } = await startGuarded({ prefix: '${PREFIX}', command: () => ['/bin/sleep', '600'] });
      console.log(JSON.stringify({ pid, folder }));`;
      const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      owners.push(owner);
      const line = await new Promise<string>((resolve) => owner.stdout.once('data', (data) => resolve(String(data))));
      const { pid, folder } = JSON.parse(line) as { pid: number; folder: string };
      expect(existsSync(`/proc/${pid}`) && existsSync(folder)).toBe(true);
      owner.kill(signal);
      await untilGone(pid);
      await expect.poll(() => existsSync(folder), { timeout: 5000 }).toBe(false);
    },
  );

  it('fills the folder before the process starts', async () => {
    const guarded = await startGuarded({
      prefix: PREFIX,
      prepare: (folder) => writeFileSync(`${folder}/file`, 'content\n'),
      command: (folder) => ['/bin/cat', `${folder}/file`],
    });
    opened.push(guarded);
    expect(await guarded.nextLine()).toBe('content');
  });

  it('leaves no folder where it cannot be filled', async () => {
    let made = '';
    const prepare = (folder: string): never => {
      made = folder;
      expect(existsSync(folder)).toBe(true);
      throw new Error('disk full');
    };
    await expect(startGuarded({ prefix: PREFIX, prepare, command: () => ['/bin/true'] })).rejects.toMatchObject({
      code: 'DEMO_FAILED',
      message: 'no process could be started for a VM: disk full',
    });
    expect(existsSync(made)).toBe(false);
  });

  it('says why where the folder cannot be made', async () => {
    await expect(startGuarded({ prefix: 'no/such/folder/', command: () => ['/bin/true'] })).rejects.toMatchObject({
      code: 'DEMO_FAILED',
      message: expect.stringMatching(/no\/such\/folder.*No such file or directory/),
    });
  });

  it('leaves nothing when its owner is killed at any moment of the start', async () => {
    const module = JSON.stringify(new URL('./guarded-process.ts', import.meta.url).href);
    const prefix = `${PREFIX}start-${process.pid}-`;
    const script = `
      const { startGuarded } = await import(${module});
      console.log('go');
      await startGuarded({ prefix: '${prefix}', command: () => ['/bin/sleep', '600'] });`;
    const left = (): readonly string[] => readdirSync(tmpdir()).filter((name) => name.startsWith(prefix));
    for (let delayMs = 0; delayMs < 12; delayMs += 1) {
      const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      owners.push(owner);
      await new Promise((resolve) => owner.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      owner.kill('SIGKILL');
    }
    await expect.poll(left, { timeout: 5000, interval: 20 }).toEqual([]);
    // A guardian may not have come to make its folder yet.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await expect.poll(left, { timeout: 5000, interval: 20 }).toEqual([]);
  });
});
