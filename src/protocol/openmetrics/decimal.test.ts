import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../model/u64.ts';
import { canonicalText, decimalNumber, decimalScaleOf, decimalText, UNSCALED } from './decimal.ts';

const u64 = fc.bigInt({ min: 0n, max: U64_MAX });

describe('decimalText', () => {
  it('writes every digit, and none that says nothing', () => {
    const nano = { multiplier: 1n, exponent: -9 };
    expect(decimalText(U64_MAX, UNSCALED)).toBe('18446744073709551615');
    expect(decimalText(U64_MAX, nano)).toBe('18446744073.709551615');
    expect(decimalText(9_500_000_000n, nano)).toBe('9.5');
    expect(decimalText(3_000_000_000n, nano)).toBe('3');
    expect(decimalText(7n, nano)).toBe('0.000000007');
    expect(decimalText(0n, nano)).toBe('0');
    expect(decimalText(-25n, { multiplier: 1n, exponent: -1 })).toBe('-2.5');
    expect(decimalText(12n, { multiplier: 1n, exponent: 3 })).toBe('12000');
  });

  it('writes powers of two as decimal numbers', () => {
    const text = (steps: bigint, exponent: number): string | undefined => {
      const scale = decimalScaleOf({ base: 2, exponent });
      return scale && decimalText(steps, scale);
    };
    expect(text(3n, 10)).toBe('3072');
    expect(text(3n, -2)).toBe('0.75');
    expect(text(1n, -10)).toBe('0.0009765625');
    expect(text(1n, 1023)).toBe(String(2n ** 1023n));
    expect(text(1n, 1024)).toBeUndefined();
    expect(text(1n, -1023)?.length).toBeLessThan(1100);
  });

  it('knows no scale of an unknown base', () => {
    expect(decimalScaleOf({ base: 'unknown-7', exponent: 3 })).toBeUndefined();
    expect(decimalScaleOf({ base: 16, exponent: 3 })).toBeUndefined();
    expect(decimalScaleOf({ exponent: 3 })).toBeUndefined();
    expect(decimalScaleOf({ base: 'unknown-7', exponent: 0 })).toEqual(UNSCALED);
  });

  it('keeps the value, whatever the exponent', () => {
    fc.assert(
      fc.property(u64, fc.integer({ min: -30, max: 30 }), (steps, exponent) => {
        const text = decimalText(steps, { multiplier: 1n, exponent });
        const [whole = '', fraction = ''] = text.split('e')[0]?.split('.') ?? [];
        const behindE = Number(text.split('e')[1] ?? 0);
        // Both sides times 10^60 are whole.
        const value = BigInt(whole + fraction) * 10n ** BigInt(60 - fraction.length + behindE);
        expect(value).toBe(steps * 10n ** BigInt(60 + exponent));
        expect(fraction.endsWith('0')).toBe(false);
      }),
    );
  });

  it('stays short where an exponent of 16 bits would make it long', () => {
    expect(decimalText(7n, { multiplier: 1n, exponent: 32_767 })).toBe('7e32767');
    expect(decimalText(7n, { multiplier: 1n, exponent: -32_768 })).toBe('7e-32768');
  });

  it('rounds once where a double is wanted', () => {
    expect(decimalNumber(123_456_789_012_345_678n, { multiplier: 1n, exponent: -9 })).toBe(123456789.012345678);
  });
});

describe('canonicalText', () => {
  // OpenMetrics 1.0, Canonical Numbers: examples of its table.
  it.each([
    [0, '0.0'],
    [1, '1.0'],
    [10, '10.0'],
    [0.001, '0.001'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [1e-10, '1e-10'],
    [100_000, '100000.0'],
    [1e6, '1e+06'],
    [1e10, '1e+10'],
    [1.073741823, '1.073741823'],
    [1.27e-7, '1.27e-07'],
    [Number.POSITIVE_INFINITY, '+Inf'],
  ])('writes %d as %s', (value, text) => {
    expect(canonicalText(value)).toBe(text);
  });

  it('is read back as the same number', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Number(canonicalText(value))).toBe(value === 0 ? 0 : value);
      }),
    );
  });
});
