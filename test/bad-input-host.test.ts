import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import { Registry } from '../src/registry/registry.ts';
import { LocalSource } from '../src/source/local/local-source.ts';
import { virtstat, virtstatUnder } from './lab/cli.ts';
import { startQemu, type Vm, type VmOptions, whyNoVm } from './lab/qemu.ts';

const BIN = fileURLToPath(new URL('../bin/virtstat.cjs', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'bad-host-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Element {
  readonly domain?: string;
  readonly name?: string;
  readonly error?: { readonly code: string };
}

async function start(context: TestContext, options: VmOptions = {}): Promise<Vm> {
  const reason = whyNoVm(options);
  if (reason !== undefined) context.skip(reason);
  const vm = await startQemu({ accel: 'tcg', paused: true, ...options });
  onTestFinished(() => vm.stop());
  return vm;
}

/** A process that calls itself QEMU and has these arguments. */
function pretend(...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 30000)', '--', ...args], {
    argv0: 'qemu-kvm',
    stdio: 'ignore',
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe('a VM that goes away or stands still', () => {
  it('killed during a watch becomes one error, while the other’s values go on', async (context) => {
    const [victim, survivor] = [await start(context, { accel: 'kvm' }), await start(context, { accel: 'kvm' })];
    const connects = ['-c', `qmp+unix:${victim.qmpPath}`, '-c', `qmp+unix:${survivor.qmpPath}`];
    const watch = spawn(process.execPath, [BIN, ...connects, 'query', 'vm', '--watch=0.05', '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void watch.kill('SIGKILL'));
    let stdout = '';
    watch.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    const ended = new Promise<number | null>((resolve) => watch.once('close', resolve));
    for (let waited = 0; waited < 200 && stdout.split('\n').length < 4; waited++) await sleep(50);
    process.kill(victim.pid, 'SIGKILL');
    await sleep(1500);
    watch.kill('SIGINT');
    expect(await ended).toBe(0);
    const sweeps = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Element[]);
    expect(new Set(sweeps[0]?.map(({ domain }) => domain))).toEqual(new Set([victim.name, survivor.name]));
    // The monitor may have been asked for values, or be gone already.
    expect(sweeps.at(-1)?.find(({ domain }) => domain === survivor.name)).toHaveProperty('stats');
    const last = sweeps.at(-1)?.find(({ domain }) => domain !== survivor.name);
    expect(JSON.stringify(last)).toMatch(/CONNECTION_LOST|PATH_NOT_FOUND|CONNECT_REFUSED/);
  });

  it('that is stopped delays a list by no more than its greeting', async (context) => {
    const vm = await start(context);
    process.kill(vm.pid, 'SIGSTOP');
    const startMs = performance.now();
    const { status, stdout } = await virtstat('list', '--json');
    expect(performance.now() - startMs).toBeLessThan(5000);
    expect(status).toBe(0);
    const listed = (JSON.parse(stdout) as Element[]).find(({ name }) => name === vm.name);
    expect(JSON.stringify(listed)).toContain('sent no greeting');
  });
});

describe('a process that only says that it is QEMU', () => {
  it('makes nobody wait for its configuration, nor fill memory with it', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const path of [pipe, '/dev/zero', '/proc/kmsg']) {
      const { pid } = pretend('-readconfig', path);
      const { status, stdout } = await virtstat('list', '--json');
      expect(status).toBe(0);
      expect(stdout).toContain(`"name":"qemu-${pid}"`);
    }
  });

  it('has a name that cannot reach the terminal, whatever the verb', async () => {
    pretend('-name', 'evil\u001b[2J\nroot', '-uuid', '\u001b]0;owned\u0007', '-qmp', `unix:${folder}/gone,server`);
    for (const verb of [['list'], ['query', 'vm'], ['schemas'], ['info', 'stats', 'vm'], ['query', 'vm', 'nope']]) {
      const { stdout, stderr } = await virtstat(...verb);
      expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
      expect(stderr).not.toMatch(/^(?!virtstat: )./m);
    }
  });

  it('with thousands of monitors is one short line', async () => {
    const monitors = Array.from({ length: 3000 }, (_, index) => ['-qmp', `unix:${folder}/${index},server`]).flat();
    pretend('-name', 'hydra', ...monitors);
    const { stderr } = await virtstat('query', 'vm', '--domain', 'hydra', '--json');
    expect(stderr).toMatch(/^virtstat: [^\n]{1,3000}\n$/);
  });
});

