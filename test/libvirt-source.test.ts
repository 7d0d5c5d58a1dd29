import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'lossless-json';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Sample } from '../src/model/sample.ts';
import { Registry } from '../src/registry/registry.ts';
import { LibvirtSource } from '../src/source/libvirt/source.ts';
import { LocalSource } from '../src/source/local/local-source.ts';
import { virtstat, virtstatJson } from './lab/cli.ts';
import { type LibvirtDomain, type LibvirtLab, startLibvirt, whyNoLibvirt } from './lab/libvirt.ts';
import { hasKvm, startQemu } from './lab/qemu.ts';

const TAP = `vssrc${process.pid % 100_000}`;
const KIB = 1024n;

/** A number of ours, and libvirt's key for the same. */
type Pair = readonly [target: string, provider: string, index: number, name: string, key: string, unit?: bigint];

const disk = (index: number): readonly Pair[] =>
  (
    [
      ['rd_operations', 'rd.reqs'],
      ['rd_bytes', 'rd.bytes'],
      ['wr_total_time_ns', 'wr.times'],
      ['flush_operations', 'fl.reqs'],
      ['allocation', 'allocation'],
      ['capacity', 'capacity'],
      ['physical', 'physical'],
    ] as const
  ).map(([name, key]) => ['block', 'block', index, name, `block.${index}.${key}`]);

const PAIRS: readonly Pair[] = [
  ['vm', 'state', 0, 'state', 'state.state'],
  ['vm', 'state', 0, 'reason', 'state.reason'],
  ['vm', 'state', 0, 'vcpu_current', 'vcpu.current'],
  ['vm', 'state', 0, 'vcpu_maximum', 'vcpu.maximum'],
  ['vm', 'state', 0, 'memory_current', 'balloon.maximum', KIB],
  ['vm', 'balloon', 0, 'balloon-size', 'balloon.current', KIB],
  ['vm', 'balloon', 0, 'last-update', 'balloon.last-update'],
  ['vm', 'process', 0, 'rss', 'balloon.rss'],
  ['vm', 'process', 0, 'cgroup_cpu_time', 'cpu.time'],
  ['vm', 'process', 0, 'cgroup_system_time', 'cpu.system'],
  ['vcpu', 'process', 1, 'run_time', 'vcpu.1.time'],
  ['vcpu', 'process', 1, 'run_delay', 'vcpu.1.delay'],
  ...disk(0),
  ...disk(1),
  ['interface', 'interface', 0, 'rx_bytes', 'net.0.rx.bytes'],
  ['interface', 'interface', 0, 'tx_packets', 'net.0.tx.pkts'],
  ['iothread', 'iothread', 1, 'poll-max-ns', 'iothread.2.poll-max-ns'],
];

/** The document that a command prints, with exact integers. */
async function documentOf<T>(uri: string, ...words: readonly string[]): Promise<T> {
  const { status, stdout, stderr } = await virtstat('--timeout', '20000', '-c', uri, ...words, '--json');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return parse(stdout, null, (digits) => (/^\d+$/.test(digits) ? BigInt(digits) : Number(digits))) as T;
}

interface Queried {
  readonly domain: string;
  readonly provider: string;
  readonly path?: string;
  readonly via: string;
  readonly stats: readonly { readonly name: string; readonly value: unknown }[];
}

const reason = whyNoLibvirt();
/** libvirt passes the kernel's statistics on where its domains run with KVM. */
const KVM = hasKvm() ? ['kvm vm libvirt', 'kvm vcpu libvirt'] : [];
let lab: LibvirtLab;
/** Has no monitor but libvirt's, as libvirt makes them. */
let plain: LibvirtDomain;
/** Has one of its own, too. */
let open: LibvirtDomain;

beforeAll(async () => {
  if (reason !== undefined) return;
  lab = await startLibvirt();
  plain = await lab.start({ name: 'plain', tap: TAP, iothreads: 2, paused: true, ownMonitor: false });
  open = await lab.start({ name: 'open', paused: true });
  const off = await lab.start({ name: 'off', paused: true, disksMib: [] });
  await lab.virsh('define', `${lab.folder}/${off.name}.xml`);
  await lab.virsh('destroy', off.name);
}, 120_000);

afterAll(async () => {
  await lab?.stop();
});

const virsh = async (...words: readonly string[]): Promise<ReadonlyMap<string, string>> => {
  const text = await lab.virsh('domstats', '--raw', ...words);
  return new Map(text.split('\n').map((line) => line.trim().split(/=(.*)/s, 2) as [string, string]));
};

