import type { StatDescriptor } from './stat.ts';

/** What the scale of a descriptor needs: the fields that say what one raw step is worth. */
export type Scale = Pick<StatDescriptor, 'unit' | 'base' | 'exponent'>;

/** How many raw steps make one unit: base^exponent; 1 where there is no scale, or one that this version cannot apply. */
export function factorOf(scale: Scale): number {
  return typeof scale.base === 'number' && scale.exponent !== 0 ? scale.base ** scale.exponent : 1;
}

/**
 * A raw number in the largest fitting human unit, rounded to four digits, but never to less than the unit: `9.122 s`,
 * `1.5 MiB`, `12.3 M/s`, `86401 s`. A `bigint` without unit and scale keeps all its digits. `suffix` follows the unit (`/s`
 * for rates). Where the scale is none that can be applied, it is written out: `7 * 10^400 seconds`.
 */
export function humanize(raw: number | bigint, scale: Scale, suffix = ''): string {
  const isPlain = scale.base === undefined && scale.exponent === 0;
  if (typeof raw === 'bigint' && scale.unit === undefined && isPlain) return `${raw}${suffix}`;
  const value = Number(raw) * factorOf(scale);
  if (!isApplicable(scale, raw, value)) return `${digits(Number(raw))} ${powerOf(scale)}${wordOf(scale)}${suffix}`;
  if (scale.unit === 'seconds') return withPrefix(value, SECONDS, `s${suffix}`);
  if (scale.unit === 'bytes') return withPrefix(value, BYTES, `B${suffix}`);
  const large = Math.abs(value) >= FIRST_PREFIXED && !(typeof raw === 'bigint' && isPlain);
  if (large) return `${withPrefix(value, PLAIN, '').trimEnd()}${wordOf(scale)}${suffix}`;
  return `${digits(value)}${wordOf(scale)}${suffix}`;
}

/** From here on four digits would round whole units away. */
const FIRST_ROUNDED = 10_000;

type Prefixes = readonly (readonly [factor: number, prefix: string])[];

/** Numbers without a prefix of their own, such as rates, get one from here on. */
const FIRST_PREFIXED = 10_000;

const SECONDS: Prefixes = [
  [1, ''],
  [1e-3, 'm'],
  [1e-6, 'u'],
  [1e-9, 'n'],
  [1e-12, 'p'],
  [1e-15, 'f'],
  [1e-18, 'a'],
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

const PLAIN: Prefixes = [
  [1e18, 'E'],
  [1e15, 'P'],
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
];

function withPrefix(value: number, prefixes: Prefixes, unit: string): string {
  if (value === 0) return `0 ${unit}`;
  const size = Math.abs(value);
  // A value that rounds up to 1000 of a prefix reads better as 1 of the next: compare after rounding.
  const fits = prefixes.find(([factor]) => Number((size / factor).toPrecision(4)) >= 1) ?? prefixes.at(-1);
  const [factor, prefix] = fits as readonly [number, string];
  return `${digits(value / factor)} ${prefix}${unit}`;
}

/** Four significant digits, or all before the point where these are more; a whole number keeps what a `number` holds. */
function digits(value: number): string {
  if (Number.isSafeInteger(value)) return String(value);
  if (Math.abs(value) >= FIRST_ROUNDED && Math.abs(value) <= Number.MAX_SAFE_INTEGER) return String(Math.round(value));
  return String(Number(value.toPrecision(4)));
}

/** False where base^exponent is unknown, or beyond what a `number` can say about this value. */
function isApplicable(scale: Scale, raw: number | bigint, value: number): boolean {
  if (scale.base === undefined) return scale.exponent === 0;
  return typeof scale.base === 'number' && Number.isFinite(value) && (value !== 0 || Number(raw) === 0);
}

function powerOf({ base, exponent }: Scale): string {
  return `* ${base ?? '?'}^${exponent}`;
}

function wordOf({ unit }: Scale): string {
  return unit === undefined ? '' : ` ${unit}`;
}
