/**
 * `virtstat/openmetrics`: the names that stats have among metrics, families of exact series, and their text in OpenMetrics 1.0 and
 * Prometheus's format 0.0.4.
 *
 * ```ts
 * import { familyOf, LabelSet, writeExposition } from 'virtstat/openmetrics';
 *
 * const head = familyOf({ provider: 'kvm', target: 'vcpu' }, { name: 'exits', type: 'cumulative', exponent: 0 });
 * const labels = new LabelSet([['domain', 'web']]);
 * const points = [{ labels, steps: 18446744073709551615n, scale: head.scale }];
 * for (const piece of writeExposition([{ ...head, type: 'counter', points }], 'openmetrics')) process.stdout.write(piece);
 * ```
 *
 * @packageDocumentation
 */

export { bucketBounds } from './model/histogram.ts';
export type { Schema, StatDescriptor, StatType, StatUnit, UnknownCode } from './model/stat.ts';
export {
  canonicalText,
  type DecimalScale,
  decimalNumber,
  decimalScaleOf,
  decimalText,
  NANO,
  UNSCALED,
} from './protocol/openmetrics/decimal.ts';
export type {
  FamilyHead,
  HistogramFamily,
  HistogramPoint,
  MetricFamily,
  NumberFamily,
  NumberPoint,
  NumberType,
} from './protocol/openmetrics/family.ts';
export { CONTENT_TYPES, type ExpositionFormat, negotiate } from './protocol/openmetrics/format.ts';
export { HistogramBounds, histogramBounds } from './protocol/openmetrics/histogram.ts';
export { escapeLabelValue, type Label, LabelSet, NO_LABELS } from './protocol/openmetrics/labels.ts';
export { type FamilyNaming, familyOf, labelName, sumOf } from './protocol/openmetrics/names.ts';
export { seriesName, writeExposition } from './protocol/openmetrics/writer.ts';
