import { OWN_PROVIDERS } from '../../model/own-providers.ts';
import { isHistogram, isUnknownCode, type Schema, type StatDescriptor } from '../../model/stat.ts';
import { type DecimalScale, decimalScaleOf, UNSCALED } from './decimal.ts';
import type { FamilyHead } from './family.ts';

/**
 * The name of a stat among metrics, from its schema alone:
 *
 * ```
 * [virtstat_] PROVIDER _ [TARGET _] STAT [_hist] [_UNIT]
 * ```
 *
 * | part | is |
 * | --- | --- |
 * | `virtstat_` | there where virtstat's own provider measures: `block` or `process` alone would be anybody's |
 * | TARGET | left out where it is the provider's own name |
 * | STAT | without the unit at its end (`_ns`, `_bytes`, …), where the schema says that unit, and without `_hist`, `_histogram` |
 * | `_hist` | there for histograms: `halt_wait_hist` stands beside the counter `halt_wait_ns`, and each keeps a name |
 * | UNIT | the schema's, values being scaled to it; a boolean has none, and counts 0 or 1 |
 *
 * Series have OpenMetrics' suffixes behind it: `_total` of what is cumulative, `_bucket`, `_count` and `_sum` of histograms. Letters
 * are lower case; what is neither letter nor digit is `_`. Another name that ends like one of those suffixes gets `_value` behind it.
 */
export interface FamilyNaming extends FamilyHead {
  /** What a raw number is worth in `unit`. */
  readonly scale: DecimalScale;
}

/** Family, type, unit, help and scale of a stat; see {@link FamilyNaming}. */
export function familyOf(
  { provider, target }: Pick<Schema, 'provider' | 'target'>,
  stat: StatDescriptor,
): FamilyNaming {
  const scale = decimalScaleOf(stat);
  const unit = scale && unitOf(stat);
  const type = typeOf(stat);
  const name = [
    OWN_PROVIDERS.has(provider) ? 'virtstat' : '',
    snakeCase(provider),
    target === provider ? '' : snakeCase(target),
    stemOf(stat),
    type === 'histogram' ? 'hist' : '',
    unit ?? '',
  ]
    .filter((part) => part !== '')
    .join('_');
  return {
    name: withoutSuffix(/^[a-z]/.test(name) ? name : `virtstat_${name}`, type),
    type,
    ...(unit !== undefined && { unit }),
    help: `${stat.name} of target ${target}, measured by provider ${provider}: ${stat.type}${scaleText(stat)}`,
    scale: scale ?? UNSCALED,
  };
}

/**
 * The stat that adds up what a histogram counts, among those of the same schema: a cumulative one in the same steps whose name, unit
 * aside, is the histogram's. Undefined where there is none.
 */
export function sumOf(histogram: StatDescriptor, stats: readonly StatDescriptor[]): StatDescriptor | undefined {
  const stem = stemOf(histogram);
  return stats.find(
    (stat) =>
      stat.type === 'cumulative' &&
      stat.unit === histogram.unit &&
      stat.base === histogram.base &&
      stat.exponent === histogram.exponent &&
      stemOf(stat) === stem,
  );
}

/** The name of a label: letters, digits and `_`; none of those that the formats keep for themselves. */
export function labelName(word: string): string {
  const name = snakeCase(word);
  return /^[a-z]/.test(name) && !RESERVED_LABELS.has(name) ? name : `label_${name}`;
}

const RESERVED_LABELS: ReadonlySet<string> = new Set(['le', 'quantile']);

/** Words at the end of a stat's name that say the schema's unit once more. */
const UNIT_WORDS: Readonly<Record<string, readonly string[]>> = {
  seconds: ['ns', 'us', 'ms', 's', 'nsec', 'usec', 'msec', 'sec', 'secs', 'second', 'seconds'],
  bytes: ['b', 'kb', 'mb', 'gb', 'kib', 'mib', 'gib', 'byte', 'bytes'],
  cycles: ['cycle', 'cycles'],
};

/** What the formats put behind names: a family that is none of theirs must not end so. */
const SUFFIX = /_(total|bucket|count|sum|created|info)$/;

function typeOf(stat: StatDescriptor): FamilyHead['type'] {
  if (isHistogram(stat)) return 'histogram';
  if (stat.type === 'cumulative') return 'counter';
  return stat.type === 'instant' || stat.type === 'peak' ? 'gauge' : 'unknown';
}

/** Undefined for plain numbers, booleans and units that have no name. */
function unitOf({ unit }: StatDescriptor): string | undefined {
  if (unit === undefined || unit === 'boolean' || isUnknownCode(unit)) return undefined;
  return snakeCase(unit) || undefined;
}

/** The name without what is said elsewhere: that it is a histogram, and its unit. */
function stemOf(stat: StatDescriptor): string {
  const words = snakeCase(stat.name).split('_');
  if (isHistogram(stat) && /^hist(ogram)?$/.test(words.at(-1) ?? '')) words.pop();
  const unit = decimalScaleOf(stat) && unitOf(stat);
  if (unit !== undefined && isWordOf(unit, words.at(-1) ?? '')) words.pop();
  return words.join('_');
}

function isWordOf(unit: string, word: string): boolean {
  return word === unit || (UNIT_WORDS[unit]?.includes(word) ?? false);
}

function withoutSuffix(name: string, type: FamilyHead['type']): string {
  if (type === 'counter') return name.replace(/_total$/, '');
  return SUFFIX.test(name) ? `${name}_value` : name;
}

/** `halt-pollNs` as metrics have words: `halt_poll_ns`. */
function snakeCase(words: string): string {
  return words
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_|_$/g, '');
}

/** The schema's unit and scale, as far as the name does not tell them. */
function scaleText(stat: StatDescriptor): string {
  const { unit, base, exponent } = stat;
  const word = unit === undefined ? '' : ` ${unit}`;
  if (exponent === 0) return unit === undefined ? '' : `,${word}`;
  const isScaled = decimalScaleOf(stat) !== undefined;
  return isScaled ? `, in steps of ${base}^${exponent}${word}` : `, raw: in steps of ${base ?? '?'}^${exponent}${word}`;
}
