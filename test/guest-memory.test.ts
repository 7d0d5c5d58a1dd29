import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { virtstat, virtstatJson } from './lab/cli.ts';
import { DaemonProcess } from './lab/daemon.ts';
import {
  driverReported,
  type LinuxVmOptions,
  rawBalloon,
  rawInterval,
  setRawInterval,
  startLinux,
  whyNoLinuxGuest,
} from './lab/linux-vm.ts';
import { newerQemuRoot, startQemu, type Vm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';

const BIN = fileURLToPath(new URL('../bin/virtstat.cjs', import.meta.url));
const NOT_REPORTED = 2n ** 64n - 1n;
const LIMIT_MS = 30_000;
const POLL = { timeout: LIMIT_MS, interval: 200 };

/** An element of `guest-memory --json`. */
interface Element {
  readonly domain: string;
  readonly status: string;
  readonly reason?: string;
  readonly 'balloon-size'?: bigint;
  readonly 'polling-interval': bigint;
  readonly 'last-update': bigint;
  readonly stats: readonly { readonly name: string; readonly value: bigint }[];
}

let folder: string;
/** With a driver; without one; without a balloon. Each Linux guest has a second monitor, for the tests themselves. */
let guests: { readonly driver: Vm; readonly bare: Vm; readonly none: Vm } | undefined;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vsg-'));
  if (whyNoLinuxGuest() !== undefined) return;
  const [driver, bare, none] = await Promise.all([
    startLinux({ name: `driver-${process.pid}`, qmp: 2 }),
    startLinux({ name: `bare-${process.pid}`, qmp: 2, hasDriver: false }),
    startQemu({ name: `none-${process.pid}`, accel: 'tcg', hmp: false }),
  ]);
  guests = { driver, bare, none };
  await driverReported(own(driver));
}, 120_000);
afterAll(async () => {
  await Promise.all(Object.values(guests ?? {}).map((vm) => vm.stop()));
  rmSync(folder, { recursive: true, force: true });
});

function need(context: TestContext) {
  if (guests === undefined) context.skip(whyNoLinuxGuest() ?? 'the Linux guests did not start');
  return guests as NonNullable<typeof guests>;
}

/** The monitor that only the tests use. */
function own(vm: Vm): string {
  return vm.qmpPaths[1] ?? '';
}

function uris(...vms: readonly Vm[]): readonly string[] {
  return vms.flatMap((vm) => ['-c', `qmp+unix:${vm.qmpPath}`]);
}

async function elements(...args: readonly string[]): Promise<readonly Element[]> {
  return (await virtstatJson(...args)) as readonly Element[];
}

async function element(vm: Vm, ...args: readonly string[]): Promise<Element> {
  const [only] = await elements(...uris(vm), 'guest-memory', ...args);
  return only as Element;
}

/** What of a device's answer the guest reports, in no order. */
function reported(stats: Readonly<Record<string, bigint>>): Readonly<Record<string, bigint>> {
  return Object.fromEntries(Object.entries(stats).filter(([, value]) => value !== NOT_REPORTED));
}

/** With polling as a test wants it, whatever happens. */
async function withInterval(vm: Vm, seconds: number, work: () => Promise<void>): Promise<void> {
  await setRawInterval(own(vm), seconds);
  try {
    await work();
  } finally {
    await setRawInterval(own(vm), 0);
  }
}

/** The values of one sample stand still only between two answers of the guest: tried until both looks were in one such time. */
async function expectSameAsDevice(vm: Vm): Promise<Element> {
  for (let tries = 0; tries < 10; tries++) {
    const before = await rawBalloon(own(vm));
    const found = await element(vm);
    const after = await rawBalloon(own(vm));
    if (JSON.stringify(reported(before.stats), big) !== JSON.stringify(reported(after.stats), big)) continue;
    expect(found['last-update']).toBe(after['last-update']);
    expect(Object.fromEntries(found.stats.map(({ name, value }) => [name, value]))).toEqual(reported(after.stats));
    return found;
  }
  throw new Error('the guest answered too often to compare');
}

function big(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

/** The command, running: what it printed so far, and how it ends. */
function start(...args: readonly string[]) {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS });
  const run = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => (run[stream] += text));
  }
  const ended = once(child, 'close').then(([status]) => status as number | null);
  return { run, ended, kill: (signal: NodeJS.Signals) => child.kill(signal) };
}

