import type { StatDescriptor } from '../../model/stat.ts';

/** What one step of a raw number is worth, in decimal: steps × multiplier × 10^exponent. */
export interface DecimalScale {
  readonly multiplier: bigint;
  readonly exponent: number;
}

/** A raw number is the value itself. */
export const UNSCALED: DecimalScale = { multiplier: 1n, exponent: 0 };

/** Nanoseconds as seconds. */
export const NANO: DecimalScale = { multiplier: 1n, exponent: -9 };

/** Exponents of base 2 beyond ±this would make texts of a thousand digits, and no double could hold them. */
const MAX_BINARY_EXPONENT = 1023;

/** Powers of ten up to this size are written out; larger ones behind an `e`. */
const MAX_ZEROS = 24;

/** Most digits behind the point: those that the smallest power of two takes. */
const MAX_FRACTION_DIGITS = 1100;

/**
 * The scale of a descriptor, exact: a power of two, too, is a decimal number. Undefined where it is none that this version can
 * apply: an unknown base, or a power that no double holds.
 */
export function decimalScaleOf({
  base,
  exponent,
}: Pick<StatDescriptor, 'base' | 'exponent'>): DecimalScale | undefined {
  if (exponent === 0) return UNSCALED;
  if (base === 10) return { multiplier: 1n, exponent };
  if (base !== 2 || Math.abs(exponent) > MAX_BINARY_EXPONENT) return undefined;
  if (exponent > 0) return { multiplier: 1n << BigInt(exponent), exponent: 0 };
  // 2^-k is 5^k × 10^-k.
  return { multiplier: 5n ** BigInt(-exponent), exponent };
}

/** Steps in units, as decimal text: every digit, and none that says nothing (`9.5`, `18446744073.709551615`, `0`). */
export function decimalText(steps: bigint, { multiplier, exponent }: DecimalScale): string {
  if (steps < 0n) return `-${decimalText(-steps, { multiplier, exponent })}`;
  const digits = String(multiplier === 1n ? steps : steps * multiplier);
  if (exponent === 0 || digits === '0') return digits;
  if (exponent > 0) return exponent <= MAX_ZEROS ? digits + '0'.repeat(exponent) : `${digits}e${exponent}`;
  if (exponent < -MAX_FRACTION_DIGITS) return `${digits}e${exponent}`;
  return withPoint(digits, -exponent);
}

/** Steps in units, as the nearest double. */
export function decimalNumber(steps: bigint, scale: DecimalScale): number {
  return Number(decimalText(steps, scale));
}

/**
 * A number as Go prints it by default, with `.0` where nothing else shows that it need not be whole: how labels `le` are to be
 * written, so that they are the same from whichever program (OpenMetrics 1.0, Canonical Numbers).
 */
export function canonicalText(value: number): string {
  if (value === Infinity) return '+Inf';
  if (value === 0) return '0.0';
  const [mantissa = '', power = ''] = value.toExponential().split('e');
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) {
    const text = String(value);
    return text.includes('.') ? text : `${text}.0`;
  }
  const size = String(Math.abs(exponent)).padStart(2, '0');
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${size}`;
}

const ZERO = 48;

/** Puts the point before the last `places` digits, and takes away zeros at the end. */
function withPoint(digits: string, places: number): string {
  let end = digits.length;
  const whole = end - places;
  const first = Math.max(0, whole);
  while (end > first && digits.charCodeAt(end - 1) === ZERO) end--;
  if (whole > 0)
    return end === whole ? digits.slice(0, whole) : `${digits.slice(0, whole)}.${digits.slice(whole, end)}`;
  return `0.${'0'.repeat(-whole)}${digits.slice(0, end)}`;
}
