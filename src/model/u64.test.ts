import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  deltaOfWords,
  IS_LITTLE_ENDIAN,
  increase,
  ratePerSecond,
  U64_MAX,
  wordsToBigint,
  wordsToNumber,
} from './u64.ts';

const u64 = fc.bigInt({ min: 0n, max: U64_MAX });

function wordsOf(value: bigint): [low: number, high: number] {
  return [Number(value & 0xffff_ffffn), Number(value >> 32n)];
}

describe('two words', () => {
  it('make the number they were taken from', () => {
    fc.assert(fc.property(u64, (value) => wordsToBigint(...wordsOf(value)) === value));
    fc.assert(fc.property(u64, (value) => wordsToNumber(...wordsOf(value)) === Number(value)));
  });

  it('lie in memory as this machine says', () => {
    const [low, high] = new Uint32Array(new BigUint64Array([0x1_0000_0002n]).buffer);
    expect(IS_LITTLE_ENDIAN ? [low, high] : [high, low]).toEqual([2, 1]);
  });

  it('have an exact difference below 2^53, wherever the counters are', () => {
    const size = fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n });
    fc.assert(
      fc.property(u64, size, (previous, delta) => {
        const current = previous + delta;
        fc.pre(current >= 0n && current <= U64_MAX);
        expect(BigInt(deltaOfWords(...wordsOf(current), ...wordsOf(previous)))).toBe(delta);
      }),
    );
  });

  it('have the difference that a bigint gives, at the edges', () => {
    expect(deltaOfWords(0, 1, 0xffff_ffff, 0)).toBe(1);
    expect(deltaOfWords(...wordsOf(U64_MAX), ...wordsOf(U64_MAX - 1n))).toBe(1);
    expect(deltaOfWords(0, 0, 1, 0)).toBe(-1);
  });
});

describe('the growth of a counter', () => {
  it('begins anew with a decrease', () => {
    expect(increase(U64_MAX, 0n)).toEqual({ delta: U64_MAX, reset: false });
    expect(increase(5n, 5n)).toEqual({ delta: 0n, reset: false });
    expect(increase(5n, 6n)).toEqual({ delta: 5n, reset: true });
  });

  it('per second needs time to pass', () => {
    expect(ratePerSecond(10n, 500_000_000n)).toBe(20);
    expect(ratePerSecond(10n, 0n)).toBeUndefined();
    expect(ratePerSecond(10n, -1n)).toBeUndefined();
    expect(ratePerSecond(0n, 1n)).toBe(0);
  });
});