describe('virtstat -c qemu+unix:', () => {
  it('lists what libvirt has, those that are shut off too', async (context) => {
    if (reason !== undefined) context.skip(reason);
    type Listed = {
      name: string;
      uuid: string;
      state: string;
      vcpus?: bigint;
      source: string;
      providers: { provider: string; target: string; via: string; available: boolean; reason?: string }[];
    };
    const listed = await documentOf<readonly Listed[]>(lab.readOnlyUri, 'list');
    expect(listed.map(({ name, state, source }) => [name, state, source])).toEqual([
      ['off', 'shut off', lab.readOnlyUri],
      ['open', 'paused', lab.readOnlyUri],
      ['plain', 'paused', lab.readOnlyUri],
    ]);
    const [off, , second] = listed;
    expect(second).toMatchObject({ uuid: plain.uuid, vcpus: 2n });
    expect(new Set(off?.providers.map((each) => each.reason))).toEqual(new Set(['the domain is shut off']));
    expect(off?.providers.length).toBe(second?.providers.length);
    const readable = second?.providers.filter(({ available }) => available);
    expect(readable?.map(({ provider, target, via }) => `${provider} ${target} ${via}`)).toEqual([
      ...KVM,
      'state vm libvirt',
      'balloon vm libvirt',
      'block block libvirt',
      'iothread iothread libvirt',
      'process vm libvirt',
      'process vcpu libvirt',
      'interface interface libvirt',
    ]);
  });

  it('has once what local: has, too, where it is the libvirt of this host', async (context) => {
    if (reason !== undefined) context.skip(reason);
    vi.stubEnv('VIRTSTAT_LIBVIRT_DIR', lab.sockets);
    onTestFinished(() => void vi.unstubAllEnvs());
    const mine = [plain.name, open.name, 'off'];
    const seen = async (...uris: readonly string[]) => {
      const listed = await virtstatJson('--timeout', '20000', ...uris.flatMap((uri) => ['-c', uri]), 'list');
      const all = listed as readonly { readonly name: string; readonly source: string }[];
      return all.flatMap(({ name, source }) => (mine.includes(name) ? `${name} ${source}` : [])).toSorted();
    };
    expect(await seen('local:', 'qemu:///system')).toEqual(['off qemu:///system', 'open local:', 'plain local:']);
    expect(await seen('qemu:///system')).toEqual(['off', 'open', 'plain'].map((name) => `${name} qemu:///system`));
    const both = ['-c', 'local:', '-c', 'qemu:///system'];
    const { stdout } = await virtstat('--timeout', '20000', ...both, 'domstats', '--state');
    const headings = stdout.split('\n').filter((line) => mine.some((name) => line === `Domain: '${name}'`));
    expect(headings.toSorted()).toEqual(mine.map((name) => `Domain: '${name}'`).toSorted());
  });

  it('has the numbers of virsh domstats', async (context) => {
    if (reason !== undefined) context.skip(reason);
    const before = await virsh(plain.name);
    const targets = [...new Set(PAIRS.map(([target]) => target))];
    const answers: (readonly Queried[])[] = [];
    // One after the other: libvirt lets one caller at a time ask a QEMU.
    for (const target of targets) {
      answers.push(await documentOf(lab.readOnlyUri, 'query', target, '--domain', plain.name));
    }
    const after = await virsh(plain.name);
    const table = PAIRS.map(([target, provider, index, name, key, unit = 1n]) => {
      const samples = answers[targets.indexOf(target)]?.filter((each) => each.provider === provider) ?? [];
      const value = samples[index]?.stats.find((stat) => stat.name === name)?.value;
      const [low, high] = [before, after].map((values) => BigInt(values.get(key) ?? -1) * unit);
      const agrees =
        typeof value === 'bigint' && low !== undefined && high !== undefined && low <= value && value <= high;
      return { key, low, value, high, agrees };
    });
    console.log(table.map(({ key, low, value, high }) => `${key}: ${low} ${value} ${high}`).join('\n'));
    expect(table.filter(({ agrees }) => !agrees)).toEqual([]);
    expect(answers.flat().every(({ via, domain }) => via === 'libvirt' && domain === plain.name)).toBe(true);
    const device = answers.flat().find(({ provider }) => provider === 'block');
    expect(device?.path).toBe('vda');
  });

  it('describes them with type and unit', async (context) => {
    if (reason !== undefined) context.skip(reason);
    type Described = { provider: string; target: string; stats: { name: string }[] };
    const schemas = await documentOf<readonly Described[]>(lab.readOnlyUri, 'schemas', '--domain', plain.name);
    const find = (wanted: string) => schemas.flatMap(({ stats }) => stats).find(({ name }) => name === wanted);
    expect(find('rd_total_time_ns')).toEqual({
      name: 'rd_total_time_ns',
      type: 'cumulative',
      unit: 'seconds',
      base: 10n,
      exponent: -9,
    });
    expect(find('run_delay')).toMatchObject({ type: 'cumulative', unit: 'seconds' });
    expect(find('running')).toMatchObject({ unit: 'boolean' });
  });
});

