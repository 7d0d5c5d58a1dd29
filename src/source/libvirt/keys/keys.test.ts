import { readFileSync } from 'node:fs';
import { parse } from 'lossless-json';
import { describe, expect, it } from 'vitest';
import { DomainFacts } from '../../../face/libvirt/facts.ts';
import { selectGroups } from '../../../face/libvirt/groups/groups.ts';
import type { Sample } from '../../../model/sample.ts';
import type { StatDescriptor } from '../../../model/stat.ts';
import type { DomainStatsRecord } from '../../../protocol/libvirt/domain-stats.ts';
import type { TypedParameter } from '../../../protocol/libvirt/typed-parameter.ts';
import { LibvirtProvider } from '../libvirt-provider.ts';
import { libvirtProviders } from '../providers.ts';
import { StatsRecord } from '../stats-record.ts';
import type { KernelStats } from './key-table.ts';
import { KVM_KEYS } from './kvm.ts';
import { PROCESS_KEYS } from './process.ts';

const NOW_NS = 1_800_000_000_000_000_000n;
const OPTIONS = { signal: new AbortController().signal };
const NO_KERNEL: KernelStats = () => undefined;

interface Captured {
  readonly name: string;
  readonly id: number;
  readonly params: readonly { readonly field: string; readonly type: string; readonly value: unknown }[];
}

function captured(version: string): readonly DomainStatsRecord[] {
  const file = new URL(`../../../../test/fixtures/libvirt/${version}-typed-wire.json`, import.meta.url);
  const numbers = (digits: string): unknown => (/^-?\d+$/.test(digits) ? BigInt(digits) : Number(digits));
  const domains = parse(readFileSync(file, 'utf8'), null, numbers) as readonly Captured[];
  return domains.map(({ name, id, params }) => ({
    domain: { name, uuid: '11111111-1111-4111-8111-111111111111', id: Number(id) },
    params: params.map(({ field, type, value }) => parameter(field, type, value)),
  }));
}

function parameter(field: string, type: string, value: unknown): TypedParameter {
  const isSmall = type === 'int' || type === 'uint' || type === 'double';
  return { field, type, value: isSmall ? Number(value) : value } as TypedParameter;
}

function recordOf(params: Readonly<Record<string, bigint | boolean | string>>, hasMonitor = true): StatsRecord {
  const fields = Object.entries(params).map(([field, value]) =>
    parameter(field, typeof value === 'bigint' ? 'ullong' : (typeof value as 'string' | 'boolean'), value),
  );
  const rss = hasMonitor ? [parameter('balloon.rss', 'ullong', 1n)] : [];
  const domain = { name: 'one', uuid: '11111111-1111-4111-8111-111111111111', id: 1 };
  return new StatsRecord({ domain, params: [...rss, ...fields] }, NOW_NS);
}

/** All samples that are made of a record, and what they are. */
async function samplesOf(
  record: StatsRecord,
  kernel: KernelStats = NO_KERNEL,
): Promise<{ readonly samples: readonly Sample[]; readonly stats: ReadonlyMap<string, StatDescriptor> }> {
  const samples: Sample[] = [];
  const stats = new Map<string, StatDescriptor>();
  for (const provider of libvirtProviders(async () => record, kernel)) {
    for (const target of provider.targets) {
      const domain = { id: 'x', name: record.domain.name, source: 'test:' };
      const readings = await provider.stats(domain, { target }, OPTIONS);
      samples.push(...readings.map((each) => ({ ...each, domain: domain.name, provider: provider.name, target })));
      const [schema] = await provider.schemas(domain, { ...OPTIONS, target });
      const names = schema?.stats.map(({ name }) => name) ?? [];
      for (const stat of schema?.stats ?? []) stats.set(`${provider.name} ${target} ${stat.name}`, stat);
      for (const reading of readings) {
        const own = reading.stats.map(({ name }) => name);
        expect(names.filter((name) => own.includes(name))).toEqual(own);
      }
    }
  }
  return { samples, stats };
}

