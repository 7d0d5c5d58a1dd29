import { type Bucket, bucketBounds, percentile, totalCount } from '../../model/histogram.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { scaled } from './scaled.ts';
import { tableLines } from './table.ts';

/** Columns of the longest bar, where nothing else is said. */
const BAR_WIDTH = 24;

const BAR = '█';

/**
 * A histogram in one line: how many values it counted, and between which bounds the median and the 99th percentile lie:
 * the bounds of the bucket are the error. Nothing counted has no percentiles.
 */
export function histogramSummary(
  stat: StatDescriptor,
  counts: readonly bigint[],
  boundaries?: readonly bigint[],
): string {
  const total = `${totalCount(counts)} values`;
  const [p50, p99] = [0.5, 0.99].map((fraction) => percentile(stat, counts, fraction, boundaries));
  if (p50 === undefined || p99 === undefined) return total;
  return `${total}, p50 ${boundsText(p50, stat)}, p99 ${boundsText(p99, stat)}`;
}

/**
 * Its buckets, the smallest first, from the first that counted something to the last; each run of empty ones between
 * them is folded into one line.
 */
export function histogramLines(
  stat: StatDescriptor,
  counts: readonly bigint[],
  indent: string,
  boundaries?: readonly bigint[],
  barWidth: number = BAR_WIDTH,
): string[] {
  const most = largest(counts);
  const first = counts.findIndex((count) => count > 0n);
  const last = counts.findLastIndex((count) => count > 0n);
  const rows: string[][] = [];
  for (let index = first; index <= last && first >= 0; index++) {
    const count = counts[index] as bigint;
    const bounds = bucketBounds(stat, index, counts.length, boundaries);
    const label = bounds === undefined ? `bucket ${index}` : boundsText(bounds, stat);
    if (count > 0n) rows.push([label, String(count), bar(count, most, barWidth)]);
    else if (rows.at(-1)?.[1] !== '') rows.push(['…', '', '']);
  }
  return tableLines(rows, { indent, right: new Set([1]) });
}

/** The bounds of a bucket in human units: `[16.78 ms, 33.55 ms)`; the last one's upper bound is infinite. */
export function boundsText({ low, high }: Bucket, stat: StatDescriptor): string {
  return `[${scaled(low, stat)}, ${high === undefined ? '∞' : scaled(high, stat)})`;
}

function largest(counts: readonly bigint[]): bigint {
  let most = 0n;
  for (const count of counts) if (count > most) most = count;
  return most;
}

/** As long as its share of the most; at least one column, since something was counted. */
function bar(count: bigint, most: bigint, width: number): string {
  return BAR.repeat(Math.max(1, Number((count * BigInt(width)) / most)));
}