describe('local:', () => {
  it('and libvirt have one domain between them', async (context) => {
    if (reason !== undefined) context.skip(reason);
    const pids = [lab.pidOf(plain), lab.pidOf(open)];
    const registry = new Registry([new LocalSource({ pids, libvirtFolder: lab.sockets })], { deadlineMs: 20_000 });
    try {
      const listed = await registry.list();
      expect(listed.flatMap(({ errors }) => errors)).toEqual([]);
      const ways = (name: string) =>
        listed
          .find(({ domain }) => domain.name === name)
          ?.items.filter(({ available }) => available)
          .map(({ provider, target, via }) => `${provider} ${target} ${via}`);
      const find = (name: string) => listed.find(({ domain }) => domain.name === name)?.domain;
      expect(find('plain')).toMatchObject({ uuid: plain.uuid, pid: pids[0], state: 'paused', vcpus: 2 });
      expect(ways('plain')).toEqual([
        ...KVM,
        'state vm libvirt',
        'balloon vm libvirt',
        'block block libvirt',
        'iothread iothread libvirt',
        'process vm proc',
        'process vcpu proc',
        'process iothread proc',
        'interface interface proc',
      ]);
      expect(find('open')).toMatchObject({ state: 'prelaunch' });
      expect(ways('open')).toContain('block block qmp');
      const [answer] = await registry.query(
        { target: 'vcpu', providers: [{ provider: 'process' }] },
        { domains: ['plain'] },
      );
      expect(answer?.items.map(({ path, via }) => [path, via])).toEqual([
        ['cpu-0', 'proc'],
        ['cpu-1', 'proc'],
      ]);
    } finally {
      await registry.close();
    }
  });

  it('finds in libvirt what it cannot see in /proc, and once what it can', async (context) => {
    if (reason !== undefined) context.skip(reason);
    const hidden = new LocalSource({ procRoot: '/proc/self/fdinfo', libvirtFolder: lab.sockets });
    const seeing = new LocalSource({ libvirtFolder: lab.sockets });
    const options = { signal: AbortSignal.timeout(20_000) };
    try {
      const names = async (source: LocalSource) =>
        (await source.scan(options))
          .filter(({ domain }) => [plain.uuid, open.uuid].includes(domain.uuid ?? ''))
          .map(({ domain: { name, pid } }) => [name, pid])
          .toSorted();
      // libvirt may need longer than a search waits for it.
      await expect
        .poll(() => names(hidden))
        .toEqual([
          ['open', undefined],
          ['plain', undefined],
        ]);
      await seeing.scan(options);
      await sleep(1000);
      expect(await names(seeing)).toEqual([
        ['open', lab.pidOf(open)],
        ['plain', lab.pidOf(plain)],
      ]);
    } finally {
      await hidden.close();
      await seeing.close();
    }
  });
});