/** Keys that nothing of ours means exactly, or that are not to be had from the others. */
const NOT_TAKEN = [
  /^cpu\.cache\.monitor\.count$/,
  /^cpu\.haltpoll\./,
  /^vcpu\.\d+\.wait$/,
  /^block\.\d+\.(path|backingIndex|limits\..*|threshold)$/,
  /^perf\./,
  /^dirtyrate\.calc_(status|start_time|period|mode)$/,
];

describe('keys of libvirt', () => {
  it.each(['9.0', '12.8'])('%s become ours, and the same again by the libvirt face', async (version) => {
    const group = selectGroups(0);
    const running = captured(version).filter(({ domain }) => domain.id >= 0);
    let taken = 0;
    for (const { domain, params } of running) {
      const record = new StatsRecord({ domain, params }, NOW_NS);
      if (!record.hasMonitor) continue;
      const { samples, stats } = await samplesOf(record);
      expect(samples.every(({ via, collectedAtNs }) => via === 'libvirt' && collectedAtNs === NOW_NS)).toBe(true);
      const facts = new DomainFacts({ id: 'x', name: 'x', source: 'x' }, samples, new Map(), (...key) =>
        stats.get(key.join(' ')),
      );
      // NICs without a device have no keys, and those with one are counted from 0 by the face.
      const unnumbered = (field: string): string => field.replace(/^net\.\d+/, 'net').replace(/^net\.count$/, '');
      const again = new Map(group.parameters(facts).map((each) => [unnumbered(each.field), `${each.value}`]));
      const before = new Map(params.map((each) => [unnumbered(each.field), `${each.value}`]));
      const differing = [...again].filter(([key, value]) => key !== '' && before.get(key) !== value);
      expect(differing).toEqual([]);
      const lost = [...before.keys()].filter(
        (key) => key !== '' && !again.has(key) && !NOT_TAKEN.some((each) => each.test(key)),
      );
      expect(lost).toEqual([]);
      taken += again.size;
    }
    expect(taken).toBeGreaterThan(200);
  });

  it('of a vCPU’s wait are taken where the host keeps that account: elsewhere libvirt says 0', async () => {
    const record = recordOf({ 'vcpu.0.time': 5n, 'vcpu.0.wait': 7n, 'vcpu.1.time': 5n, 'vcpu.1.wait': 0n });
    const provider = new LibvirtProvider(
      PROCESS_KEYS,
      async () => record,
      () => undefined,
    );
    const readings = await provider.stats({ id: 'x', name: 'x', source: 'x' }, { target: 'vcpu' }, OPTIONS);
    expect(readings.map(({ stats }) => stats)).toEqual([
      [
        { name: 'run_time', value: 5n },
        { name: 'run_wait', value: 7n },
      ],
      [{ name: 'run_time', value: 5n }],
    ]);
  });

  it('of KVM have a unit only where this host’s kernel says so', async () => {
    const record = recordOf({
      'vm.odd.name with.dots.max': 2n ** 64n - 1n,
      'vm.wait_ns.sum': 5n,
      'vm.wait_ns2.cur': 5n,
      'vm.later.hist': 1n,
      'vcpu.7.flag.cur': true,
      'vcpu.7.state': 1n,
    });
    const ns = { unit: 'seconds', base: 10, exponent: -9 };
    const kernel: KernelStats = (target) =>
      target === 'vm'
        ? [
            { name: 'wait_ns2', type: 'cumulative', ...ns },
            { name: 'wait_ns', type: 'cumulative', ...ns, size: 1 },
            { name: 'odd', type: 'peak', exponent: 0 },
          ]
        : undefined;
    const provider = new LibvirtProvider(KVM_KEYS, async () => record, kernel);
    const domain = { id: 'x', name: 'x', source: 'x' };
    const [vm, vcpu] = await provider.schemas(domain, OPTIONS);
    // Another type than the kernel's is another statistic; its place is that of its name all the same.
    expect(vm?.stats).toEqual([
      { name: 'wait_ns2', type: 'instant', exponent: 0, size: 1 },
      { name: 'wait_ns', type: 'cumulative', ...ns, size: 1 },
      { name: 'odd.name with.dots', type: 'peak', exponent: 0, size: 1 },
    ]);
    expect(vcpu?.stats).toEqual([{ name: 'flag', type: 'instant', unit: 'boolean', exponent: 0, size: 1 }]);
    const [reading] = await provider.stats(domain, { target: 'vm' }, OPTIONS);
    expect(reading?.stats.at(-1)).toEqual({ name: 'odd.name with.dots', value: 2n ** 64n - 1n });
    expect(await provider.stats(domain, { target: 'vcpu' }, OPTIONS)).toMatchObject([{ path: 'cpu-7' }]);
    expect(await provider.availability(domain, OPTIONS)).toMatchObject([{ available: true }, { available: true }]);
  });

  it('of a domain whose monitor libvirt did not get to say nothing of what takes it', async () => {
    const record = recordOf({ 'state.state': 3n, 'block.count': 1n, 'block.0.name': 'vda', 'vcpu.current': 2n }, false);
    const domain = { id: 'x', name: 'x', source: 'x' };
    for (const provider of libvirtProviders(async () => record, NO_KERNEL)) {
      const [target = ''] = provider.targets;
      const stats = provider.stats(domain, { target }, OPTIONS);
      if (['kvm', 'balloon', 'block', 'iothread'].includes(provider.name)) {
        await expect(stats).rejects.toMatchObject({ code: 'MONITOR_BUSY' });
        await expect(provider.availability(domain, OPTIONS)).rejects.toMatchObject({ code: 'MONITOR_BUSY' });
      } else if (provider.name === 'state') {
        expect(await stats).toMatchObject([{ stats: [{ name: 'state', value: 3n }, { name: 'running' }, {}] }]);
      } else expect(await stats).toEqual([]);
    }
  });

  it('of CPU time are the process’s where all are whole ticks, else its control group’s', async () => {
    const times = async (values: Readonly<Record<string, bigint>>) => {
      const { samples } = await samplesOf(recordOf(values));
      const own = samples.find(({ provider, target }) => provider === 'process' && target === 'vm');
      return own?.stats.map(({ name }) => name).filter((name) => name !== 'rss');
    };
    const [time, user, system] = [30_000_000n, 10_000_000n, 20_000_000n];
    const keys = (...values: readonly bigint[]) =>
      Object.fromEntries(values.map((value, index) => [`cpu.${['time', 'user', 'system'][index]}`, value]));
    expect(await times(keys(time, user, system))).toEqual(['cpu_time', 'user_time', 'system_time']);
    expect(await times(keys(time + 1n, user, system))).toEqual([
      'cgroup_cpu_time',
      'cgroup_user_time',
      'cgroup_system_time',
    ]);
  });

  it('that make no sense are left out', async () => {
    const { samples } = await samplesOf(
      recordOf({
        'balloon.last-update': 0n,
        'balloon.unused': 2n ** 63n,
        'balloon.available': 2n ** 53n,
        'net.4294967296.rx.bytes': 1n,
        'net.1.rx.bytes': 'many',
        'block.0.timed_group.count': 2n ** 40n,
        'block.0.latency_histogram.read.bin.count': 3n,
        'block.0.latency_histogram.read.bin.0.start': 0n,
        'block.0.latency_histogram.read.bin.0.value': 1n,
        'dirtyrate.calc_status': 1n,
        'dirtyrate.megabytes_per_second': 7n,
        'iothread.count': 1n,
      }),
    );
    const told = samples.flatMap(({ provider, stats }) => stats.map(({ name }) => `${provider} ${name}`));
    expect(told).toEqual(['balloon stat-total-memory', 'balloon last-update', 'process rss']);
  });
});
