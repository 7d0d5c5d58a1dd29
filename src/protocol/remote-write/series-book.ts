import { create, toBinary } from '@bufbuild/protobuf';
import type { Label, LabelSet } from '../openmetrics/labels.ts';
import { TimeSeriesSchema } from './remote_pb.ts';

/** The label that divides histograms into series. */
export const LE = 'le';

/** Into which series a histogram is divided. */
export interface HistogramSeries {
  /** Values of `le` of its buckets. */
  readonly les: readonly string[];
  readonly hasSum: boolean;
}

/** What was last sent of one series, or of all those of a histogram. */
export interface Sent {
  /** Its timestamp, in milliseconds since 1970. */
  timeMs: number;
  /** Number of the last collection that had a value for it, a new one or not. */
  round: number;
  /** Number of the collection whose value it was. */
  sentRound: number;
  /** True once its end was told. */
  hasEnded: boolean;
  /** The series that a histogram is; absent for a number. */
  histogram?: HistogramSeries;
}

/** The series with one set of labels. */
export interface ObjectSeries {
  /** Labels whose names sort before `le`, encoded. */
  readonly before: Uint8Array;
  /** Labels whose names sort behind it, encoded. */
  readonly after: Uint8Array;
  /** By the name of the series; of a histogram by the family's. */
  readonly sent: Map<string, Sent>;
}

/** Which series there are, so that an engine can be told of those that end. */
export class SeriesBook {
  readonly #labels: readonly Label[];
  readonly #objects = new Map<string, ObjectSeries>();

  /** `labels` are added to every series that has none of the same name. */
  constructor(labels: readonly Label[]) {
    this.#labels = labels;
  }

  /** The series of these labels. */
  of(labels: LabelSet): ObjectSeries {
    const key = labels.text;
    let object = this.#objects.get(key);
    if (object === undefined) {
      const all = new Map([...this.#labels, ...labels.pairs]);
      // An empty label is none; engines want names in order, and half a surrogate pair has no bytes.
      const sorted = [...all].filter(([, value]) => value !== '').sort(([a], [b]) => (a < b ? -1 : 1));
      object = {
        before: encoded(sorted.filter(([name]) => name < LE)),
        after: encoded(sorted.filter(([name]) => name > LE)),
        sent: new Map(),
      };
      this.#objects.set(key, object);
    }
    return object;
  }

  /** Those of which no value was sent in this round, once; what has no value at all is forgotten. */
  *takeEnded(round: number): Generator<readonly [ObjectSeries, name: string, Sent], void> {
    for (const [key, object] of this.#objects) {
      for (const [name, sent] of object.sent) {
        if (sent.sentRound === round) continue;
        if (sent.round !== round) object.sent.delete(name);
        if (!sent.hasEnded) yield [object, name, sent];
        sent.hasEnded = true;
      }
      if (object.sent.size === 0) this.#objects.delete(key);
    }
  }
}

function encoded(labels: readonly Label[]): Uint8Array {
  const wellFormed = labels.map(([name, value]) => ({ name, value: value.toWellFormed() }));
  return toBinary(TimeSeriesSchema, create(TimeSeriesSchema, { labels: wellFormed }));
}