describe('virtstat guest-memory', () => {
  it('tells off, never answered and no device apart, and has values nobody asked for lately', async (context) => {
    const { driver, bare, none } = need(context);
    const found = await elements(...uris(driver, bare, none), '-c', 'qmp+unix:/none', 'guest-memory');
    expect(found.map(({ domain, status }) => [domain, status])).toEqual([
      [driver.name, 'off'],
      [bare.name, 'off'],
      [none.name, 'no-device'],
      ['qmp+unix:/none', undefined],
    ]);
    expect(found[0]).toMatchObject({ 'balloon-size': 128n << 20n, 'polling-interval': 0n });
    expect(found[0]?.stats.length).toBeGreaterThan(5);
    expect(found[1]).toMatchObject({ 'last-update': 0n, stats: [] });
    expect(found[2]).toEqual({
      domain: none.name,
      status: 'no-device',
      reason: expect.stringContaining('-device virtio-balloon-pci'),
      'polling-interval': 0n,
      'last-update': 0n,
      stats: [],
    });
    expect(found[3]).toEqual({
      domain: 'qmp+unix:/none',
      error: { code: 'PATH_NOT_FOUND', message: expect.any(String) },
    });
  });

  it('shows people a table', async (context) => {
    const { driver, bare, none } = need(context);
    const { status, stdout } = await virtstat(...uris(driver, bare, none), 'guest-memory', '--poll', '1');
    expect(status).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^NAME +STATUS +AGE +TOTAL +USED +AVAILABLE +FREE +CACHES +BALLOON +ASKED$/);
    expect(lines[1]).toMatch(/^driver-\d+ +reporting +\d s( +[\d.]+ [KM]iB){5} +128 MiB +every 1 s$/);
    expect(lines[2]).toMatch(/^bare-\d+ +never-answered( +-){6} +128 MiB +every 1 s$/);
    expect(lines[3]).toMatch(/^ {2}the guest has not answered yet, it is asked every 1 s: has it a balloon driver\?$/);
    expect(lines[4]).toMatch(/^none-\d+ +no-device( +-){8}$/);
  });

  it('has exactly the values that the device has', async (context) => {
    const { driver } = need(context);
    await withInterval(driver, 3, async () => {
      await expect.poll(async () => (await element(driver)).status, POLL).toBe('reporting');
      const found = await expectSameAsDevice(driver);
      expect(found).toMatchObject({ status: 'reporting', 'polling-interval': 3n, 'balloon-size': 128n << 20n });
      expect(found).not.toHaveProperty('reason');
    });
  });

  it('--poll switches on what is off, waits for an answer, and puts it back', async (context) => {
    const { driver, bare } = need(context);
    const before = BigInt(Math.floor(Date.now() / 1000));
    const found = await element(driver, '--poll', '2');
    expect(found).toMatchObject({ status: 'reporting', 'polling-interval': 2n });
    expect(found['last-update']).toBeGreaterThanOrEqual(before);
    expect(await rawInterval(own(driver))).toBe(0n);
    expect(await element(bare, '--poll', '2')).toMatchObject({ status: 'never-answered', 'polling-interval': 2n });
    expect(await rawInterval(own(bare))).toBe(0n);
  });

  it.for(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('--poll --watch stays on until %s', async (signal, context) => {
    const { driver } = need(context);
    const watching = start(...uris(driver), 'guest-memory', '--poll', '1', '--watch=0.2', '--json');
    await expect.poll(() => rawInterval(own(driver)), POLL).toBe(1n);
    await expect.poll(() => watching.run.stdout.split('\n').length, POLL).toBeGreaterThan(4);
    expect(await rawInterval(own(driver))).toBe(1n);
    watching.kill(signal);
    expect(await watching.ended).toBe(0);
    expect(await rawInterval(own(driver))).toBe(0n);
    const sweeps = watching.run.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(sweeps.at(-1)).toMatchObject([{ domain: driver.name, status: 'reporting', 'polling-interval': 1 }]);
  });

  it('--poll puts back what it set also where it is stopped before there is an answer', async (context) => {
    const { bare } = need(context);
    const waiting = start(...uris(bare), 'guest-memory', '--poll', '1');
    await expect.poll(() => rawInterval(own(bare)), POLL).toBe(1n);
    waiting.kill('SIGTERM');
    expect([await waiting.ended, waiting.run.stdout]).toEqual([1, '']);
    expect(await rawInterval(own(bare))).toBe(0n);
  });

  it('leaves alone what another client has set, before and meanwhile', async (context) => {
    const { driver } = need(context);
    await withInterval(driver, 7, async () => {
      const { status, stdout, stderr } = await virtstat(...uris(driver), 'guest-memory', '--poll', '1', '--json');
      expect([status, JSON.parse(stdout)]).toMatchObject([0, [{ 'polling-interval': 7 }]]);
      expect(stderr).toContain(`${driver.name} is asked every 7 s on behalf of somebody else`);
      expect(await rawInterval(own(driver))).toBe(7n);
    });
    const watching = start(...uris(driver), 'guest-memory', '--poll', '1', '--watch=0.2', '--json');
    await expect.poll(() => rawInterval(own(driver)), POLL).toBe(1n);
    await withInterval(driver, 9, async () => {
      watching.kill('SIGTERM');
      await watching.ended;
      expect(await rawInterval(own(driver))).toBe(9n);
    });
  });

  it('says that a VM is paused, during which nobody asks its guest', async (context) => {
    const { driver } = need(context);
    await withInterval(driver, 1, async () => {
      await command(driver, 'stop');
      try {
        await sleep(200);
        const { 'last-update': first } = await rawBalloon(own(driver));
        expect(await element(driver)).toMatchObject({ status: 'paused', reason: expect.stringContaining('(paused)') });
        await sleep(2500);
        expect((await rawBalloon(own(driver)))['last-update']).toBe(first);
      } finally {
        await command(driver, 'cont');
      }
      await expect.poll(async () => (await element(driver)).status, POLL).toBe('reporting');
    });
  });

  it('says that a guest has gone silent, and since when', async (context) => {
    need(context);
    await using vm = await startLinux({ name: `silent-${process.pid}`, qmp: 2, silentAfterSeconds: 3 });
    await driverReported(own(vm));
    await setRawInterval(own(vm), 1);
    await expect.poll(async () => (await element(vm)).status, POLL).toBe('silent');
    const found = await element(vm);
    expect(found.reason).toMatch(/^the guest last answered \d+ s ago, it is asked every 1 s/);
    expect(found.stats.length).toBeGreaterThan(5);
  });

  it('finds the guests of this host by itself', async (context) => {
    const { driver } = need(context);
    const [found] = await elements('-c', 'local:', 'guest-memory', '--domain', driver.name, '--poll', '2');
    expect(found).toMatchObject({ domain: driver.name, status: 'reporting', 'polling-interval': 2n });
    expect(await rawInterval(own(driver))).toBe(0n);
  });

  it('survives a balloon that is taken away and given back', async (context) => {
    need(context);
    await using vm = await startLinux({ name: `plug-${process.pid}`, qmp: 2 });
    await driverReported(own(vm));
    const watching = start(...uris(vm), 'guest-memory', '--poll', '1', '--watch=0.2', '--json');
    await expect.poll(() => rawInterval(own(vm)), POLL).toBe(1n);
    await command(vm, 'device_del', { id: 'balloon0' });
    await expect.poll(() => watching.run.stdout, POLL).toContain('"no-device"');
    await command(vm, 'device_add', { driver: 'virtio-balloon-pci', id: 'balloon0' });
    await expect.poll(() => rawInterval(own(vm)), POLL).toBe(1n);
    await expect
      .poll(() => JSON.parse(watching.run.stdout.trim().split('\n').at(-1) ?? '')[0].status, POLL)
      .toBe('reporting');
    watching.kill('SIGTERM');
    await watching.ended;
    expect(await rawInterval(own(vm))).toBe(0n);
  });
});

