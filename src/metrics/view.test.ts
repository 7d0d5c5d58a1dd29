import { describe, expect, it } from 'vitest';
import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { StatsFilter } from '../model/filter.ts';
import { selectNames } from '../model/filter.ts';
import type { Sample, StatEntry } from '../model/sample.ts';
import type { Schema, StatDescriptor } from '../model/stat.ts';
import { writeExposition } from '../protocol/openmetrics/writer.ts';
import type { MetricsReader } from './collect.ts';
import { CURATED, FULL } from './profile.ts';
import { StatView, type StatViewOptions } from './view.ts';

const NS = { unit: 'seconds', base: 10, exponent: -9 } as const;
const WAIT: StatDescriptor = { name: 'halt_wait_ns', type: 'cumulative', ...NS };
const HIST: StatDescriptor = { name: 'halt_wait_hist', type: 'log2-histogram', ...NS };
const MODE: StatDescriptor = { name: 'guest_mode', type: 'instant', unit: 'boolean', exponent: 0 };
const KVM: Schema = { provider: 'kvm', target: 'vcpu', stats: [WAIT, HIST, MODE] };
const BLOCK: Schema = {
  provider: 'block',
  target: 'block',
  stats: [
    { name: 'rd_bytes', type: 'cumulative', unit: 'bytes', exponent: 0 },
    { name: 'wr_merged', type: 'cumulative', exponent: 0 },
  ],
};

/** A host of readings, asked as a registry is. */
class Host implements MetricsReader {
  readonly asked: StatsFilter[] = [];
  readonly domains: { domain: Domain; schemas: readonly Schema[]; samples: Sample[]; errors: VirtstatError[] }[] = [];

  add(name: string, id: string, schemas: readonly Schema[] = [KVM, BLOCK]): this {
    const domain: Domain = { id, name, uuid: `uuid-of-${id}`, source: 'local:' };
    const sample = (provider: string, target: string, path: string, stats: readonly StatEntry[]): Sample => {
      return { domain: name, provider, target, path, via: 'test', collectedAtNs: 1n, stats };
    };
    const vcpu = (path: string, ns: bigint) =>
      sample('kvm', 'vcpu', path, [
        { name: 'halt_wait_ns', value: ns },
        { name: 'halt_wait_hist', value: [1n, 0n, 2n] },
        { name: 'guest_mode', value: true },
      ]);
    this.domains.push({
      domain,
      schemas,
      samples: [
        vcpu('/machine/unattached/device[2]', 1_500_000_000n),
        vcpu('/machine/unattached/device[10]', 2n ** 64n - 1n),
        sample('block', 'block', '/machine/peripheral/disk0/virtio-backend', [
          { name: 'rd_bytes', value: 512n },
          { name: 'wr_merged', value: 7n },
        ]),
      ],
      errors: [],
    });
    return this;
  }

  async schemas() {
    return this.domains.map(({ domain, schemas }) => ({ domain, items: schemas, errors: [] }));
  }

  async query(filter: StatsFilter) {
    this.asked.push(filter);
    return this.domains.map(({ domain, samples, errors }) => ({
      domain,
      errors,
      items: samples.flatMap((sample) => {
        const entry = filter.providers?.find(({ provider }) => provider === sample.provider);
        if (sample.target !== filter.target || entry === undefined) return [];
        return [{ ...sample, stats: selectNames(sample.stats, entry.names) }];
      }),
    }));
  }
}