describe('a libvirt daemon that', () => {
  const ask = async (registry: Registry, provider: string, name: string) => {
    const answers = await registry.query({ target: 'vm', providers: [{ provider, names: [name] }] });
    const isLocal = (source: string): boolean => source === 'local:';
    return new Map(answers.map((each) => [`${isLocal(each.domain.source) ? '' : 'there '}${each.domain.name}`, each]));
  };
  const sampleOf = (samples: readonly Sample[]) => samples.find(({ stats }) => stats.length > 0);

  it('hangs, is killed and comes back costs others nothing', { timeout: 120_000 }, async (context) => {
    if (reason !== undefined) context.skip(reason);
    await using vm = await startQemu({ accel: 'tcg', paused: true });
    const sources = [
      new LocalSource({ pids: [vm.pid, lab.pidOf(plain)], libvirtFolder: lab.sockets }),
      new LibvirtSource(lab.readOnlyUri),
    ];
    const registry = new Registry(sources, { deadlineMs: 3000 });
    const isFresh = async (name: string): Promise<boolean> => {
      const sample = sampleOf((await ask(registry, 'state', 'memory_current')).get(name)?.items ?? []);
      return sample !== undefined && sample.stale === undefined;
    };
    try {
      await expect.poll(() => isFresh('plain'), { timeout: 20_000 }).toBe(true);
      await expect.poll(() => isFresh('there open'), { timeout: 20_000 }).toBe(true);
      await expect.poll(() => isFresh(vm.name), { timeout: 20_000 }).toBe(true);
      process.kill(lab.pid, 'SIGSTOP');
      try {
        await ask(registry, 'state', 'memory_current');
        await sleep(2500);
        const startedMs = performance.now();
        const answers = await ask(registry, 'state', 'memory_current');
        const tookMs = performance.now() - startedMs;
        console.log(`with libvirtd stopped, a query took ${Math.round(tookMs)} ms`);
        expect(tookMs).toBeLessThan(1000);
        expect(sampleOf(answers.get(vm.name)?.items ?? [])?.stale).toBeUndefined();
        for (const name of ['plain', 'there plain', 'there open']) {
          expect(sampleOf(answers.get(name)?.items ?? [])?.stale).toMatchObject({ code: 'TIMEOUT' });
        }
        const fresh = new Registry([new LocalSource({ pids: [lab.pidOf(plain)], libvirtFolder: lab.sockets })]);
        const [listed] = await fresh.list();
        await fresh.close();
        expect(listed?.items.find(({ provider }) => provider === 'balloon')).toMatchObject({
          via: 'libvirt',
          available: false,
          reason: expect.stringContaining('no answer within'),
        });
        expect(listed?.items.find(({ provider }) => provider === 'process')?.available).toBe(true);
      } finally {
        process.kill(lab.pid, 'SIGCONT');
      }
      await expect.poll(() => isFresh('there open'), { timeout: 30_000, interval: 500 }).toBe(true);
      await expect.poll(() => isFresh('plain'), { timeout: 30_000, interval: 500 }).toBe(true);
      await lab.kill();
      const answers = await ask(registry, 'state', 'memory_current');
      expect(sampleOf(answers.get('there plain')?.items ?? [])?.stale?.reason).toBeDefined();
      expect(sampleOf(answers.get(vm.name)?.items ?? [])?.stale).toBeUndefined();
      await lab.restart();
      await expect.poll(() => isFresh('there plain'), { timeout: 30_000, interval: 500 }).toBe(true);
      await expect.poll(() => isFresh('plain'), { timeout: 30_000, interval: 500 }).toBe(true);
    } finally {
      await registry.close();
    }
  });

  it('has a domain that hangs has the values of the others', { timeout: 120_000 }, async (context) => {
    if (reason !== undefined) context.skip(reason);
    const registry = new Registry([new LibvirtSource(lab.readOnlyUri)], { deadlineMs: 5000 });
    const staleOf = async (name: string) =>
      sampleOf((await ask(registry, 'balloon', 'balloon-size')).get(`there ${name}`)?.items ?? [])?.stale?.code ??
      'fresh';
    try {
      await expect.poll(() => staleOf('open'), { timeout: 20_000 }).toBe('fresh');
      await expect.poll(() => staleOf('plain'), { timeout: 20_000 }).toBe('fresh');
      process.kill(lab.pidOf(open), 'SIGSTOP');
      try {
        const startedMs = performance.now();
        const first = await ask(registry, 'balloon', 'balloon-size');
        const tookMs = performance.now() - startedMs;
        console.log(`with one domain stopped, the first query took ${Math.round(tookMs)} ms`);
        expect(sampleOf(first.get('there plain')?.items ?? [])?.stale).toBeUndefined();
        expect(sampleOf(first.get('there open')?.items ?? [])?.stale).toMatchObject({ code: 'TIMEOUT' });
        for (let round = 0; round < 5; round++) expect(await staleOf('plain')).toBe('fresh');
        expect(await staleOf('open')).toBe('TIMEOUT');
      } finally {
        process.kill(lab.pidOf(open), 'SIGCONT');
      }
      await expect.poll(() => staleOf('open'), { timeout: 30_000, interval: 500 }).toBe('fresh');
    } finally {
      await registry.close();
    }
  });
});
