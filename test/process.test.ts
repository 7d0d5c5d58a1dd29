import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import type { Sample } from '../src/model/sample.ts';
import { Registry } from '../src/registry/registry.ts';
import { LocalSource } from '../src/source/local/local-source.ts';
import { virtstatUnder } from './lab/cli.ts';
import { asNobody, objectionToNobody } from './lab/nobody.ts';
import { newerQemuRoot, startQemu, type Vm, type VmOptions, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';

const NS_PER_TICK = 10_000_000n;

function localOf(...pids: readonly number[]): Registry {
  const registry = new Registry([new LocalSource({ pids })]);
  onTestFinished(() => registry.close());
  return registry;
}

async function start(context: TestContext, options: VmOptions): Promise<Vm> {
  const reason = whyNoVm(options);
  if (reason !== undefined) context.skip(reason);
  const vm = await startQemu(options);
  onTestFinished(() => vm.stop());
  return vm;
}

async function samplesOf(host: Registry, target: string): Promise<readonly Sample[]> {
  const [answer] = await host.query({ target, providers: [{ provider: 'process' }] });
  expect(answer?.errors).toEqual([]);
  return answer?.items ?? [];
}

function valuesOf(sample: Sample | undefined): Readonly<Record<string, bigint>> {
  return Object.fromEntries((sample?.stats ?? []).map(({ name, value }) => [name, value as bigint]));
}

const read = (path: string): string => readFileSync(path, 'latin1');
const threadsOf = (pid: number): readonly string[] => readdirSync(`/proc/${pid}/task`);

/** The thread that QEMU gave this name. */
function threadNamed(pid: number, name: RegExp): string {
  return threadsOf(pid).find((thread) => name.test(read(`/proc/${pid}/task/${thread}/comm`))) ?? 'none';
}

/** What the kernel's files say, as this test reads them. */
function kernelValues(folder: string): Readonly<Record<string, bigint>> {
  const [run, delay, slices] = read(`${folder}/schedstat`).trim().split(' ').map(BigInt);
  const stat = read(`${folder}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => BigInt(fields[number - 3] ?? '');
  const status = Object.fromEntries(
    [...read(`${folder}/status`).matchAll(/^(\w+):\s+(\d+)/gm)].map(([, name, value]) => [name, BigInt(value ?? '')]),
  );
  return {
    run_time: run ?? 0n,
    run_delay: delay ?? 0n,
    timeslices: slices ?? 0n,
    minor_faults: field(10),
    major_faults: field(12),
    user_time: field(14),
    system_time: field(15),
    guest_time: field(43),
    voluntary_ctxt_switches: status['voluntary_ctxt_switches'] ?? 0n,
    nonvoluntary_ctxt_switches: status['nonvoluntary_ctxt_switches'] ?? 0n,
  };
}

function expectBetween(
  before: Readonly<Record<string, bigint>>,
  ours: Readonly<Record<string, bigint>>,
  after: typeof before,
) {
  for (const [name, value] of Object.entries(before)) {
    expect([name, (ours[name] ?? -1n) >= value, (ours[name] ?? -1n) <= (after[name] ?? -1n)]).toEqual([
      name,
      true,
      true,
    ]);
  }
}

const IOTHREADS = ['-object', 'iothread,id=io1', '-object', 'iothread,id=an-io-thread-of-a-long-name'];
const QEMUS = [
  { what: 'this machine’s QEMU', options: {} },
  { what: 'a newer QEMU', options: newerQemuRoot() },
];

describe.each(QEMUS)('the threads of $what', ({ options }) => {
  it('tell what the kernel tells of them, by the paths that the monitor has', async (context) => {
    if ('reason' in options) return context.skip(options.reason);
    const vm = await start(context, { ...options, smp: 4, guest: true, args: IOTHREADS });
    const host = localOf(vm.pid);
    await samplesOf(host, 'vcpu');
    const folders = [0, 1, 2, 3].map(
      (cpu) => `/proc/${vm.pid}/task/${threadNamed(vm.pid, new RegExp(`^CPU ${cpu}/`))}`,
    );
    const before = folders.map(kernelValues);
    const samples = await samplesOf(host, 'vcpu');
    const after = folders.map(kernelValues);
    const monitor = await RawQmp.open(vm.qmpPath);
    const cpus = (await monitor.execute('query-cpus-fast')) as readonly { 'qom-path': string }[];
    monitor.close();
    expect(samples.map(({ path, via }) => [path, via])).toEqual(cpus.map((cpu) => [cpu['qom-path'], 'proc']));
    for (const [index, sample] of samples.entries()) expectBetween(before[index]!, valuesOf(sample), after[index]!);
    expect(valuesOf(samples[0])['run_time']).toBeGreaterThan(0n);

    const io = `/proc/${vm.pid}/task/${threadNamed(vm.pid, /^IO io1$/m)}`;
    const ioBefore = kernelValues(io);
    const ioSamples = await samplesOf(host, 'iothread');
    expect(ioSamples.map(({ path }) => path)).toEqual(['/objects/an-io-thread-of-a-long-name', '/objects/io1']);
    expectBetween(ioBefore, valuesOf(ioSamples[1]), kernelValues(io));
  });

  it('add up to what the process used, and the process tells what the kernel tells of it', async (context) => {
    if ('reason' in options) return context.skip(options.reason);
    const vm = await start(context, { ...options, smp: 2, guest: true });
    const host = localOf(vm.pid);
    const runTimes = () =>
      threadsOf(vm.pid).map((thread) => BigInt(read(`/proc/${vm.pid}/task/${thread}/schedstat`).split(' ')[0] ?? ''));
    const used = runTimes().reduce((sum, time) => sum + time, 0n);
    const before = kernelValues(`/proc/${vm.pid}`);
    const ours = valuesOf((await samplesOf(host, 'vm'))[0]);
    const after = kernelValues(`/proc/${vm.pid}`);
    const { run_time, run_delay, timeslices, voluntary_ctxt_switches, nonvoluntary_ctxt_switches, ...whole } = before;
    const main = { run_time, run_delay, timeslices, voluntary_ctxt_switches, nonvoluntary_ctxt_switches };
    const asMain = (values: object) =>
      Object.fromEntries(Object.entries(values).map(([name, value]) => [`main_thread_${name}`, value]));
    expectBetween(whole, ours, after);
    expectBetween(asMain(main), ours, asMain(after));
    expect(ours['cpu_time']).toBeGreaterThanOrEqual(used);
    const ticks = ((after['user_time'] ?? 0n) + (after['system_time'] ?? 0n) + 2n) * NS_PER_TICK;
    expect(ours['cpu_time']).toBeLessThanOrEqual(ticks);
    const vcpus = await samplesOf(host, 'vcpu');
    const ofVcpus = vcpus.reduce((sum, sample) => sum + (valuesOf(sample)['run_time'] ?? 0n), 0n);
    expect(ofVcpus).toBeLessThanOrEqual(valuesOf((await samplesOf(host, 'vm'))[0])['cpu_time'] ?? 0n);
    expect((ours['rss'] ?? 0n) * 1024n).toBeLessThanOrEqual(ours['virtual_memory'] ?? 0n);
    expect(ours['rchar']).toBeGreaterThan(0n);
  });
});

it('a vCPU that is plugged appears', async (context) => {
  const vm = await start(context, { smp: 1, qmp: 2, paused: true, args: ['-smp', '1,maxcpus=4'] });
  const monitor = await RawQmp.open(vm.qmpPaths[1] ?? '');
  onTestFinished(() => monitor.close());
  const host = localOf(vm.pid);
  expect(await samplesOf(host, 'vcpu')).toHaveLength(1);
  const slots = (await monitor.execute('query-hotpluggable-cpus')) as readonly {
    type: string;
    props: object;
    'qom-path'?: string;
  }[];
  const free = slots.find((slot) => slot['qom-path'] === undefined);
  const props = Object.fromEntries(Object.entries(free?.props ?? {}).map(([key, value]) => [key, Number(value)]));
  await monitor.execute('device_add', { driver: free?.type ?? '', id: 'plugged', ...props });
  await sleep(5500);
  expect((await samplesOf(host, 'vcpu')).map(({ path }) => path)).toContain('/machine/peripheral/plugged');
}, 30_000);

it('a monitor that hangs holds nobody up for long, and its threads stay known', async (context) => {
  const vm = await start(context, { smp: 2 });
  const host = localOf(vm.pid);
  const before = (await samplesOf(host, 'vcpu')).map(({ path }) => path);
  expect(before).toHaveLength(2);
  process.kill(vm.pid, 'SIGSTOP');
  onTestFinished(() => void process.kill(vm.pid, 'SIGCONT'));
  await sleep(5500);
  const startMs = performance.now();
  expect((await samplesOf(host, 'vcpu')).map(({ path }) => path)).toEqual(before);
  expect(performance.now() - startMs).toBeLessThan(2500);
  expect(await samplesOf(host, 'vm')).toHaveLength(1);
}, 30_000);

it('a VM that exits between two reads is gone, and leaves nothing open', async (context) => {
  const vm = await start(context, { smp: 2, paused: true });
  const host = localOf(vm.pid);
  const ownFds = () => readdirSync('/proc/self/fd').length;
  await samplesOf(host, 'iothread');
  const before = ownFds();
  await samplesOf(host, 'vm');
  await samplesOf(host, 'vcpu');
  expect(ownFds()).toBeGreaterThan(before + 8);
  await vm.stop();
  for (const target of ['vm', 'vcpu']) {
    const [answer] = await host.query({ target, providers: [{ provider: 'process' }] });
    expect(answer?.items ?? []).toEqual([]);
    expect(answer?.errors.map(({ code }) => code) ?? ['DOMAIN_GONE']).toEqual(['DOMAIN_GONE']);
  }
  const fdsWhenSought = async () => {
    await host.list();
    return ownFds();
  };
  await expect.poll(fdsWhenSought, { timeout: 10_000, interval: 500 }).toBeLessThanOrEqual(before);
});

/** Ends what this file started by itself. */
function tracked(child: ChildProcess): ChildProcess {
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  return child;
}

it('a VM that executes itself anew is the same one, with other threads', async () => {
  const child = tracked(spawn('sh', ['-c', 'read line; exec sleep 60'], { stdio: ['pipe', 'ignore', 'ignore'] }));
  await once(child, 'spawn');
  const host = localOf(child.pid ?? 0);
  const sample = async () => valuesOf((await samplesOf(host, 'vm'))[0]);
  const before = await sample();
  child.stdin?.end('\n');
  await expect.poll(() => read(`/proc/${child.pid}/comm`)).toBe('sleep\n');
  // The kernel adds to the time of a running thread when it stops or at a tick: right after the name there may be neither.
  await expect.poll(async () => (await sample())['cpu_time']).toBeGreaterThan(before['cpu_time'] ?? 0n);
  const after = await sample();
  expect(after['minor_faults']).toBeGreaterThan(before['minor_faults'] ?? 0n);
  expect(after['threads']).toBe(1n);
});

it('a VM in a pid namespace of its own has the threads that it has outside', async (context) => {
  if (process.getuid?.() !== 0) context.skip('a pid namespace takes root');
  const reason = whyNoVm({ accel: 'tcg' });
  if (reason !== undefined) context.skip(reason);
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-pidns-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const socket = join(folder, 'qmp');
  const qemu = [
    'qemu-system-x86_64',
    '-name',
    'inner,debug-threads=on',
    '-machine',
    'pc',
    '-accel',
    'tcg',
    '-smp',
    '3',
  ];
  const rest = ['-m', '32', '-nodefaults', '-display', 'none', '-S', '-object', 'iothread,id=io1'];
  const args = [
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--',
    ...qemu,
    ...rest,
    '-qmp',
    `unix:${socket},server=on,wait=off`,
  ];
  const child = tracked(spawn('unshare', args, { stdio: 'ignore' }));
  await expect.poll(() => existsSync(socket), { timeout: 20_000 }).toBe(true);
  const pid = Number(read(`/proc/${child.pid}/task/${child.pid}/children`));
  const host = localOf(pid);
  const cpus = await samplesOf(host, 'vcpu');
  expect(cpus).toHaveLength(3);
  const settled = () =>
    [0, 1, 2].map((cpu) => kernelValues(`/proc/${pid}/task/${threadNamed(pid, new RegExp(`^CPU ${cpu}/`))}`));
  const before = settled();
  const samples = await samplesOf(host, 'vcpu');
  const after = settled();
  for (const [index, sample] of samples.entries()) expectBetween(before[index]!, valuesOf(sample), after[index]!);
  expect(new Set(samples.map((sample) => valuesOf(sample)['run_time'])).size).toBe(3);
  expect((await samplesOf(host, 'iothread')).map(({ path }) => path)).toEqual(['/objects/io1']);
});

it('without any right all but the I/O counters can be read, and the list says why', async (context) => {
  const reason = await objectionToNobody();
  if (reason !== undefined) context.skip(reason);
  const vm = await start(context, { smp: 2, paused: true, args: ['-object', 'iothread,id=io1'] });
  const query = async (target: string) => {
    const { stdout } = await asNobody('query', target, '*', 'process', '--json', '--domain', vm.uuid);
    return JSON.parse(stdout) as readonly { path?: string; 'qom-path'?: string; stats: readonly { name: string }[] }[];
  };
  const [whole] = await query('vm');
  const names = whole?.stats.map(({ name }) => name) ?? [];
  expect(names).toContain('cpu_time');
  expect(names).toContain('rss');
  expect(names).not.toContain('read_bytes');
  // Nobody may not connect to the monitor: the names of the threads tell.
  expect((await query('vcpu')).map(({ path }) => path)).toEqual(['cpu-0', 'cpu-1']);
  expect((await query('iothread')).map((sample) => sample['qom-path'])).toEqual(['/objects/io1']);
  const { stdout } = await asNobody('list', '--json');
  const listed = (JSON.parse(stdout) as readonly { uuid?: string; providers?: readonly object[] }[]).find(
    ({ uuid }) => uuid === vm.uuid,
  );
  expect(listed?.providers).toContainEqual({ provider: 'process', target: 'vm', via: 'proc', available: true });
  expect(listed?.providers).toContainEqual(
    expect.objectContaining({
      via: 'proc-io',
      available: false,
      reason: expect.stringMatching(/^only what \/proc\/\d+\/io tells is missing: EACCES; run as/),
    }),
  );
}, 60_000);

it.for([1, 2])(
  'a /proc that hides other users’ processes (hidepid=%i) hides their VMs as a whole',
  async (hidepid, context) => {
    const reason = await objectionToNobody();
    if (reason !== undefined) context.skip(reason);
    const vm = await start(context, { smp: 1, paused: true });
    const script = `mount -t proc -o hidepid=${hidepid} proc /proc; exec "$@"`;
    const isolated = ['unshare', '--mount', '--propagation', 'private', '--', 'sh', '-ec', script, 'sh'];
    const asWho = (...who: readonly string[]) => virtstatUnder([...isolated, ...who], 'list', '--json');
    const uuids = ({ stdout }: { readonly stdout: string }) =>
      (JSON.parse(stdout || '[]') as readonly { uuid?: string }[]).map(({ uuid }) => uuid);
    expect(uuids(await asWho())).toContain(vm.uuid);
    const nobody = ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups', '--'];
    expect(uuids(await asWho(...nobody))).not.toContain(vm.uuid);
  },
);

it('control groups are those that the VM is in', async (context) => {
  const mounts = [...read('/proc/self/mountinfo').matchAll(/^\S+ \S+ \S+ \/ (\S+) .* - (cgroup2?) \S+ (\S+)$/gm)];
  const wanted = mounts.filter(
    ([, , kind, options]) => kind === 'cgroup2' || /\b(cpuacct|memory)\b/.test(options ?? ''),
  );
  const name = `virtstat-test-${process.pid}`;
  const groups = wanted.map(([, folder = '']) => join(folder, name));
  const vm = await start(context, { smp: 1 });
  onTestFinished(async () => {
    await vm.stop();
    for (const group of groups) if (existsSync(group)) rmdirSync(group);
  });
  try {
    for (const group of groups) {
      mkdirSync(group);
      writeFileSync(join(group, 'cgroup.procs'), String(vm.pid));
    }
  } catch (error) {
    context.skip(`no control group can be made here: ${String(error)}`);
  }
  if (groups.length === 0) context.skip('no control groups are mounted here');
  const fileOf = (...names: readonly string[]) =>
    groups.flatMap((group) => names.map((each) => join(group, each))).find((path) => existsSync(path));
  const host = localOf(vm.pid);
  const usage = () => {
    const two = groups
      .map((group) => join(group, 'cpu.stat'))
      .find((path) => existsSync(path) && /^usage_usec/.test(read(path)));
    return two === undefined
      ? BigInt(read(fileOf('cpuacct.usage') ?? ''))
      : BigInt(/^usage_usec (\d+)/.exec(read(two))?.[1] ?? '');
  };
  const before = usage();
  const ours = valuesOf((await samplesOf(host, 'vm'))[0]);
  expect(ours['cgroup_cpu_time']).toBeGreaterThanOrEqual(before);
  expect(ours['cgroup_cpu_time']).toBeLessThanOrEqual(usage());
  const memory = fileOf('memory.current', 'memory.usage_in_bytes');
  if (memory !== undefined) expect(ours['cgroup_memory']).toBeDefined();
  const pressure = fileOf('cpu.pressure');
  if (pressure !== undefined) {
    expect(ours['cgroup_cpu_pressure_some']).toBeLessThanOrEqual(
      BigInt(/some .*total=(\d+)/.exec(read(pressure))?.[1] ?? ''),
    );
  }
});