describe('a guest of a newer QEMU', () => {
  it('is offered sixteen statistics, and told which it does not report', async (context) => {
    const found = newerQemuRoot();
    if ('reason' in found) return context.skip(found.reason);
    const reason = whyNoLinuxGuest(found.root);
    if (reason !== undefined) return context.skip(reason);
    const options: LinuxVmOptions = { root: found.root, name: `newer-${process.pid}`, qmp: 2 };
    await using vm = await startLinux(options);
    await driverReported(own(vm));
    await setRawInterval(own(vm), 3);
    await expect.poll(async () => (await element(vm)).status, POLL).toBe('reporting');
    const { reason: missing } = await expectSameAsDevice(vm);
    const { stats } = await rawBalloon(own(vm));
    expect(Object.keys(stats)).toHaveLength(16);
    const unsaid = Object.keys(stats).filter((name) => stats[name] === NOT_REPORTED);
    for (const name of unsaid) expect(missing).toContain(name);
    const [schema] = (await virtstatJson(...uris(vm), 'schemas', '--provider', 'balloon')) as [{ stats: unknown[] }];
    expect(schema.stats).toHaveLength(20);
  });
});

describe('virtstatd', () => {
  /** A configuration with these rules, for these VMs or this host. */
  function configure(vms: readonly Vm[] | 'local:', rules: string): readonly string[] {
    const file = join(folder, 'virtstat.toml');
    const all = vms === 'local:' ? [vms] : vms.map(({ qmpPath }) => `qmp+unix:${qmpPath}`);
    const connect = all.map((uri) => JSON.stringify(uri)).join(', ');
    const run = `runtime-dir = "${join(folder, 'run')}"\ndiscovery-interval = "500ms"`;
    writeFileSync(file, `connect = [${connect}]\n${run}\n${rules}\n`);
    return ['--config', file];
  }

  const rule = (domains: string, poll: string): string => `[[balloon]]\ndomains = ["${domains}"]\npoll = "${poll}"`;

  it('has the guests asked that its rules name, follows a reload, and puts back what it set', async (context) => {
    const { driver, bare, none } = need(context);
    const vms = [driver, bare, none];
    await using daemon = await DaemonProcess.ready(...configure(vms, rule('driver-*', '2s')));
    await expect.poll(() => rawInterval(own(driver)), POLL).toBe(2n);
    expect(await rawInterval(own(bare))).toBe(0n);
    const varlink = `virtstat+unix:${join(folder, 'run/varlink')}`;
    await expect
      .poll(async () => (await elements('-c', varlink, 'guest-memory')).map(({ status }) => status), POLL)
      .toEqual(['reporting', 'off', 'no-device']);
    const refused = await virtstat('-c', varlink, 'guest-memory', '--poll', '1');
    expect(refused).toMatchObject({ status: 2, stdout: '' });
    const lines = refused.stderr.trimEnd().split('\n');
    const refusal = /^virtstat: the polling of .* cannot be switched from virtstat\+unix:.*local:/;
    for (const line of lines) expect(line).toMatch(refusal);
    // One of each, and none twice.
    expect([lines.length, new Set(lines).size]).toEqual([3, 3]);
    configure(vms, `${rule('driver-*', '3s')}\n${rule('*', '1s')}`);
    daemon.child.kill('SIGHUP');
    await expect
      .poll(async () => [await rawInterval(own(driver)), await rawInterval(own(bare))], POLL)
      .toEqual([3n, 1n]);
    configure(vms, rule('bare-*', '1s'));
    daemon.child.kill('SIGHUP');
    await expect.poll(() => rawInterval(own(driver)), POLL).toBe(0n);
    expect(await rawInterval(own(bare))).toBe(1n);
    configure([driver], rule('bare-*', '1s'));
    daemon.child.kill('SIGHUP');
    await expect.poll(() => rawInterval(own(bare)), POLL).toBe(0n);
    configure([driver], rule('*', '1s'));
    daemon.child.kill('SIGHUP');
    await expect.poll(() => rawInterval(own(driver)), POLL).toBe(1n);
    expect(await daemon.end('SIGTERM')).toBe(0);
    expect(await rawInterval(own(driver))).toBe(0n);
    expect(existsSync(join(folder, 'run/balloon.json'))).toBe(false);
  });

  it('that was killed goes on at its next start, or puts back what it left, unless that is somebody else’s by now', async (context) => {
    const { driver, bare } = need(context);
    const both = `[[balloon]]\ndomains = ["${driver.name}", "${bare.name}"]\npoll = "2s"`;
    const killed = async (): Promise<void> => {
      await using daemon = await DaemonProcess.ready(...configure('local:', both));
      await expect
        .poll(async () => [await rawInterval(own(driver)), await rawInterval(own(bare))], POLL)
        .toEqual([2n, 2n]);
      expect(await daemon.end('SIGKILL')).toBe('SIGKILL');
    };
    await killed();
    expect(await rawInterval(own(driver))).toBe(2n);
    await setRawInterval(own(bare), 5);
    {
      await using daemon = await DaemonProcess.ready(...configure('local:', ''));
      await expect.poll(() => rawInterval(own(driver)), POLL).toBe(0n);
      await expect.poll(() => existsSync(join(folder, 'run/balloon.json')), POLL).toBe(false);
      expect(await rawInterval(own(bare))).toBe(5n);
      expect(await daemon.end('SIGTERM')).toBe(0);
    }
    await setRawInterval(own(bare), 0);
    await killed();
    await using daemon = await DaemonProcess.ready(...configure('local:', both));
    await daemon.said('a balloon is polled', 2);
    const owners = daemon.lines.filter(({ msg }) => msg === 'a balloon is polled').map(({ owner }) => owner);
    expect(owners).toEqual(['ours', 'ours']);
    expect(await daemon.end('SIGTERM')).toBe(0);
    expect([await rawInterval(own(driver)), await rawInterval(own(bare))]).toEqual([0n, 0n]);
  });

  it('leaves alone what another client has set', async (context) => {
    const { driver } = need(context);
    await withInterval(driver, 6, async () => {
      await using daemon = await DaemonProcess.ready(...configure([driver], rule('*', '1s')));
      expect(await daemon.said('a balloon is polled')).toMatchObject({ owner: 'theirs', seconds: 6 });
      expect(await daemon.end('SIGTERM')).toBe(0);
      expect(await rawInterval(own(driver))).toBe(6n);
    });
  });
});

async function command(vm: Vm, name: string, args?: Readonly<Record<string, unknown>>): Promise<void> {
  const monitor = await RawQmp.open(own(vm));
  await monitor.execute(name, args).finally(() => monitor.close());
}
