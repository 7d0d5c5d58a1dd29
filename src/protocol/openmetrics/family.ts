import type { DecimalScale } from './decimal.ts';
import type { HistogramBounds } from './histogram.ts';
import type { LabelSet } from './labels.ts';

/** What a family's values are; `info` has the value 1, and says all in its labels. */
export type NumberType = 'counter' | 'gauge' | 'info' | 'unknown';

/** What all series of a family share. */
export interface FamilyHead {
  /**
   * OpenMetrics' name of the family, which is its series' without `_total`, `_info`, `_bucket`, `_count` and `_sum`. Ends in the unit
   * where there is one.
   */
  readonly name: string;
  readonly type: NumberType | 'histogram';
  /** `seconds`, `bytes`, …; absent where values are plain numbers. */
  readonly unit?: string;
  /** One sentence for people. */
  readonly help: string;
}

/** A number in a family, exact: `steps` of this scale. */
export interface NumberPoint {
  readonly labels: LabelSet;
  readonly steps: bigint;
  readonly scale: DecimalScale;
  /** When it was read, in nanoseconds since 1970, UTC; absent: now. */
  readonly collectedAtNs?: bigint;
}

/** A histogram in a family. */
export interface HistogramPoint {
  readonly labels: LabelSet;
  readonly bounds: HistogramBounds;
  /** How many values each bucket has counted, the smallest first; one more than there are bounds, and not added up. */
  readonly counts: readonly bigint[];
  /** What all values add up to, in steps of `sumScale`; absent where nobody adds them up. */
  readonly sum?: bigint;
  readonly sumScale?: DecimalScale;
  /** See {@link NumberPoint.collectedAtNs}. */
  readonly collectedAtNs?: bigint;
}

/** Numbers of one name. */
export interface NumberFamily extends FamilyHead {
  readonly type: NumberType;
  /** Made while they are gone through; may be gone through once. */
  readonly points: Iterable<NumberPoint>;
}

/** Histograms of one name. */
export interface HistogramFamily extends FamilyHead {
  readonly type: 'histogram';
  /** See {@link NumberFamily.points}. */
  readonly points: Iterable<HistogramPoint>;
}

/** Series of one name, type, unit and help, which tell themselves apart by their labels. */
export type MetricFamily = NumberFamily | HistogramFamily;
