import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COUNT, describeStat, MICROSECONDS, NANOSECONDS, type Scale } from '../../../model/describe.ts';
import type { Domain } from '../../../model/domain.ts';
import type { Sample, StatValue } from '../../../model/sample.ts';
import type { StatDescriptor } from '../../../model/stat.ts';
import { U64_MAX } from '../../../model/u64.ts';
import * as constants from '../../../protocol/libvirt/constants.ts';
import type { TypedParameter } from '../../../protocol/libvirt/typed-parameter.ts';
import type { Disk } from '../disks.ts';
import { DomainFacts } from '../facts.ts';
import { KNOWN_GROUPS, STATS_VIRTSTAT, selectGroups } from './groups.ts';

const TICKS: Scale = { unit: 'seconds', base: 10, exponent: -2 };

/** What the schemas of the test say. */
const STATS: Readonly<Record<string, readonly StatDescriptor[]>> = {
  'process vm': [
    describeStat('user_time', 'cumulative', TICKS),
    describeStat('system_time', 'cumulative', TICKS),
    describeStat('rss', 'instant', { unit: 'bytes', base: 2, exponent: 10 }),
    describeStat('cgroup_cpu_time', 'cumulative', MICROSECONDS),
    describeStat('cgroup_system_time', 'cumulative', TICKS),
  ],
  'process vcpu': [describeStat('user_time', 'cumulative', TICKS), describeStat('system_time', 'cumulative', TICKS)],
  'kvm vcpu': [
    describeStat('exits', 'cumulative', COUNT),
    describeStat('halt_poll_success_ns', 'cumulative', NANOSECONDS),
    describeStat('halt_poll_fail_ns', 'cumulative', NANOSECONDS),
    describeStat('guest_mode', 'instant', { unit: 'boolean', exponent: 0 }),
    describeStat('halt_wait_hist', 'log2-histogram', NANOSECONDS),
    describeStat('later', 'a-type-of-tomorrow', COUNT),
    describeStat('n'.repeat(69), 'cumulative', COUNT),
    describeStat('m'.repeat(70), 'cumulative', COUNT),
  ],
  'kvm vm': [describeStat('pages_4k', 'instant', COUNT), describeStat('max_mmu_rmap_size', 'peak', COUNT)],
};

function sample(
  provider: string,
  target: string,
  values: Record<string, StatValue>,
  more: Partial<Sample> = {},
): Sample {
  const stats = Object.entries(values).map(([name, value]) => ({ name, value }));
  return { domain: 'web', provider, target, via: 'test', collectedAtNs: 1n, stats, ...more };
}

function factsOf(
  samples: readonly Sample[],
  disks: ReadonlyMap<string, Disk> = new Map(),
  { failed = [], ...more }: Partial<Domain> & { readonly failed?: readonly string[] } = {},
): DomainFacts {
  const domain = { id: 'a', name: 'web', source: 'test:', ...more };
  const describe = (provider: string, target: string, name: string): StatDescriptor | undefined =>
    STATS[`${provider} ${target}`]?.find((stat) => stat.name === name);
  return new DomainFacts(domain, samples, disks, describe, new Set(failed));
}

/** One line for each parameter, as `virsh` would show it, with its type. */
function lines(bits: number, facts: DomainFacts, flags?: number): readonly string[] {
  return selectGroups(bits)
    .parameters(facts, flags)
    .map(({ field, type, value }) => `${field} ${type} ${value}`);
}

