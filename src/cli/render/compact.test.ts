import { describe, expect, it } from 'vitest';
import { compact, compactAge, compactBytes, compactPercent, compactSeconds } from './compact.ts';

describe('a compact number', () => {
  it.each([
    [0, '0'],
    [7, '7'],
    [0.123_4, '0.123'],
    [0.001, '<0.01'],
    [-0.001, '-<0.01'],
    [999, '999'],
    [999.6, '1k'],
    [7737, '7.74k'],
    [-7737, '-7.74k'],
    [123_456, '123k'],
    [2 ** 64, '18.4E'],
  ])('%d is %s', (value, text) => expect(compact(value)).toBe(text));

  it.each([
    [0, '0B'],
    [512, '512B'],
    [1023, '1023B'],
    [1023.7, '1Ki'],
    [1536, '1.5Ki'],
    [1023 * 2 ** 20, '1023Mi'],
    [2 ** 64, '16Ei'],
  ])('of %d bytes is %s', (value, text) => expect(compactBytes(value)).toBe(text));

  it.each([
    [0, '0.0'],
    [1.0324, '103.2'],
    [9.999_4, '999.9'],
    [9.999_9, '1000'],
    [64, '6400'],
  ])('of a share of %d is %s', (value, text) => expect(compactPercent(value)).toBe(text));

  it.each([
    [0, '0s'],
    [1e-9, '1ns'],
    [0.0456, '45.6ms'],
    [0.9999, '1s'],
    [12.34, '12.3s'],
    [59.7, '1m00s'],
    [185, '3m05s'],
    [7800, '2h10m'],
    [86_400 * 5 + 3 * 3600, '5d03h'],
  ])('of %d seconds is %s', (value, text) => expect(compactSeconds(value)).toBe(text));

  it.each([
    [-1, '0.0s'],
    [0.26, '0.3s'],
    [9.96, '10s'],
    [125.2, '2m05s'],
  ])('of an age of %d seconds is %s', (value, text) => expect(compactAge(value)).toBe(text));
});