describe('a /proc full of strange processes', () => {
  function addProcess(proc: string, pid: number, cmdline: string | Uint8Array, stat = `${pid} (q) S 1\n`): void {
    mkdirSync(join(proc, String(pid), 'fd'), { recursive: true });
    writeFileSync(join(proc, String(pid), 'cmdline'), cmdline);
    writeFileSync(join(proc, String(pid), 'stat'), stat);
  }

  function localOf(proc: string): Registry {
    mkdirSync(join(proc, 'self'));
    const registry = new Registry([new LocalSource({ procRoot: proc })]);
    onTestFinished(() => registry.close());
    return registry;
  }

  it('lists what can be, and fails for none of them', async () => {
    const proc = mkdtempSync(join(folder, 'proc-'));
    const base = 500_000_000;
    addProcess(proc, base, 'qemu-kvm');
    addProcess(proc, base + 1, 'qemu-kvm\0-name');
    addProcess(proc, base + 2, `qemu-kvm\0-name\0guest=${',,'.repeat(200_000)}\0`);
    addProcess(proc, base + 3, Uint8Array.from([...Buffer.from('qemu-kvm\0-name\0'), 0xff, 0xfe, 0, 0x2d, 0xc3, 0]));
    addProcess(
      proc,
      base + 4,
      'qemu-kvm\0-qmp\0unix:\0-qmp\0tcp::\0-qmp\0tcp:x:99999,server\0-mon\0chardev=gone,mode=control\0',
    );
    addProcess(proc, base + 5, 'qemu-kvm\0-name\0a', 'no stat at all');
    addProcess(proc, base + 6, 'qemu-kvm\0-name\0b', '');
    addProcess(proc, base + 7, 'qemu-kvm\0-qmp\0unix:/x,server\0');
    symlinkSync('anon_inode:kvm-vcpu-stats:0', join(proc, String(base + 7), 'fd', '9'));
    symlinkSync('anon_inode:kvm-vcpu-stats:99999999999999999999', join(proc, String(base + 7), 'fd', '10'));
    symlinkSync('anon_inode:kvm-vm-stats', join(proc, String(base + 7), 'fd', '-1'));
    const host = localOf(proc);
    const listed = await host.list();
    expect(listed.length).toBeGreaterThanOrEqual(6);
    for (const target of ['vm', 'vcpu']) {
      for (const { items, errors } of await host.query({ target })) {
        expect(items).toEqual([]);
        for (const { code } of errors) expect(code).not.toBe('INTERNAL');
      }
    }
  });

  it('three thousand VMs whose monitors are gone take seconds, and each says so', async () => {
    const proc = mkdtempSync(join(folder, 'many-'));
    const count = 3000;
    for (let index = 0; index < count; index++) {
      addProcess(proc, 500_000_000 + index, `kvm\0-name\0vm${index}\0-qmp\0unix:${folder}/none${index},server\0`);
    }
    const startMs = performance.now();
    const answers = await localOf(proc).query({ target: 'vm' });
    expect(performance.now() - startMs).toBeLessThan(10_000);
    expect(answers).toHaveLength(count);
    for (const { errors } of answers) expect(errors).toHaveLength(1);
  });
});

describe('output that has nowhere to go', () => {
  const command = [
    '-c',
    'qmp+unix:/nonexistent',
    '-c',
    `kvm+file:${fileURLToPath(new URL('../captures/kvm', import.meta.url))}`,
  ];

  it.each(['2>/dev/full', '2>&-', '>&-', '>&- 2>&-'])('%s spoils neither result nor status', async (redirection) => {
    const launcher = ['sh', '-c', `"$@" ${redirection}`, 'sh'];
    const { status, stdout } = await virtstatUnder(launcher, ...command, 'query', 'vm', '--json');
    expect(status).toBe(0);
    if (!redirection.startsWith('>')) expect(JSON.parse(stdout)).toHaveLength(4);
  });
});
