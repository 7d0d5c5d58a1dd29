import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseVms, type VmKind } from '../src/cli/demo/choose.ts';
import { type Demo, startDemo } from '../src/cli/demo/demo.ts';
import { thisMachine } from '../src/host/machine.ts';
import { Registry } from '../src/registry/registry.ts';

const VIRTSTAT = fileURLToPath(new URL('../bin/virtstat.cjs', import.meta.url));
const REAL_VMS: readonly VmKind[] = ['qemu', 'kvm'];
const ALL: readonly VmKind[] = [...REAL_VMS, 'replay'];

/** Whatever a demo makes below this folder, it must take away. */
let temporary: string;
const children: ChildProcess[] = [];
const demos: Demo[] = [];

beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'virtstat-demo-test-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(demos.splice(0).map((demo) => demo.close()));
  rmSync(temporary, { recursive: true, force: true });
});

/** Why a kind cannot be shown on this machine; undefined where it can. */
function obstacleTo(kind: VmKind): string | undefined {
  try {
    chooseVms(thisMachine, kind);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

interface Run {
  readonly child: ChildProcess;
  /** What it wrote to its standard output so far. */
  readonly output: () => string;
  /** Its exit status or the signal that ended it. */
  readonly end: Promise<number | NodeJS.Signals | null>;
}

function runDemo(
  kind: VmKind | undefined,
  environment: NodeJS.ProcessEnv = {},
  channel: 'ipc' | 'ignore' = 'ignore',
): Run {
  const child = spawn(process.execPath, [VIRTSTAT, 'demo', ...(kind === undefined ? [] : ['--vms', kind])], {
    stdio: ['ignore', 'pipe', 'inherit', channel],
    env: { ...process.env, TMPDIR: temporary, ...environment },
  });
  children.push(child);
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const whole = new Promise((resolve) => child.stdout?.once('close', resolve));
  const exit = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal)),
  );
  const end = Promise.all([exit, whole]).then(([status]) => status);
  return { child, output: () => text, end };
}

/** Pids of everything below a process. */
function descendantsOf(pid: number): readonly number[] {
  const below = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && parentOf(entry) === pid);
  return below.map(Number).flatMap((child) => [child, ...descendantsOf(child)]);
}

