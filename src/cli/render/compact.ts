/**
 * Numbers for narrow columns, at most six characters where they are not astronomical: three digits, and a prefix without a
 * blank. Where every digit counts, `scaled.ts` is the one to take.
 */

const DECIMAL: Prefixes = { step: 1000, names: ['', 'k', 'M', 'G', 'T', 'P', 'E'] };
const BINARY: Prefixes = { step: 1024, names: ['B', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] };

/** What is smaller reads as this. */
const LEAST = 0.01;

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Times below a second, with what makes a second of each. */
const FRACTIONS: readonly (readonly [name: string, perSecond: number])[] = [
  ['s', 1],
  ['ms', 1e3],
  ['us', 1e6],
  ['ns', 1e9],
];

interface Prefixes {
  readonly step: number;
  readonly names: readonly string[];
}

/** A plain number: `7`, `0.12`, `7.74k`, `12.3M`. */
export function compact(value: number): string {
  return prefixed(value, DECIMAL);
}

/** Bytes: `512B`, `1.5Mi`. */
export function compactBytes(value: number): string {
  return prefixed(value, BINARY);
}

/** A share of one in percent: `0.0`, `103.2`, `1234`. */
export function compactPercent(share: number): string {
  const percent = share * 100;
  return percent >= 999.95 ? String(Math.round(percent)) : percent.toFixed(1);
}

/** A time in seconds: `45.6ms`, `12.3s`, `3m05s`, `2h10m`, `5d03h`. */
export function compactSeconds(seconds: number): string {
  if (seconds === 0) return '0s';
  const whole = Math.round(seconds);
  if (whole >= DAY) return `${Math.floor(whole / DAY)}d${two((whole % DAY) / HOUR)}h`;
  if (whole >= HOUR) return `${Math.floor(whole / HOUR)}h${two((whole % HOUR) / MINUTE)}m`;
  if (whole >= MINUTE) return `${Math.floor(whole / MINUTE)}m${two(whole % MINUTE)}s`;
  // A value that rounds up to 1000 of one reads better as 1 of the next: compare after rounding.
  const fits = FRACTIONS.find(([, perSecond]) => threeDigits(seconds * perSecond) >= 1) ?? FRACTIONS.at(-1);
  const [name, perSecond] = fits as readonly [string, number];
  return `${threeDigits(seconds * perSecond)}${name}`;
}

/** How old something is: in tenths of a second below ten. */
export function compactAge(seconds: number): string {
  return seconds < 9.95 ? `${Math.max(0, seconds).toFixed(1)}s` : compactSeconds(Math.round(seconds));
}

function prefixed(value: number, { step, names }: Prefixes): string {
  const size = Math.abs(value);
  if (size > 0 && size < LEAST) return `${value < 0 ? '-' : ''}<${LEAST}${names[0]}`;
  let index = 0;
  // Three digits cannot say 1000 to 1023 of a binary prefix otherwise than whole.
  const rounded = (): number => threeDigits(size / step ** index);
  while (rounded() >= step && index < names.length - 1) index++;
  return `${value < 0 ? '-' : ''}${rounded()}${names[index]}`;
}

/** Rounded to three digits, or to a whole number where that has more. */
function threeDigits(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

function two(value: number): string {
  return String(Math.floor(value)).padStart(2, '0');
}
