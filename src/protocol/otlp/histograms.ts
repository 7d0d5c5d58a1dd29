import { bucketBounds } from '../../model/histogram.ts';
import type { StatDescriptor } from '../../model/stat.ts';

/**
 * How histograms are sent.
 *
 * OTLP's buckets are open at their lower and closed at their upper end: `(b[i-1], b[i]]`, of an exponential histogram of scale 0
 * `(2^i, 2^(i+1)]`. Those of the kernel and of QEMU are closed at the lower and open at the upper end, and count integers:
 *
 * | log2-histogram   | integers                | explicit bounds               | exponential, scale 0     |
 * | ---------------- | ----------------------- | ----------------------------- | ------------------------ |
 * | bucket 0         | 0                       | (-∞, 0]: the same             | zero bucket: the same    |
 * | bucket i         | 2^(i-1) to 2^i - 1      | (2^(i-1) - 1, 2^i - 1]: the same | (2^(i-1), 2^i]: 2^(i-1) is outside, 2^i inside |
 * | last bucket n-1  | 2^(n-2) and all above   | (2^(n-2) - 1, ∞): the same    | (2^(n-2), 2^(n-1)]: what is above is outside |
 *
 * So explicit bounds of 2^i - 1 say exactly what was counted. Exponential buckets do not: a value that is a power of two lies
 * beyond the bound that is told for it, and the last bucket has no end. They are sent only where somebody wants them, for what
 * they cost a tenth.
 */
export type HistogramForm = 'explicit' | 'exponential';

/** A `number` holds all integers up to here. */
const MAX_EXACT = 2n ** 53n;

/**
 * The upper bounds of all buckets but the last, in raw steps: the largest integer of each, exact up to 2^53, above that the nearest
 * `number` below the bucket's end. Undefined where the bounds are not known.
 */
export function explicitBounds(
  stat: Pick<StatDescriptor, 'type' | 'bucketSize'>,
  size: number,
  boundaries?: readonly bigint[],
): readonly number[] | undefined {
  const bounds: number[] = [];
  for (let index = 0; index < size - 1; index++) {
    const high = bucketBounds(stat, index, size, boundaries)?.high;
    if (high === undefined) return undefined;
    const bound = high - 1n <= MAX_EXACT ? Number(high - 1n) : numberBelow(high);
    // Bounds ascend strictly: two buckets of which no `number` tells them apart cannot be told.
    if (bound <= (bounds.at(-1) ?? Number.NEGATIVE_INFINITY)) return undefined;
    bounds.push(bound);
  }
  return bounds;
}

/** The largest `number` below an integer that is above 2^53. */
function numberBelow(value: bigint): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Number(value));
  if (BigInt(Number(value)) >= value) view.setBigUint64(0, view.getBigUint64(0) - 1n);
  return view.getFloat64(0);
}

/** A log2 histogram as an exponential one of scale 0. */
export interface ExponentialBuckets {
  readonly zeroCount: bigint;
  /** Number of the first bucket of `counts`: bucket i is (2^i, 2^(i+1)]. */
  readonly offset: number;
  /** Without the empty buckets at both ends. */
  readonly counts: readonly bigint[];
}

/** The kernel's bucket 0 is the zero bucket, its bucket i the one of number i-1. */
export function exponentialBuckets(counts: readonly bigint[]): ExponentialBuckets {
  const [zeroCount = 0n, ...positive] = counts;
  const first = positive.findIndex((count) => count > 0n);
  if (first < 0) return { zeroCount, offset: 0, counts: [] };
  return {
    zeroCount,
    offset: first,
    counts: positive.slice(first, positive.findLastIndex((count) => count > 0n) + 1),
  };
}
