import type { DomainStatsRecord } from './domain-stats.ts';
import type { TypedParameter } from './typed-parameter.ts';

/** Digits behind the point of a double, as C's `%f` prints them. */
const DECIMALS = 6;

/** From here on a double has no digits behind the point, and the platform would write an exponent. */
const MAX_FIXED = 1e21;

/** Twice this times a double is whole exactly where the double may lie in the middle between two texts. */
const MIDDLES = 128;

/**
 * Exactly the text of `virsh domstats`: for each record a line with the name of the domain and a line `  FIELD=VALUE` for each
 * parameter, an empty line between records, and virsh's own empty line behind everything.
 */
export function formatDomStats(records: readonly DomainStatsRecord[]): string {
  return `${records.map(recordText).join('\n')}\n`;
}

function recordText({ domain, params }: DomainStatsRecord): string {
  return `Domain: '${domain.name}'\n${params.map((param) => `  ${param.field}=${valueText(param)}\n`).join('')}`;
}

function valueText({ type, value }: TypedParameter): string {
  if (type === 'boolean') return value ? 'yes' : 'no';
  return type === 'double' ? doubleText(value) : `${value}`;
}

/** `%f`: six decimals, all digits before the point, and of two texts that are equally near the even one. */
function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  if (Math.abs(value) >= MAX_FIXED) return `${BigInt(value)}.${'0'.repeat(DECIMALS)}`;
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const size = Math.abs(value);
  const exact = size.toFixed(DECIMALS + 1);
  const isMiddle = Number.isInteger(size * MIDDLES) && exact.endsWith('5');
  const lower = exact.slice(0, -1);
  return sign + (isMiddle && Number(lower.at(-1)) % 2 === 0 ? lower : size.toFixed(DECIMALS));
}
