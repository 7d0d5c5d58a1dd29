import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundariesName, boundariesOf, bucketBounds, isBoundariesName, percentile, totalCount } from './histogram.ts';

const log2 = { type: 'log2-histogram' };
const linear = { type: 'linear-histogram', bucketSize: 10 };

describe('the bounds of a bucket', () => {
  it('are powers of two, the first for zero and the last open', () => {
    expect(bucketBounds(log2, 0, 32)).toEqual({ low: 0n, high: 1n });
    expect(bucketBounds(log2, 1, 32)).toEqual({ low: 1n, high: 2n });
    expect(bucketBounds(log2, 26, 32)).toEqual({ low: 2n ** 25n, high: 2n ** 26n });
    expect(bucketBounds(log2, 31, 32)).toEqual({ low: 2n ** 30n, high: undefined });
    expect(bucketBounds(log2, 0, 1)).toEqual({ low: 0n, high: undefined });
  });

  it('are multiples of the bucket size', () => {
    expect(bucketBounds(linear, 0, 4)).toEqual({ low: 0n, high: 10n });
    expect(bucketBounds(linear, 3, 4)).toEqual({ low: 30n, high: undefined });
    expect(bucketBounds({ type: 'linear-histogram', bucketSize: 0xffff_ffff }, 65_534, 65_535)?.low).toBe(
      0xffff_ffffn * 65_534n,
    );
  });

  it('are the boundaries that stand beside it', () => {
    const stat = { type: 'histogram' };
    const beside = [{ name: boundariesName('latency'), value: [10n, 50n] }];
    const boundaries = boundariesOf('latency', beside);
    expect(isBoundariesName(beside[0]?.name ?? '')).toBe(true);
    expect([0, 1, 2].map((index) => bucketBounds(stat, index, 3, boundaries))).toEqual([
      { low: 0n, high: 10n },
      { low: 10n, high: 50n },
      { low: 50n, high: undefined },
    ]);
    expect(percentile(stat, [1n, 2n, 0n], 0.99, boundaries)).toEqual({ low: 10n, high: 50n });
    expect(bucketBounds(stat, 0, 1, [])).toEqual({ low: 0n, high: undefined });
    expect(bucketBounds(stat, 0, 4, boundaries)).toBeUndefined();
    expect(bucketBounds(stat, 0, 3)).toBeUndefined();
    expect(boundariesOf('other', beside)).toBeUndefined();
  });

  it('are not known without a bucket size, and for what is no histogram', () => {
    expect(bucketBounds({ type: 'linear-histogram' }, 0, 4)).toBeUndefined();
    expect(bucketBounds({ type: 'linear-histogram', bucketSize: 0 }, 0, 4)).toBeUndefined();
    expect(bucketBounds({ type: 'cumulative' }, 0, 4)).toBeUndefined();
  });

  it.each([log2, linear])('leave no gap between neighbours: %j', (stat) => {
    const size = fc.integer({ min: 2, max: 200 });
    fc.assert(
      fc.property(size, fc.nat(), (size, at) => {
        const index = at % (size - 1);
        expect(bucketBounds(stat, index, size)?.high).toBe(bucketBounds(stat, index + 1, size)?.low);
      }),
    );
  });
});

describe('a percentile', () => {
  it('is the bucket that holds it', () => {
    const counts = [0n, 0n, 49n, 1n, 50n];
    expect(percentile(log2, counts, 0)).toEqual({ low: 2n, high: 4n });
    expect(percentile(log2, counts, 0.49)).toEqual({ low: 2n, high: 4n });
    expect(percentile(log2, counts, 0.5)).toEqual({ low: 4n, high: 8n });
    expect(percentile(log2, counts, 0.51)).toEqual({ low: 8n, high: undefined });
    expect(percentile(log2, counts, 1)).toEqual({ low: 8n, high: undefined });
  });

  it('is not there where nothing was counted or asked sensibly', () => {
    expect(percentile(log2, [0n, 0n], 0.5)).toBeUndefined();
    expect(percentile(log2, [], 0.5)).toBeUndefined();
    expect(percentile(log2, [1n], 1.1)).toBeUndefined();
    expect(percentile(log2, [1n], Number.NaN)).toBeUndefined();
    expect(percentile({ type: 'linear-histogram' }, [1n], 0.5)).toBeUndefined();
  });

  it('is exact where the total is no longer a number', () => {
    const half = 2n ** 63n;
    expect(percentile(linear, [half, half - 1n, 1n], 0.5)?.low).toBe(0n);
    expect(percentile(linear, [half - 1n, half, 1n], 0.5)?.low).toBe(10n);
    expect(percentile(linear, [half, half], 0.5)?.low).toBe(0n);
  });

  it('has at most its share below, and at least its share up to its end', () => {
    const counts = fc.array(fc.bigInt({ min: 0n, max: 1000n }), { minLength: 1, maxLength: 32 });
    const percent = fc.integer({ min: 0, max: 100 });
    fc.assert(
      fc.property(counts, percent, (counts, percent) => {
        const total = totalCount(counts);
        fc.pre(total > 0n);
        const low = percentile(linear, counts, percent / 100)?.low ?? -1n;
        const index = Number(low / 10n);
        const below = totalCount(counts.slice(0, index));
        const upTo = totalCount(counts.slice(0, index + 1));
        expect(below * 100n).toBeLessThanOrEqual(total * BigInt(percent));
        expect(upTo * 100n).toBeGreaterThanOrEqual(total * BigInt(percent));
      }),
    );
  });
});
