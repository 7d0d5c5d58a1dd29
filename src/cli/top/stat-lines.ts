import { boundariesOf, percentile } from '../../model/histogram.ts';
import { isHistogram, type StatDescriptor } from '../../model/stat.ts';
import { boundsText, histogramLines } from '../render/histogram.ts';
import { scaled } from '../render/scaled.ts';
import { displayWidth } from '../render/text.ts';
import type { StatOfObject } from './stat-tables.ts';

/** Percentiles that are told. */
const PERCENTILES = [0.5, 0.9, 0.99, 0.999] as const;

/** Columns that stand beside the bars: bounds, counts, and what parts them. */
const BESIDE_BARS = 44;
const MAX_BAR_WIDTH = 100;

const INDENT = '  ';

/** Buckets that can be added up: of the same bounds. */
interface Buckets {
  readonly stat: StatDescriptor;
  readonly counts: readonly bigint[];
  readonly boundaries: readonly bigint[] | undefined;
}

/**
 * What is to be said of one stat below its table: of a histogram its percentiles and buckets, of several objects together where
 * their bounds are the same; of a list its numbers; of all else what it is.
 *
 * @param isRecent - what was counted between the last two looks, not all that ever was
 */
export function statLines(
  objects: readonly StatOfObject[],
  { isRecent, width }: { readonly isRecent: boolean; readonly width: number },
): readonly string[] {
  const [first] = objects;
  if (first === undefined) return [];
  const { stat, entry } = first;
  if (!isHistogram(stat)) {
    if (typeof entry.value !== 'object') return [];
    return [`${INDENT}${entry.value.map((one) => scaled(one, stat)).join(', ')}`];
  }
  const which = isRecent ? 'counted between the last two looks (o: all)' : 'counted so far (o: since the last look)';
  const buckets = objects.flatMap((object) => bucketsOf(object, isRecent) ?? []);
  if (buckets.length === 0) return [`${INDENT}nothing to compare with yet`];
  const merged = mergedBuckets(buckets);
  if (merged === undefined) return [`${INDENT}the bounds differ: choose one object`];
  const barWidth = Math.min(MAX_BAR_WIDTH, Math.max(1, width - BESIDE_BARS));
  const { counts, boundaries } = merged;
  const shares = PERCENTILES.flatMap((fraction) => {
    const bucket = percentile(stat, counts, fraction, boundaries);
    return bucket === undefined ? [] : [`p${fraction * 100} ${boundsText(bucket, stat)}`];
  });
  const total = counts.reduce((sum, count) => sum + count, 0n);
  return [
    `${INDENT}${total} values ${which}`,
    ...wrapped(shares, width),
    ...histogramLines(stat, counts, INDENT.repeat(2), boundaries, barWidth),
  ];
}

/** Pieces side by side, on as many lines as that takes. */
function wrapped(pieces: readonly string[], width: number): readonly string[] {
  const lines: string[] = [];
  for (const piece of pieces) {
    const before = lines.at(-1);
    const joined = `${before}${INDENT}${piece}`;
    if (before !== undefined && displayWidth(joined) <= width) lines[lines.length - 1] = joined;
    else lines.push(`${INDENT}${piece}`);
  }
  return lines;
}

function bucketsOf({ track, entry, stat }: StatOfObject, isRecent: boolean): Buckets | undefined {
  const counts = isRecent ? track.growths.get(entry.name)?.delta : entry.value;
  if (typeof counts !== 'object') return undefined;
  return { stat, counts, boundaries: boundariesOf(entry.name, track.sample.stats) };
}

function mergedBuckets(all: readonly Buckets[]): Buckets | undefined {
  const [first, ...others] = all;
  if (first === undefined || others.some((each) => !haveSameBounds(first, each))) return undefined;
  const counts = first.counts.map((count, index) =>
    others.reduce((sum, each) => sum + (each.counts[index] ?? 0n), count),
  );
  return { ...first, counts };
}

function haveSameBounds(a: Buckets, b: Buckets): boolean {
  return (
    a.counts.length === b.counts.length &&
    a.stat.type === b.stat.type &&
    a.stat.bucketSize === b.stat.bucketSize &&
    a.stat.exponent === b.stat.exponent &&
    String(a.boundaries) === String(b.boundaries)
  );
}
