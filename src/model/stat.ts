/**
 * What a statistic is, apart from what its value is now. The concepts are those of the kernel's binary statistics and of
 * QEMU's `query-stats-schemas` (qapi/stats.json): measured value = raw value × base^exponent, in `unit`.
 */

/** A code of the kernel's format that this version gives no name to, kept as it came: `unknown-7`. */
export type UnknownCode = `unknown-${number}`;

/**
 * How a value comes about. Open: a type that is not in this list passes through untouched. The kernel and `query-stats` have
 * all but `histogram`, whose boundaries are a stat of their own.
 */
export type StatType =
  | 'cumulative'
  | 'instant'
  | 'peak'
  | 'linear-histogram'
  | 'log2-histogram'
  | 'histogram'
  | (string & Record<never, never>);

/** What a value is measured in. Open, like {@link StatType}; a plain number has no unit at all. */
export type StatUnit = 'bytes' | 'seconds' | 'cycles' | 'boolean' | (string & Record<never, never>);

/**
 * One statistic, described. For histograms `unit`, `base` and `exponent` scale the bounds of the buckets; the values are
 * counts.
 */
export interface StatDescriptor {
  /** Opaque, and not a stable interface of the kernel: never matched against in this code base. */
  readonly name: string;
  readonly type: StatType;
  /** Absent: a plain number. */
  readonly unit?: StatUnit;
  /** 10 or 2 where `exponent` is not 0, else absent; an unknown code of the kernel stays as {@link UnknownCode}. */
  readonly base?: number | UnknownCode;
  /** Signed, 16 bits. */
  readonly exponent: number;
  /** Width of one bucket of a linear histogram in scaled units, unsigned 32 bits; absent for every other type. */
  readonly bucketSize?: number;
  /** How many values the statistic has; absent where the source does not say (QMP). */
  readonly size?: number;
}

/** What one provider measures about one target, in the kernel's order of descriptors. */
export interface Schema {
  readonly provider: string;
  readonly target: string;
  readonly stats: readonly StatDescriptor[];
}

/** True for a word that stands for a code without a name: {@link UnknownCode}. */
export function isUnknownCode(word: string | number | undefined): word is UnknownCode {
  return typeof word === 'string' && /^unknown-\d+$/.test(word);
}

/** True where the values are counts by bucket. */
export function isHistogram(stat: Pick<StatDescriptor, 'type'>): boolean {
  return stat.type === 'linear-histogram' || stat.type === 'log2-histogram' || stat.type === 'histogram';
}

/** True where a value only grows while the domain lives, so that differences and rates mean something. */
export function isMonotonic(stat: Pick<StatDescriptor, 'type'>): boolean {
  return stat.type === 'cumulative' || isHistogram(stat);
}
