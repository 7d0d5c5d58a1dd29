import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { growthOf, growthSince } from './growth.ts';
import type { Sample, StatEntry } from './sample.ts';

const SECOND_NS = 1_000_000_000n;

function sampleAt(collectedAtNs: bigint, stats: readonly StatEntry[]): Sample {
  return { domain: 'd', provider: 'kvm', target: 'vm', via: 'test', collectedAtNs, stats };
}

describe('the growth of a value', () => {
  it('is exact where the counters are not exact as a number', () => {
    const growth = growthOf(2n ** 64n - 1n, 2n ** 64n - 4n, SECOND_NS / 2n);
    expect(growth).toEqual({ delta: 3n, rate: 6, reset: false });
  });

  it('counts from zero after a reset', () => {
    expect(growthOf(5n, 100n, SECOND_NS)).toEqual({ delta: 5n, rate: 5, reset: true });
  });

  it('takes buckets apart, and all of them for reset when one shrank', () => {
    expect(growthOf([1n, 5n], [1n, 2n], SECOND_NS)).toEqual({ delta: [0n, 3n], rate: 3, reset: false });
    expect(growthOf([0n, 5n], [1n, 2n], SECOND_NS)).toEqual({ delta: [0n, 5n], rate: 5, reset: true });
  });

  it('is not there for what cannot be compared', () => {
    expect(growthOf(true, false, SECOND_NS)).toBeUndefined();
    expect(growthOf([1n], [1n, 2n], SECOND_NS)).toBeUndefined();
    expect(growthOf(1n, [1n], SECOND_NS)).toBeUndefined();
    expect(growthOf(2n, 1n, 0n)).toBeUndefined();
    expect(growthOf([2n], [1n], -1n)).toBeUndefined();
  });

  it('is the difference for everything that only grows', () => {
    const u63 = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(u63, u63, (before, grown) => {
        expect(growthOf(before + grown, before, SECOND_NS)).toEqual({
          delta: grown,
          rate: Number(grown),
          reset: false,
        });
      }),
    );
  });
});

describe('the growth of a sample', () => {
  it('has what only grows and was there before', () => {
    const types = new Map(
      Object.entries({ a: 'cumulative', b: 'instant', c: 'peak', d: 'log2-histogram', e: 'cumulative' }).map(
        ([name, type]) => [name, { type }],
      ),
    );
    const entries = (value: bigint): StatEntry[] => [
      ...['a', 'b', 'c', 'undescribed'].map((name) => ({ name, value })),
      { name: 'd', value: [value] },
    ];
    const growth = growthSince(
      sampleAt(3n * SECOND_NS, [...entries(9n), { name: 'e', value: 1n }]),
      sampleAt(SECOND_NS, entries(5n)),
      types,
    );
    expect([...growth.keys()]).toEqual(['a', 'd']);
    expect(growth.get('a')?.rate).toBe(2);
  });
});
