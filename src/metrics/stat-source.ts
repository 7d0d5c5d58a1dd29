import type { Sample } from '../model/sample.ts';
import type { LabelSet } from '../protocol/openmetrics/labels.ts';
import type { ShownStat } from './selection.ts';

/** One object's values, and the labels that they have. */
export interface LabelledSample {
  readonly sample: Sample;
  readonly labels: LabelSet;
}

/** Objects of one target of one domain, measured by one provider. */
export interface ObjectGroup {
  /** Of what is summed over all of them. */
  readonly domainLabels: LabelSet;
  readonly objects: readonly LabelledSample[];
}

/** One stat of domains whose schemas say the same. */
export interface StatSource {
  readonly shown: ShownStat;
  readonly groups: readonly ObjectGroup[];
}
