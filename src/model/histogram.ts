import type { StatEntry } from './sample.ts';
import type { StatDescriptor } from './stat.ts';

/**
 * Buckets of histograms, counted from 0, the smallest first (n buckets, bucket size b, boundaries c[0] to c[n-2]):
 *
 * | type             | bucket 0  | bucket i           | last bucket          |
 * | ---------------- | --------- | ------------------ | -------------------- |
 * | linear-histogram | [0, b)    | [i·b, (i+1)·b)     | [(n-1)·b, ∞)         |
 * | log2-histogram   | [0, 1)    | [2^(i-1), 2^i)     | [2^(n-2), ∞)         |
 * | histogram        | [0, c[0]) | [c[i-1], c[i])     | [c[n-2], ∞)          |
 *
 * Bounds are raw numbers: scale them with the descriptor's base and exponent, in its unit. The boundaries of a `histogram`
 * are chosen while the VM runs, for each object: they are a stat of their own beside it, by {@link boundariesName}.
 * Sources: the kernel's Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD; BlockLatencyHistogramInfo in QEMU's
 * qapi/block-core.json.
 */
export interface Bucket {
  /** Smallest value that falls into it. */
  readonly low: bigint;
  /** Smallest value above it; undefined for the last bucket, which has no upper bound. */
  readonly high: bigint | undefined;
}

/** The type of a histogram whose boundaries are a stat of their own. */
export const HISTOGRAM = 'histogram';

const BOUNDARIES = '_boundaries';

/** The name of the stat that has the boundaries of a `histogram`. */
export function boundariesName(name: string): string {
  return name + BOUNDARIES;
}

/** True for a name that {@link boundariesName} makes. */
export function isBoundariesName(name: string): boolean {
  return name.endsWith(BOUNDARIES);
}

/** The boundaries of a histogram among the values of the same object; undefined where they were not read with it. */
export function boundariesOf(name: string, stats: readonly StatEntry[]): readonly bigint[] | undefined {
  const wanted = boundariesName(name);
  const value = stats.find((stat) => stat.name === wanted)?.value;
  return typeof value === 'object' ? value : undefined;
}

/**
 * Bounds of bucket `index` of `size` (0 ≤ index < size ≤ 65535); undefined where the type is no histogram, where a linear
 * histogram does not say how wide its buckets are, or where a `histogram` comes without its `boundaries`.
 */
export function bucketBounds(
  stat: Pick<StatDescriptor, 'type' | 'bucketSize'>,
  index: number,
  size: number,
  boundaries?: readonly bigint[],
): Bucket | undefined {
  const last = index === size - 1;
  if (stat.type === HISTOGRAM) {
    if (boundaries?.length !== size - 1) return undefined;
    return { low: boundaries[index - 1] ?? 0n, high: boundaries[index] };
  }
  if (stat.type === 'linear-histogram') {
    if (!stat.bucketSize) return undefined;
    const width = BigInt(stat.bucketSize);
    return { low: BigInt(index) * width, high: last ? undefined : BigInt(index + 1) * width };
  }
  if (stat.type !== 'log2-histogram') return undefined;
  return { low: index === 0 ? 0n : 1n << BigInt(index - 1), high: last ? undefined : 1n << BigInt(index) };
}

/** How many values the histogram has counted. */
export function totalCount(counts: readonly bigint[]): bigint {
  return counts.reduce((sum, count) => sum + count, 0n);
}

/**
 * The bucket that holds the given fraction (0 to 1) of what was counted: the true percentile lies between its bounds, which
 * are thus the error. Undefined where nothing was counted or the bounds are not known.
 */
export function percentile(
  stat: Pick<StatDescriptor, 'type' | 'bucketSize'>,
  counts: readonly bigint[],
  fraction: number,
  boundaries?: readonly bigint[],
): Bucket | undefined {
  const total = totalCount(counts);
  if (total === 0n || !(fraction >= 0 && fraction <= 1)) return undefined;
  const rank = rankOf(fraction, total);
  let seen = 0n;
  for (const [index, count] of counts.entries()) {
    seen += count;
    if (seen >= rank) return bucketBounds(stat, index, counts.length, boundaries);
  }
  return undefined;
}

/** Rank of the fraction, 1 to total: exact also where the total exceeds 2^53. */
function rankOf(fraction: number, total: bigint): bigint {
  const parts = 1_000_000_000_000n;
  const share = BigInt(Math.round(fraction * Number(parts)));
  const rank = (total * share + parts - 1n) / parts;
  return rank < 1n ? 1n : rank;
}
