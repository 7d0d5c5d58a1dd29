import { bucketBounds } from '../../model/histogram.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { canonicalText, type DecimalScale, decimalNumber } from './decimal.ts';

/**
 * Upper bounds of a histogram's buckets. The kernel's are exclusive and Prometheus's inclusive; raw values are whole numbers of
 * steps, so that what is below 2^i is what is at most 2^i - 1. That is the bound that is told: it is exact.
 *
 * | kernel's bucket | holds           | `le`, in steps |
 * | --------------- | --------------- | -------------- |
 * | 0               | [0, 1)          | 0              |
 * | i               | [2^(i-1), 2^i)  | 2^i - 1        |
 * | last            | [2^(n-2), ∞)    | +Inf           |
 */
export class HistogramBounds {
  /** In steps, inclusive, ascending: one for each bucket but the last, which has none. */
  readonly uppers: readonly bigint[];
  readonly scale: DecimalScale;
  #le: readonly string[] | undefined;

  constructor(uppers: readonly bigint[], scale: DecimalScale) {
    this.uppers = uppers;
    this.scale = scale;
  }

  /** The labels' values, `+Inf` last. */
  get le(): readonly string[] {
    this.#le ??= [...this.uppers.map((upper) => canonicalText(decimalNumber(upper, this.scale))), '+Inf'];
    return this.#le;
  }
}

/**
 * Bounds of a histogram with this many buckets; undefined where they are not known: see {@link bucketBounds}.
 * @param boundaries - those that stand beside the values, for the type that has them there
 */
export function histogramBounds(
  stat: Pick<StatDescriptor, 'type' | 'bucketSize'>,
  size: number,
  scale: DecimalScale,
  boundaries?: readonly bigint[],
): HistogramBounds | undefined {
  const uppers: bigint[] = [];
  for (let index = 0; index < size; index++) {
    const bounds = bucketBounds(stat, index, size, boundaries);
    if (bounds === undefined) return undefined;
    if (bounds.high !== undefined) uppers.push(bounds.high - 1n);
  }
  return size === 0 ? undefined : new HistogramBounds(uppers, scale);
}
