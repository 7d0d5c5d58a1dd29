import type { StatDescriptor } from './stat.ts';

/** What the scale of a descriptor needs: the fields that say what one raw step is worth. */
export type Scale = Pick<StatDescriptor, 'unit' | 'base' | 'exponent'>;

/** How many raw steps make one unit: base^exponent; 1 where there is no scale, or one that this version cannot apply. */
export function factorOf(scale: Scale): number {
  return typeof scale.base === 'number' && scale.exponent !== 0 ? scale.base ** scale.exponent : 1;
}

/**
 * A raw number in the largest fitting human unit, rounded to four digits: `9.122 s`, `1.5 MiB`, `12.3 M/s`. Numbers
 * without a unit below 2^53 keep all their digits. `suffix` follows the unit (`/s` for rates).
 */
export function humanize(raw: number | bigint, scale: Scale, suffix = ''): string {
  if (typeof raw === 'bigint' && scale.unit === undefined && factorOf(scale) === 1) return `${raw}${suffix}`;
  const value = Number(raw) * factorOf(scale);
  if (scale.unit === 'seconds') return withPrefix(value, SECONDS, `s${suffix}`);
  if (scale.unit === 'bytes') return withPrefix(value, BYTES, `B${suffix}`);
  const word = scale.unit === undefined ? '' : ` ${scale.unit}`;
  return `${digits(value)}${unknownScale(scale)}${word}${suffix}`;
}

type Prefixes = readonly (readonly [factor: number, prefix: string])[];

const SECONDS: Prefixes = [
  [1, ''],
  [1e-3, 'm'],
  [1e-6, 'u'],
  [1e-9, 'n'],
  [1e-12, 'p'],
];

const BYTES: Prefixes = [
  [2 ** 60, 'Ei'],
  [2 ** 50, 'Pi'],
  [2 ** 40, 'Ti'],
  [2 ** 30, 'Gi'],
  [2 ** 20, 'Mi'],
  [2 ** 10, 'Ki'],
  [1, ''],
];

function withPrefix(value: number, prefixes: Prefixes, unit: string): string {
  if (value === 0) return `0 ${unit}`;
  const size = Math.abs(value);
  // A value that rounds up to 1000 of a prefix reads better as 1 of the next: compare after rounding.
  const fits = prefixes.find(([factor]) => Number((size / factor).toPrecision(4)) >= 1) ?? prefixes.at(-1);
  const [factor, prefix] = fits as readonly [number, string];
  return `${digits(value / factor)} ${prefix}${unit}`;
}

/** Four significant digits; whole numbers that a `number` holds exactly keep all of theirs. */
function digits(value: number): string {
  if (Number.isSafeInteger(value)) return String(value);
  return String(Number(value.toPrecision(4)));
}

function unknownScale(scale: Scale): string {
  return scale.exponent !== 0 && typeof scale.base !== 'number' ? ` * ${scale.base ?? '?'}^${scale.exponent}` : '';
}
