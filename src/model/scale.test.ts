import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { factorOf, humanize, type Scale } from './scale.ts';

const plain: Scale = { exponent: 0 };
const bytes: Scale = { unit: 'bytes', exponent: 0 };
const seconds: Scale = { unit: 'seconds', exponent: 0 };
const nanoseconds: Scale = { unit: 'seconds', base: 10, exponent: -9 };

describe('a number for people', () => {
  it.each<[bigint | number, Scale, string]>([
    [0n, plain, '0'],
    [18446744073709551615n, plain, '18446744073709551615'],
    [9121577434n, nanoseconds, '9.122 s'],
    [999_999n, nanoseconds, '1 ms'],
    [999_949n, nanoseconds, '999.9 us'],
    [1n, nanoseconds, '1 ns'],
    [0n, nanoseconds, '0 s'],
    [86_400n, seconds, '86400 s'],
    [1_764_097_463_123_456n, { unit: 'seconds', base: 10, exponent: -6 }, '1764097463 s'],
    [9_999_600n, { unit: 'seconds', base: 10, exponent: -3 }, '10000 s'],
    [3n, { unit: 'seconds', base: 10, exponent: -18 }, '3 as'],
    [1536n * 1024n, bytes, '1.5 MiB'],
    [1023n, bytes, '1023 B'],
    [1024n, bytes, '1 KiB'],
    [3n, { unit: 'bytes', base: 2, exponent: 20 }, '3 MiB'],
    [3n, { unit: 'bytes', base: 10, exponent: 3 }, '2.93 KiB'],
    [2n ** 64n - 1n, bytes, '16 EiB'],
    [123_456n, { unit: 'cycles', exponent: 0 }, '123456 cycles'],
    [5n, { unit: 'cycles', base: 10, exponent: 3 }, '5000 cycles'],
    [50n, { unit: 'cycles', base: 10, exponent: 3 }, '50 k cycles'],
    [7n, { base: 10, exponent: 3 }, '7000'],
    [7n, { unit: 'watts', exponent: 0 }, '7 watts'],
    [7n, { unit: 'seconds', base: 'unknown-3', exponent: 2 }, '7 * unknown-3^2 seconds'],
    [7n, { exponent: 2 }, '7 * ?^2'],
    [7n, { unit: 'seconds', base: 10, exponent: 400 }, '7 * 10^400 seconds'],
    [7n, { unit: 'seconds', base: 10, exponent: -32768 }, '7 * 10^-32768 seconds'],
    [0n, { unit: 'seconds', base: 2, exponent: -32768 }, '0 s'],
    [0n, { unit: 'seconds', base: 2, exponent: 32767 }, '0 * 2^32767 seconds'],
    [0.25, plain, '0.25'],
    [1234.5678, plain, '1235'],
    [12_345.678, plain, '12.35 k'],
    [0.93e9, nanoseconds, '930 ms'],
  ])('%s of %j is %s', (raw, scale, text) => {
    expect(humanize(raw, scale)).toBe(text);
  });

  it('puts what is per second behind the unit', () => {
    expect(humanize(930e6, nanoseconds, '/s')).toBe('930 ms/s');
    expect(humanize(12_300_000, plain, '/s')).toBe('12.3 M/s');
    expect(humanize(12.5, plain, '/s')).toBe('12.5/s');
    expect(humanize(2e9, { unit: 'cycles', exponent: 0 }, '/s')).toBe('2 G cycles/s');
  });

  it('never rounds a plain counter', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (raw) => humanize(raw, plain) === `${raw}`));
  });

  it('stays within half of its last digit', () => {
    const sizes = [...'EPTGMK'].map((letter, index): [string, number] => [`${letter}iB`, 1024 ** (6 - index)]);
    const factors = new Map([...sizes, ['B', 1]]);
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), (raw) => {
        const [number = '', unit = ''] = humanize(raw, bytes).split(' ');
        const said = Number(number) * (factors.get(unit) ?? Number.NaN);
        expect(Math.abs(said - Number(raw)) / Number(raw)).toBeLessThan(5.1e-4);
        expect(Number(number)).toBeLessThan(1024);
      }),
    );
  });

  it('never says that something is not a number', () => {
    const scale = fc.record({
      base: fc.constantFrom(2, 10),
      exponent: fc.integer({ min: -32768, max: 32767 }),
      unit: fc.constantFrom('seconds', 'bytes', 'cycles'),
    });
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), scale, (raw, scale) => {
        const text = humanize(raw, scale);
        expect(text).not.toMatch(/NaN|Infinity/);
        if (raw > 0n) expect(text).not.toMatch(/^0 /);
      }),
    );
  });
});

describe('the factor', () => {
  it('is one where there is no scale', () => {
    expect(factorOf(plain)).toBe(1);
    expect(factorOf({ base: 'unknown-2', exponent: 3 })).toBe(1);
    expect(factorOf({ base: 2, exponent: 10 })).toBe(1024);
  });
});