async function linesOf(host: Host, options: Partial<StatViewOptions> = {}): Promise<readonly string[]> {
  const { families } = await new StatView({ profile: FULL, maxSeries: 1000, ...options }).read(host, {});
  return [...writeExposition(families, 'openmetrics')].join('').match(/^[^#].*$/gm) ?? [];
}

const ofStats = (lines: readonly string[]): readonly string[] =>
  lines.filter((line) => !line.startsWith('virtstat_domain'));

describe('the full profile', () => {
  it('shows every object for itself, histograms last, with the sum of their sibling', async () => {
    expect(ofStats(await linesOf(new Host().add('web', '1')))).toEqual([
      'kvm_vcpu_halt_wait_seconds_total{domain="web",vcpu="0"} 1.5',
      'kvm_vcpu_halt_wait_seconds_total{domain="web",vcpu="1"} 18446744073.709551615',
      'kvm_vcpu_guest_mode{domain="web",vcpu="0"} 1',
      'kvm_vcpu_guest_mode{domain="web",vcpu="1"} 1',
      'virtstat_block_rd_bytes_total{domain="web",block="disk0"} 512',
      'virtstat_block_wr_merged_total{domain="web",block="disk0"} 7',
      'kvm_vcpu_halt_wait_hist_seconds_bucket{domain="web",vcpu="0",le="0.0"} 1',
      'kvm_vcpu_halt_wait_hist_seconds_bucket{domain="web",vcpu="0",le="1e-09"} 1',
      'kvm_vcpu_halt_wait_hist_seconds_bucket{domain="web",vcpu="0",le="+Inf"} 3',
      'kvm_vcpu_halt_wait_hist_seconds_count{domain="web",vcpu="0"} 3',
      'kvm_vcpu_halt_wait_hist_seconds_sum{domain="web",vcpu="0"} 1.5',
      'kvm_vcpu_halt_wait_hist_seconds_bucket{domain="web",vcpu="1",le="0.0"} 1',
      'kvm_vcpu_halt_wait_hist_seconds_bucket{domain="web",vcpu="1",le="1e-09"} 1',
      'kvm_vcpu_halt_wait_hist_seconds_bucket{domain="web",vcpu="1",le="+Inf"} 3',
      'kvm_vcpu_halt_wait_hist_seconds_count{domain="web",vcpu="1"} 3',
      'kvm_vcpu_halt_wait_hist_seconds_sum{domain="web",vcpu="1"} 18446744073.709551615',
    ]);
  });

  it('shows the families that are allowed and not denied', async () => {
    const lines = await linesOf(new Host().add('web', '1'), { allow: ['KVM_*'], deny: ['*_hist_*', '*_mode'] });
    expect(ofStats(lines).every((line) => line.startsWith('kvm_vcpu_halt_wait_seconds_total{'))).toBe(true);
    expect(ofStats(lines)).toHaveLength(2);
  });

  it('asks for the sum that a histogram needs, and shows it only where it is allowed', async () => {
    const host = new Host().add('web', '1');
    const lines = ofStats(await linesOf(host, { allow: ['*_hist_*'] }));
    expect(host.asked).toEqual([
      { target: 'vcpu', providers: [{ provider: 'kvm', names: ['halt_wait_hist', 'halt_wait_ns'] }] },
    ]);
    expect(lines.filter((line) => line.includes('_sum{'))).toHaveLength(2);
    expect(lines.some((line) => line.includes('_total'))).toBe(false);
  });
});

describe('the curated profile', () => {
  it('sums what counts up over the vCPUs, exactly, and leaves the rest out', async () => {
    expect(ofStats(await linesOf(new Host().add('web', '1').add('db', '2'), { profile: CURATED }))).toEqual([
      // 1.5 s and 2^64-1 ns: more than 64 bits hold.
      'kvm_vcpu_halt_wait_seconds_total{domain="web"} 18446744075.209551615',
      'kvm_vcpu_halt_wait_seconds_total{domain="db"} 18446744075.209551615',
      'virtstat_block_rd_bytes_total{domain="web",block="disk0"} 512',
      'virtstat_block_rd_bytes_total{domain="db",block="disk0"} 512',
    ]);
  });
});

describe('the budget', () => {
  it('leaves out whole families, the last ones, for all domains, and says how many series that were', async () => {
    const host = new Host().add('web', '1').add('db', '2');
    const whole = await new StatView({ profile: FULL, maxSeries: 1000 }).read(host, {});
    expect(whole.dropped).toEqual({ budget: 0, name: 0 });
    const all = await linesOf(host);
    for (let maxSeries = 0; maxSeries <= all.length + 1; maxSeries++) {
      const { families, dropped } = await new StatView({ profile: FULL, maxSeries }).read(host, {});
      const lines = [...writeExposition(families, 'openmetrics')].join('').match(/^[^#].*$/gm) ?? [];
      expect(lines.length).toBeLessThanOrEqual(maxSeries);
      expect(lines.length + dropped.budget).toBe(all.length);
      expect(lines).toEqual(all.slice(0, lines.length));
    }
  });
});

describe('what is said of domains', () => {
  it('says where each was found, how old its values are, and what could not be read', async () => {
    const host = new Host().add('web', '1');
    host.domains[0]?.errors.push(new VirtstatError('TIMEOUT', 'web gave no "answer"\nwithin 2 s'));
    const [sample] = host.domains[0]?.samples ?? [];
    if (sample !== undefined) {
      const stale = { ageNs: 2_500_000_000n, code: 'TIMEOUT', reason: 'late' };
      host.domains[0]?.samples.splice(0, 1, { ...sample, stale });
    }
    const source = { id: 'qmp+unix:/gone', name: 'qmp+unix:/gone', source: 'qmp+unix:/gone' };
    const gone = new VirtstatError('PATH_NOT_FOUND', 'no socket');
    host.domains.push({ domain: source, schemas: [], samples: [], errors: [gone, gone] });
    expect((await linesOf(host)).filter((line) => line.startsWith('virtstat_domain'))).toEqual([
      'virtstat_domain_info{domain="web",uuid="uuid-of-1",source="local:"} 1',
      'virtstat_domain_stale_seconds{domain="web"} 2.5',
      'virtstat_domain_error_info{domain="web",code="TIMEOUT",reason="web gave no \\"answer\\"\\nwithin 2 s"} 1',
      'virtstat_domain_error_info{domain="qmp+unix:/gone",code="PATH_NOT_FOUND",reason="no socket"} 1',
    ]);
  });

  it('tells domains of one name apart', async () => {
    const lines = await linesOf(new Host().add('web', '1').add('web', '2').add('db', '3'), { profile: CURATED });
    expect(lines.filter((line) => line.startsWith('kvm_')).map((line) => /domain="[^"]*"/.exec(line)?.[0])).toEqual([
      'domain="web (1)"',
      'domain="web (2)"',
      'domain="db"',
    ]);
  });
});

describe('names', () => {
  it('gives a name to one stat, and counts the series of others that would have it', async () => {
    const clash: Schema = { ...KVM, stats: [WAIT, { ...WAIT, name: 'halt_wait' }] };
    const host = new Host().add('web', '1', [clash]);
    for (const [index, sample] of (host.domains[0]?.samples ?? []).entries()) {
      host.domains[0]?.samples.splice(index, 1, {
        ...sample,
        stats: [...sample.stats, { name: 'halt_wait', value: 9n }],
      });
    }
    const { dropped } = await new StatView({ profile: FULL, maxSeries: 100 }).read(host, {});
    expect(dropped.name).toBe(2);
    expect(ofStats(await linesOf(host))).toHaveLength(2);
  });

  it('joins a stat that domains count in different steps', async () => {
    const ticks: Schema = { ...KVM, stats: [{ ...WAIT, exponent: -2 }] };
    const lines = ofStats(
      await linesOf(new Host().add('web', '1', [KVM]).add('db', '2', [ticks]), { deny: ['*_hist_*', '*_mode'] }),
    );
    expect(lines[0]).toBe('kvm_vcpu_halt_wait_seconds_total{domain="web",vcpu="0"} 1.5');
    expect(lines[2]).toBe('kvm_vcpu_halt_wait_seconds_total{domain="db",vcpu="0"} 15000000');
  });
});