describe('groups of bulk statistics', () => {
  it('state: libvirt’s numbers, and no state where nobody could be asked', () => {
    const bits = constants.VIR_DOMAIN_STATS_STATE;
    expect(lines(bits, factsOf([sample('state', 'vm', { state: 3n, reason: 1n })]))).toEqual([
      'state.state int 3',
      'state.reason int 1',
    ]);
    expect(lines(bits, factsOf([]))).toEqual(['state.state int 0', 'state.reason int 0']);
  });

  it('cpu: times in nanoseconds, halt polling of all vCPUs added up', () => {
    const facts = factsOf([
      sample('process', 'vm', { cpu_time: 7_123_456_789n, user_time: 15n, system_time: 697n }),
      sample('kvm', 'vcpu', { halt_poll_success_ns: 3n, halt_poll_fail_ns: 1n }, { path: 'a' }),
      sample('kvm', 'vcpu', { halt_poll_success_ns: 4n, halt_poll_fail_ns: 0n }, { path: 'b' }),
    ]);
    expect(lines(constants.VIR_DOMAIN_STATS_CPU_TOTAL, facts)).toEqual([
      'cpu.time ullong 7123456789',
      'cpu.user ullong 150000000',
      'cpu.system ullong 6970000000',
      'cpu.haltpoll.success.time ullong 7',
      'cpu.haltpoll.fail.time ullong 1',
    ]);
    expect(lines(constants.VIR_DOMAIN_STATS_CPU_TOTAL, factsOf([]))).toEqual([]);
  });

  it('cpu: times of the control group, where libvirt made it for the VM', () => {
    const values = { cpu_time: 7n, user_time: 1n, system_time: 1n, cgroup_cpu_time: 9n, cgroup_system_time: 5n };
    const of = (isOwn: boolean) =>
      lines(constants.VIR_DOMAIN_STATS_CPU_TOTAL, factsOf([sample('process', 'vm', { ...values, cgroup_own: isOwn })]));
    expect(of(true)).toEqual(['cpu.time ullong 9000', 'cpu.user ullong 10000000', 'cpu.system ullong 50000000']);
    expect(of(false)).toEqual(['cpu.time ullong 7', 'cpu.user ullong 10000000', 'cpu.system ullong 10000000']);
  });

  it('balloon: KiB, in libvirt’s order, and only what is known', () => {
    const facts = factsOf([
      sample('balloon', 'vm', {
        'stat-swap-in': 4096n,
        'stat-major-faults': 12n,
        'stat-disk-caches': 2047n,
        'stat-oom-kills': 1n,
        'balloon-size': 196_608n * 1024n,
        'last-update': 1_700_000_000n,
      }),
      sample('state', 'vm', { memory_current: 1n, memory_maximum: 262_144n * 1024n }),
      sample('process', 'vm', { rss: 49_964n }),
    ]);
    expect(lines(constants.VIR_DOMAIN_STATS_BALLOON, facts)).toEqual([
      'balloon.current ullong 196608',
      'balloon.maximum ullong 262144',
      'balloon.swap_in ullong 4',
      'balloon.major_fault ullong 12',
      'balloon.last-update ullong 1700000000',
      'balloon.disk_caches ullong 1',
      'balloon.rss ullong 49964',
    ]);
    const without = factsOf([sample('state', 'vm', { memory_current: 33_554_432n })]);
    expect(lines(constants.VIR_DOMAIN_STATS_BALLOON, without)).toEqual([
      'balloon.current ullong 32768',
      'balloon.maximum ullong 32768',
    ]);
  });

  it('vcpu: threads and KVM’s own by type, histograms and what has no known type left out', () => {
    const facts = factsOf([
      sample('state', 'vm', { vcpu_current: 2n, vcpu_maximum: 4n }),
      sample(
        'process',
        'vcpu',
        { run_time: 12_345n, run_delay: 99n, run_wait: 98n, user_time: 1n, system_time: 1n },
        { path: 'a' },
      ),
      sample('process', 'vcpu', { user_time: 1n, system_time: 2n }, { path: 'b' }),
      sample(
        'kvm',
        'vcpu',
        { exits: U64_MAX, guest_mode: 1n, halt_wait_hist: [1n, 2n], later: 1n, no: 2n },
        { path: 'b' },
      ),
    ]);
    expect(lines(constants.VIR_DOMAIN_STATS_VCPU, facts)).toEqual([
      'vcpu.current uint 2',
      'vcpu.maximum uint 4',
      'vcpu.0.state int 1',
      'vcpu.0.time ullong 12345',
      'vcpu.0.wait ullong 98',
      'vcpu.0.delay ullong 99',
      'vcpu.1.state int 1',
      'vcpu.1.time ullong 30000000',
      `vcpu.1.exits.sum ullong ${U64_MAX}`,
      'vcpu.1.guest_mode.cur boolean true',
    ]);
  });

  it('never sends a name that libvirt’s clients would refuse', () => {
    const [fits, tooLong] = ['n'.repeat(69), 'm'.repeat(70)];
    const facts = factsOf([sample('kvm', 'vcpu', { [fits]: 1n, [tooLong]: 2n }, { path: 'a' })]);
    // `vcpu.0.` and `.sum`: 80 bytes with the first, 81 with the second.
    expect(`vcpu.0.${fits}.sum`).toHaveLength(80);
    expect(lines(constants.VIR_DOMAIN_STATS_VCPU, facts)).not.toContainEqual(expect.stringContaining('nnn'));
    const exact = fits.slice(1);
    const described = new DomainFacts(facts.domain, [sample('kvm', 'vm', { [`${exact}xxx`]: 1n })], new Map(), () =>
      describeStat('x', 'cumulative', COUNT),
    );
    expect(lines(constants.VIR_DOMAIN_STATS_VM, described)).toEqual([`vm.${exact}xxx.sum ullong 1`]);
    expect(`vm.${exact}xxx.sum`).toHaveLength(78);
  });

  it('net: by the guest’s point of view, with the name of the host’s device', () => {
    const counters = Object.fromEntries(
      ['rx', 'tx'].flatMap((way, at) =>
        ['bytes', 'packets', 'errors', 'dropped'].map((name, index) => [`${way}_${name}`, BigInt(10 * at + index)]),
      ),
    );
    const facts = factsOf([sample('interface', 'interface', counters, { path: 'net0', device: 'tap0' })]);
    expect(lines(constants.VIR_DOMAIN_STATS_INTERFACE, facts)).toEqual([
      'net.count uint 1',
      'net.0.name string tap0',
      'net.0.rx.bytes ullong 0',
      'net.0.rx.pkts ullong 1',
      'net.0.rx.errs ullong 2',
      'net.0.rx.drop ullong 3',
      'net.0.tx.bytes ullong 10',
      'net.0.tx.pkts ullong 11',
      'net.0.tx.errs ullong 12',
      'net.0.tx.drop ullong 13',
    ]);
    const named = ['/machine/peripheral/net1', '/machine/peripheral/net3'].map((path, index) =>
      sample('interface', 'interface', { rx_bytes: 5n }, { path, device: `tap${index}` }),
    );
    expect(lines(constants.VIR_DOMAIN_STATS_INTERFACE, factsOf(named))).toEqual([
      'net.count uint 4',
      ...['net.1.name string tap0', 'net.1.rx.bytes ullong 5', 'net.3.name string tap1', 'net.3.rx.bytes ullong 5'],
    ]);
    const other = sample('interface', 'interface', {}, { path: '/machine/unattached/device[3]', device: 'tap9' });
    expect(lines(constants.VIR_DOMAIN_STATS_INTERFACE, factsOf([...named, other])).at(-1)).toBe(
      'net.2.name string tap9',
    );
    const none = factsOf([], new Map(), { pid: 7 });
    expect(lines(constants.VIR_DOMAIN_STATS_INTERFACE, none)).toEqual(['net.count uint 0']);
    const refused = factsOf([], new Map(), { pid: 7, failed: ['interface interface'] });
    for (const unknown of [refused, factsOf([])]) {
      expect(lines(constants.VIR_DOMAIN_STATS_INTERFACE, unknown)).toEqual([]);
    }
  });

  it('block: counters, sizes, averages by interval, histograms by the lower bounds of their bins', () => {
    const disk: Disk = {
      target: 'vda',
      device: 'disk',
      source: '/a.qcow2',
      backingIndex: 2n,
      isReadOnly: false,
      backing: [],
    };
    const facts = factsOf(
      [
        sample(
          'block',
          'block',
          {
            rd_operations: 1n,
            rd_bytes: 512n,
            rd_total_time_ns: 7n,
            wr_operations: 0n,
            flush_operations: 3n,
            unmap_bytes: 5n,
            allocation: 0n,
            capacity: 16_777_216n,
            physical: 4096n,
            timed_1s_min_rd_latency_ns: 11n,
            timed_1s_avg_rd_queue_depth: 1_500_000_000n,
            rd_latency_histogram: [4n, 5n, 6n],
            rd_latency_histogram_boundaries: [1000n, 2000n],
            wr_latency_histogram: [1n],
          },
          { path: '/disk0' },
        ),
        sample('block', 'block', { rd_operations: 0n }, { path: '/cdrom' }),
      ],
      new Map([['/disk0', disk]]),
    );
    expect(lines(constants.VIR_DOMAIN_STATS_BLOCK, facts)).toEqual([
      'block.count uint 2',
      'block.0.name string vda',
      'block.0.path string /a.qcow2',
      'block.0.backingIndex uint 2',
      'block.0.rd.reqs ullong 1',
      'block.0.rd.bytes ullong 512',
      'block.0.rd.times ullong 7',
      'block.0.wr.reqs ullong 0',
      'block.0.fl.reqs ullong 3',
      'block.0.timed_group.count ullong 1',
      'block.0.timed_group.0.interval ullong 1',
      'block.0.timed_group.0.rd_latency_min ullong 11',
      'block.0.timed_group.0.rd_queue_depth_avg double 1.5',
      'block.0.latency_histogram.read.bin.count ullong 3',
      'block.0.latency_histogram.read.bin.0.start ullong 0',
      'block.0.latency_histogram.read.bin.0.value ullong 4',
      'block.0.latency_histogram.read.bin.1.start ullong 1000',
      'block.0.latency_histogram.read.bin.1.value ullong 5',
      'block.0.latency_histogram.read.bin.2.start ullong 2000',
      'block.0.latency_histogram.read.bin.2.value ullong 6',
      'block.0.allocation ullong 0',
      'block.0.capacity ullong 16777216',
      'block.0.physical ullong 4096',
      'block.1.rd.reqs ullong 0',
    ]);
  });

  it('block: with BACKING an entry for each image of a disk, and limits of the layer below', () => {
    const backing = [
      { source: '/mid.qcow2', format: 'qcow2', backingIndex: 3n, capacity: 9n, physical: 8n, allocation: 7n },
      { capacity: 6n },
    ];
    const disk: Disk = {
      target: 'vda',
      device: 'disk',
      source: '/top.qcow2',
      backingIndex: 2n,
      isReadOnly: false,
      backing,
    };
    const facts = factsOf(
      [
        sample(
          'block',
          'block',
          { rd_operations: 1n, allocation: 5n, write_threshold: 99n, 'limit_max-iov': 4n },
          { path: '/a' },
        ),
        sample('block', 'block', { rd_operations: 2n }, { path: '/b' }),
      ],
      new Map([['/a', disk]]),
    );
    const top = [
      ...['block.0.name string vda', 'block.0.path string /top.qcow2', 'block.0.backingIndex uint 2'],
      ...['block.0.rd.reqs ullong 1', 'block.0.allocation ullong 5', 'block.0.threshold ullong 99'],
      'block.0.limits.iov_max ullong 4',
    ];
    expect(lines(constants.VIR_DOMAIN_STATS_BLOCK, facts)).toEqual([
      'block.count uint 2',
      ...top,
      'block.1.rd.reqs ullong 2',
    ]);
    const flags = constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING;
    expect(lines(constants.VIR_DOMAIN_STATS_BLOCK, facts, flags)).toEqual([
      'block.count uint 4',
      ...top,
      ...['block.1.name string vda', 'block.1.path string /mid.qcow2', 'block.1.backingIndex uint 3'],
      ...['block.1.allocation ullong 7', 'block.1.capacity ullong 9', 'block.1.physical ullong 8'],
      ...['block.2.name string vda', 'block.2.capacity ullong 6'],
      'block.3.rd.reqs ullong 2',
    ]);
    const failed = factsOf([], new Map(), { failed: ['block block'] });
    expect(lines(constants.VIR_DOMAIN_STATS_BLOCK, failed)).toEqual([]);
    expect(lines(constants.VIR_DOMAIN_STATS_BLOCK, factsOf([]))).toEqual(['block.count uint 0']);
  });

  it('iothread: by libvirt’s numbers, a large one as a large type, and nothing where there are none', () => {
    const polling = { 'poll-max-ns': 32_768n, 'poll-grow': 0n, 'poll-shrink': 2n ** 32n, 'aio-max-batch': 0n };
    const facts = factsOf([sample('iothread', 'iothread', polling, { path: '/objects/iothread7' })]);
    expect(lines(constants.VIR_DOMAIN_STATS_IOTHREAD, facts)).toEqual([
      'iothread.count uint 1',
      'iothread.7.poll-max-ns ullong 32768',
      'iothread.7.poll-grow uint 0',
      'iothread.7.poll-shrink ullong 4294967296',
    ]);
    expect(lines(constants.VIR_DOMAIN_STATS_IOTHREAD, factsOf([]))).toEqual([]);
  });

  it('dirtyrate: what was measured, and that nobody has yet', () => {
    const of = (values: Record<string, bigint>) =>
      lines(constants.VIR_DOMAIN_STATS_DIRTYRATE, factsOf([sample('state', 'vm', values)]));
    const begun = { dirty_rate_start_time: 100n, dirty_rate_calc_time: 1n };
    expect(of({ ...begun, dirty_rate: 5n, dirty_rate_status: 2n, dirty_rate_mode: 1n })).toEqual([
      'dirtyrate.calc_status int 2',
      'dirtyrate.calc_start_time llong 100',
      'dirtyrate.calc_period int 1',
      'dirtyrate.calc_mode string dirty-ring',
      'dirtyrate.megabytes_per_second llong 5',
    ]);
    expect(of({ dirty_rate_status: 0n, dirty_rate_mode: 0n })).toEqual([
      'dirtyrate.calc_status int 0',
      'dirtyrate.calc_start_time llong 0',
      'dirtyrate.calc_period int 0',
      'dirtyrate.calc_mode string page-sampling',
    ]);
    expect(of({ dirty_rate_status: 1n })).toEqual(['dirtyrate.calc_status int 1']);
    expect(lines(constants.VIR_DOMAIN_STATS_DIRTYRATE, factsOf([]))).toEqual([]);
  });

  it('vm: by type', () => {
    const facts = factsOf([sample('kvm', 'vm', { pages_4k: 3n, max_mmu_rmap_size: 4n })]);
    expect(lines(constants.VIR_DOMAIN_STATS_VM, facts)).toEqual([
      'vm.pages_4k.cur ullong 3',
      'vm.max_mmu_rmap_size.max ullong 4',
    ]);
  });

  it('virtstat: everything by our names, only for who asks', () => {
    const stale = { ageNs: 5n, code: 'TIMEOUT', reason: 'late' };
    const facts = factsOf([
      sample('kvm', 'vcpu', { halt_wait_hist: [1n, 2n], guest_mode: true }, { path: '/cpu0', stale }),
      sample('other', 'vm', { x: U64_MAX }),
    ]);
    expect(lines(STATS_VIRTSTAT, facts)).toEqual([
      'virtstat.vcpu.kvm.count uint 1',
      'virtstat.vcpu.kvm.0.path string /cpu0',
      'virtstat.vcpu.kvm.0.stale ullong 5',
      'virtstat.vcpu.kvm.0.stat.halt_wait_hist.0 ullong 1',
      'virtstat.vcpu.kvm.0.stat.halt_wait_hist.1 ullong 2',
      'virtstat.vcpu.kvm.0.stat.guest_mode boolean true',
      'virtstat.vm.other.count uint 1',
      `virtstat.vm.other.0.stat.x ullong ${U64_MAX}`,
    ]);
    expect(lines(0, facts).filter((line) => line.startsWith('virtstat'))).toEqual([]);
    expect([KNOWN_GROUPS, STATS_VIRTSTAT]).toEqual([0x8000_07ff, 2 ** 31]);
  });

  it('makes no parameter that cannot be sent, whatever is measured', () => {
    const value = fc.oneof(fc.bigInt(), fc.boolean(), fc.array(fc.bigInt(), { maxLength: 3 }));
    const names = fc.constantFrom(
      'state',
      'run_time',
      'rd_operations',
      'poll-grow',
      'exits',
      'balloon-size',
      'dirty_rate',
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            provider: fc.constantFrom('state', 'process', 'block', 'iothread', 'kvm', 'balloon'),
            target: fc.constantFrom('vm', 'vcpu', 'block', 'iothread'),
            values: fc.dictionary(names, value),
          }),
          { maxLength: 8 },
        ),
        (samples) => {
          const facts = factsOf(samples.map(({ provider, target, values }) => sample(provider, target, values)));
          for (const { type, value: sent } of selectGroups(KNOWN_GROUPS).parameters(facts)) {
            if (type === 'ullong') expect(sent >= 0n && sent <= U64_MAX).toBe(true);
            if (type === 'llong') expect(BigInt.asIntN(64, sent)).toBe(sent);
            if (type === 'uint') expect(sent >>> 0).toBe(sent);
            if (type === 'int') expect(sent | 0).toBe(sent);
          }
        },
      ),
    );
  });
});

