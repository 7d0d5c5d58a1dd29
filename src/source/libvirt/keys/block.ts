import { boundariesName } from '../../../model/histogram.ts';
import type { StatValue } from '../../../model/sample.ts';
import { VIR_DOMAIN_STATS_BLOCK } from '../../../protocol/libvirt/constants.ts';
import { BLOCK_COUNTER_KEYS, BLOCK_REQUESTS, BLOCK_SIZE_KEYS } from '../../../protocol/libvirt/stats-keys.ts';
import {
  blockOrder,
  describeBlockStat,
  QUEUE_DEPTH_STEPS,
  timedName,
} from '../../../protocol/qmp/block-descriptors.ts';
import { type Fields, numberOf, textOf } from '../stats-record.ts';
import { always, type DescribedValue, type KeyTable } from './key-table.ts';

/** Most averages over different times, and most buckets, that are believed of one disk. */
const MAX_LISTED = 1024;

/** The provider `block`: disks by libvirt's names for them, `vda`. */
export const BLOCK_KEYS: KeyTable = {
  provider: 'block',
  targets: {
    block: {
      groups: always(VIR_DOMAIN_STATS_BLOCK),
      needsMonitor: true,
      nothing: 'the VM has no block devices',
      read: (record) =>
        [...record.objects('block')].flatMap(([index, fields]) => {
          const values = [...numbers(fields), ...averages(fields), ...histograms(fields)];
          return values.length === 0 ? [] : [{ path: textOf(fields.get('name')) ?? `disk-${index}`, values }];
        }),
      order: blockOrder,
    },
  },
};

function described(name: string, value: StatValue | undefined): readonly DescribedValue[] {
  return value === undefined ? [] : [{ stat: describeBlockStat({ name, value }), value }];
}

function numbers(fields: Fields): readonly DescribedValue[] {
  return [...BLOCK_COUNTER_KEYS, ...BLOCK_SIZE_KEYS.map((key) => [key, key] as const)].flatMap(([key, name]) =>
    described(name, numberOf(fields.get(key))),
  );
}

/** `timed_group.G.…`: each over the time that stands in `interval`, in seconds. */
function averages(fields: Fields): readonly DescribedValue[] {
  return listed(fields, 'timed_group.count').flatMap((group) => {
    const at = (key: string) => fields.get(`timed_group.${group}.${key}`);
    const seconds = numberOf(at('interval'));
    if (seconds === undefined) return [];
    return BLOCK_REQUESTS.flatMap(([short, , name]) => [
      ...['min', 'max', 'avg'].flatMap((which) =>
        described(timedName(seconds, `${which}_${name}_latency_ns`), numberOf(at(`${short}_latency_${which}`))),
      ),
      ...described(timedName(seconds, `avg_${name}_queue_depth`), stepsOf(at(`${short}_queue_depth_avg`)?.value)),
    ]);
  });
}

/** Our schema has queue depths in billionths. */
function stepsOf(depth: unknown): bigint | undefined {
  const steps = typeof depth === 'number' ? Math.round(depth * QUEUE_DEPTH_STEPS) : Number.NaN;
  return Number.isSafeInteger(steps) && steps >= 0 ? BigInt(steps) : undefined;
}

/** `latency_histogram.KIND.bin.K.(start|value)`: the first bin begins at 0, and where the others do are the boundaries. */
function histograms(fields: Fields): readonly DescribedValue[] {
  return BLOCK_REQUESTS.flatMap(([, long, name]) => {
    const prefix = `latency_histogram.${long}.bin`;
    const bins = listed(fields, `${prefix}.count`);
    const column = (key: string) => bins.flatMap((bin) => numberOf(fields.get(`${prefix}.${bin}.${key}`)) ?? []);
    const [starts, values] = [column('start'), column('value')];
    if (bins.length === 0 || starts.length !== bins.length || values.length !== bins.length) return [];
    const histogram = `${name}_latency_histogram`;
    return [...described(histogram, values), ...described(boundariesName(histogram), starts.slice(1))];
  });
}

/** The numbers from 0 on of as many as a key says there are. */
function listed(fields: Fields, countKey: string): readonly number[] {
  const count = Number(numberOf(fields.get(countKey)) ?? 0n);
  return count > MAX_LISTED ? [] : Array.from({ length: count }, (_, index) => index);
}
