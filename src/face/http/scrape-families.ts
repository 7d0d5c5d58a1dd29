import { ownUsage } from '../../host/own-process.ts';
import type { DropReason } from '../../metrics/view.ts';
import { type DecimalScale, NANO, UNSCALED } from '../../protocol/openmetrics/decimal.ts';
import type { MetricFamily, NumberFamily, NumberType } from '../../protocol/openmetrics/family.ts';
import { LabelSet, NO_LABELS } from '../../protocol/openmetrics/labels.ts';

const MICRO: DecimalScale = { multiplier: 1n, exponent: -6 };
const MILLI: DecimalScale = { multiplier: 1n, exponent: -3 };

/** What there is to say of a scrape. */
export interface ScrapeFacts {
  readonly profile: string;
  /** How long collecting took, in nanoseconds. */
  readonly durationNs: bigint;
  readonly domains: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  readonly maxSeries: number;
}

/** What the daemon says of itself: its version, and what it takes of the host, by the names that every exporter has. */
export function daemonFamilies(version: string): readonly MetricFamily[] {
  const usage = ownUsage();
  const build = new LabelSet([
    ['version', version],
    ['node_version', process.versions.node],
  ]);
  return [
    one('virtstat_build', 'info', 'The version of virtstat', 1n, UNSCALED, undefined, build),
    one('process_cpu_seconds', 'counter', 'CPU time of virtstatd', usage.cpuMicroseconds, MICRO, 'seconds'),
    one('process_resident_memory_bytes', 'gauge', 'Memory of virtstatd', usage.residentBytes, UNSCALED, 'bytes'),
    one('process_start_time_seconds', 'gauge', 'When virtstatd began, since 1970', usage.startedMs, MILLI, 'seconds'),
    one('process_open_fds', 'gauge', 'Open files of virtstatd', usage.openFiles),
  ];
}

/** What this scrape took, gave and left out. `series` is asked for last: how many lines were written before. */
export function* scrapeFamilies(facts: ScrapeFacts, series: () => number): Generator<MetricFamily, void> {
  const profile = new LabelSet([['profile', facts.profile]]);
  const gauge = (name: string, help: string, value: number): NumberFamily =>
    one(name, 'gauge', help, BigInt(value), UNSCALED, undefined, profile);
  yield one(
    'virtstat_scrape_duration_seconds',
    'gauge',
    'How long asking the virtual machines took',
    facts.durationNs,
    NANO,
    'seconds',
    profile,
  );
  yield gauge('virtstat_scrape_domains', 'Virtual machines that were found', facts.domains);
  yield gauge(
    'virtstat_scrape_series_limit',
    'Most series of virtual machines that one scrape may have',
    facts.maxSeries,
  );
  yield {
    name: 'virtstat_scrape_series_dropped',
    type: 'gauge',
    help: 'Series that were left out: more than the limit, or of a name that another stat has',
    points: Object.entries(facts.dropped).map(([reason, count]) => ({
      labels: profile.with(['reason', reason]),
      steps: BigInt(count),
      scale: UNSCALED,
    })),
  };
  yield gauge('virtstat_scrape_series', 'Series of virtual machines in this scrape', series());
}

function one(
  name: string,
  type: NumberType,
  help: string,
  steps: bigint,
  scale: DecimalScale = UNSCALED,
  unit?: string,
  labels: LabelSet = NO_LABELS,
): NumberFamily {
  return { name, type, help, ...(unit !== undefined && { unit }), points: [{ labels, steps, scale }] };
}