describe('types of keys', () => {
  it('are those of libvirt 12.8', () => {
    const file = new URL('../../../../test/fixtures/libvirt/12.8-typed-wire.json', import.meta.url);
    const records = JSON.parse(readFileSync(file, 'utf8')) as readonly { params: readonly TypedParameter[] }[];
    const general = (field: string): string => field.replaceAll(/\.\d+(?=\.|$)/g, '.N');
    const theirs = new Map(records.flatMap(({ params }) => params.map(({ field, type }) => [general(field), type])));
    const ours = selectGroups(0).parameters(
      factsOf(
        [
          sample('state', 'vm', { state: 1n, reason: 1n, vcpu_current: 1n, vcpu_maximum: 1n, memory_maximum: 1n }),
          sample('process', 'vm', { cpu_time: 1n, user_time: 1n, system_time: 1n, rss: 1n }),
          sample('process', 'vcpu', { run_time: 1n, run_delay: 1n }, { path: 'a' }),
          sample('kvm', 'vcpu', { exits: 1n, guest_mode: false, halt_poll_fail_ns: 1n }, { path: 'a' }),
          sample('balloon', 'vm', { 'balloon-size': 1n, 'last-update': 0n }),
          sample('kvm', 'vm', { pages_4k: 1n, max_mmu_rmap_size: 1n }),
          sample('interface', 'interface', { rx_bytes: 1n, tx_dropped: 1n }, { device: 'tap0' }),
          sample('iothread', 'iothread', { 'poll-max-ns': 1n, 'poll-grow': 1n, 'poll-shrink': 1n }, { path: 'x' }),
          sample('block', 'block', {
            rd_operations: 1n,
            allocation: 1n,
            capacity: 1n,
            timed_1s_avg_rd_latency_ns: 1n,
            timed_1s_avg_wr_queue_depth: 1n,
            wr_latency_histogram: [1n],
            wr_latency_histogram_boundaries: [],
          }),
        ],
        new Map(),
      ),
    );
    const known = ours.filter(({ field }) => theirs.has(general(field)));
    expect(known.length).toBeGreaterThan(30);
    expect(known.map(({ field, type }) => [field, type])).toEqual(
      known.map(({ field }) => [field, theirs.get(general(field))]),
    );
    expect(ours.filter(({ field }) => !theirs.has(general(field))).map(({ field }) => field)).toEqual([]);
  });
});