function parentOf(entry: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

/** True while the process runs: one that waits to be reaped has ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

/** What a demo has made below the folder for temporary files; the platform may keep compiled code there. */
function filesLeft(): readonly string[] {
  return readdirSync(temporary).filter((name) => name !== 'node-compile-cache');
}

async function expectNothingLeft(pids: readonly number[]): Promise<void> {
  const left = (): unknown => ({ pids: pids.filter(isRunning), files: filesLeft() });
  await expect.poll(left, { timeout: 10_000, interval: 20 }).toEqual({ pids: [], files: [] });
}

/** All VMs of a demo that runs: each one and its guardian. */
async function vmsOf({ child }: Run): Promise<readonly number[]> {
  let pids: readonly number[] = [];
  await expect.poll(() => (pids = descendantsOf(child.pid ?? 0)).length, { timeout: 20_000, interval: 20 }).toBe(4);
  return pids;
}

/** Sum of one stat over all vCPUs. */
async function total(registry: Registry, name: string): Promise<bigint> {
  const answers = await registry.query({ target: 'vcpu' });
  expect(answers.flatMap(({ errors }) => errors)).toEqual([]);
  const entries = answers.flatMap(({ items }) => items).flatMap(({ stats }) => stats);
  return entries.reduce((sum, { name: each, value }) => (each === name ? sum + (value as bigint) : sum), 0n);
}

async function open(kind: VmKind): Promise<{ readonly demo: Demo; readonly registry: Registry }> {
  const demo = await startDemo({ vms: kind });
  demos.push(demo);
  return { demo, registry: new Registry(demo.sources) };
}

describe.each(ALL)('a demo of %s', (kind) => {
  it('prints three samples that differ where nobody watches, and exits 0', async (context) => {
    const obstacle = obstacleTo(kind);
    if (obstacle !== undefined) context.skip(obstacle);
    const run = runDemo(kind);
    expect(await run.end).toBe(0);
    const samples = run.output().split(/^(?=virtstat demo: )/m);
    expect(samples).toHaveLength(3);
    const tables = samples.map((sample) => sample.split('\n').slice(1).join('\n'));
    for (const table of tables) expect(table).toMatch(kind === 'replay' ? /replay/ : /virtstat-demo-2/);
    expect(new Set(tables).size).toBe(3);
    expect(filesLeft()).toEqual([]);
  });

  it('has counters that move', async (context) => {
    const obstacle = obstacleTo(kind);
    if (obstacle !== undefined) context.skip(obstacle);
    const { demo, registry } = await open(kind);
    expect(demo.description).toMatch(
      { qemu: /^2 QEMU VMs/, kvm: /^2 VMs of virtstat's own/, replay: /^a replay/ }[kind],
    );
    const before = await total(registry, 'exits');
    await expect.poll(() => total(registry, 'exits'), { timeout: 10_000, interval: 200 }).toBeGreaterThan(before);
    await registry.close();
  });
});

describe.each(REAL_VMS)('a demo of %s', (kind) => {
  it.for(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)('leaves nothing on %s', async (signal, context) => {
    const obstacle = obstacleTo(kind);
    if (obstacle !== undefined) context.skip(obstacle);
    const run = runDemo(kind);
    const pids = await vmsOf(run);
    run.child.kill(signal);
    await run.end;
    await expectNothingLeft(pids);
  });

  it('leaves nothing when it is killed while it starts', async (context) => {
    const obstacle = obstacleTo(kind);
    if (obstacle !== undefined) context.skip(obstacle);
    const run = runDemo(kind);
    await expect.poll(() => filesLeft().length, { timeout: 20_000, interval: 1 }).toBeGreaterThan(0);
    const pids = descendantsOf(run.child.pid ?? 0);
    run.child.kill('SIGKILL');
    await run.end;
    await expectNothingLeft(pids);
  });

  it('ends when the program that started it closes its channel', async (context) => {
    const obstacle = obstacleTo(kind);
    if (obstacle !== undefined) context.skip(obstacle);
    const run = runDemo(kind, { VIRTSTAT_PARENT_IPC: '1' }, 'ipc');
    const pids = await vmsOf(run);
    run.child.disconnect();
    await run.end;
    await expectNothingLeft(pids);
    expect(run.output()).not.toContain('sample 3 of 3');
  });

  it('gives back every descriptor and process, time after time', async (context) => {
    const obstacle = obstacleTo(kind);
    if (obstacle !== undefined) context.skip(obstacle);
    const openFds = (): number => readdirSync('/proc/self/fd').length;
    const cycle = async (): Promise<void> => {
      const { demo, registry } = await open(kind);
      await total(registry, 'exits');
      await registry.close();
      await demo.close();
    };
    await cycle();
    const before = openFds();
    for (let round = 0; round < 5; round++) await cycle();
    expect(openFds()).toBeLessThanOrEqual(before);
    expect(descendantsOf(process.pid).filter((pid) => /virtstat-demo/.test(commandOf(pid)))).toEqual([]);
  });
});

describe('the VMs that the demo makes itself', () => {
  it('sleep and wake on every vCPU, and keep the stats files of all objects open', async (context) => {
    const obstacle = obstacleTo('kvm');
    if (obstacle !== undefined) context.skip(obstacle);
    const { registry } = await open('kvm');
    const list = await registry.list();
    expect(list.map(({ domain }) => domain)).toMatchObject([
      { name: 'virtstat-demo-1', vcpus: 2 },
      { name: 'virtstat-demo-2', vcpus: 2 },
    ]);
    for (const { items } of list) {
      const ofKvm = items.filter(({ provider }) => provider === 'kvm');
      expect(ofKvm.map(({ target, via, available }) => [target, via, available])).toEqual([
        ['vm', 'kvm-file', true],
        ['vcpu', 'kvm-file', true],
      ]);
    }
    const sleepers = async (): Promise<number> => {
      const answers = await registry.query({ target: 'vcpu' });
      const values = answers
        .flatMap(({ items }) => items)
        .map(({ stats }) => stats.find(({ name }) => name === 'halt_exits'));
      return values.filter((entry) => entry !== undefined && (entry.value as bigint) > 50n).length;
    };
    await expect.poll(sleepers, { timeout: 20_000, interval: 200 }).toBe(4);
    await registry.close();
  });
});

describe('QEMU without KVM', () => {
  it('shows a replay beside its VMs, of which there are no statistics of KVM', async (context) => {
    const obstacle = obstacleTo('qemu');
    if (obstacle !== undefined) context.skip(obstacle);
    const demo = await startDemo({ machine: { ...thisMachine, kvmObstacle: () => 'EACCES' } });
    demos.push(demo);
    expect(demo.description).toBe(
      '2 QEMU VMs under TCG (no statistics of KVM) beside a replay (/dev/kvm cannot be opened: EACCES)',
    );
    const registry = new Registry(demo.sources);
    const list = await registry.list();
    expect(list.map(({ domain }) => domain.name)).toEqual(['virtstat-demo-1', 'virtstat-demo-2', 'replay']);
    const isReadable = list.map(({ items }) =>
      items.some(({ provider, available }) => provider === 'kvm' && available),
    );
    expect(isReadable).toEqual([false, false, true]);
    await registry.close();
  });
});

describe('the live table', () => {
  it('shows VMs in a terminal until q, and leaves nothing', async (context) => {
    if (thisMachine.findProgram('tmux') === undefined) context.skip('tmux is not installed');
    const kind = obstacleTo('kvm') === undefined ? 'kvm' : 'replay';
    const socket = join(temporary, '..', `virtstat-tmux-${process.pid}`);
    const tmux = (...args: readonly string[]): string =>
      execFileSync('tmux', ['-S', socket, ...args], { encoding: 'utf8' });
    const environment = ['-e', `TMPDIR=${temporary}`];
    tmux(
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      '120',
      '-y',
      '40',
      ...environment,
      process.execPath,
      VIRTSTAT,
      'demo',
      '--vms',
      kind,
    );
    try {
      const shown = (): string => tmux('capture-pane', '-p');
      await expect.poll(shown, { timeout: 20_000, interval: 100 }).toMatch(/exits/);
      expect(shown()).toMatch(/virtstat demo: .*\n/);
      const pids = descendantsOf(Number(tmux('display-message', '-p', '#{pane_pid}')));
      const first = shown();
      await expect.poll(shown, { timeout: 5000, interval: 100 }).not.toBe(first);
      tmux('send-keys', 'q');
      await expectNothingLeft(pids);
    } finally {
      try {
        tmux('kill-server');
      } catch {
        // The server ends with its last session.
      }
      rmSync(socket, { force: true });
    }
  });
});

function commandOf(pid: number): string {
  return existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'latin1') : '';
}
