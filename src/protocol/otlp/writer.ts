import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { boundariesOf, totalCount } from '../../model/histogram.ts';
import type { Sample, StatEntry } from '../../model/sample.ts';
import { isHistogram, type StatDescriptor } from '../../model/stat.ts';
import { U64_MAX } from '../../model/u64.ts';
import { type KeyValue, KeyValueSchema } from './common_pb.ts';
import { explicitBounds, exponentialBuckets, type HistogramForm } from './histograms.ts';
import {
  AggregationTemporality,
  ExponentialHistogramDataPointSchema,
  HistogramDataPointSchema,
  MetricSchema,
  NumberDataPointSchema,
  ResourceMetricsSchema,
  ScopeMetricsSchema,
} from './metrics_pb.ts';
import { metricName, NAMESPACE } from './names.ts';
import { otlpUnitOf } from './units.ts';

/** Texts by name. */
export type Attributes = readonly (readonly [name: string, value: string])[];

/** The largest integer that `as_int` holds. */
export const MAX_INT: bigint = 2n ** 63n - 1n;

/** What points are about, in the form in which it is sent. */
export class OtlpObject {
  /** When the counters of the object were 0, in nanoseconds since 1970; absent: not known. */
  readonly startNs: bigint | undefined;
  readonly attributes: readonly KeyValue[];
  /** The attributes of a point of numbers, encoded. */
  readonly ofNumber: Uint8Array;

  constructor(attributes: Attributes, startNs?: bigint) {
    this.startNs = startNs;
    this.attributes = attributes.map(([key, value]) => keyValue(key, value));
    this.ofNumber = toBinary(
      NumberDataPointSchema,
      create(NumberDataPointSchema, { attributes: [...this.attributes] }),
    );
  }
}

/** What of a sample is sent, by names of its stats. */
export interface SentStats {
  readonly descriptors: ReadonlyMap<string, StatDescriptor>;
  /** Of histograms: the name of the stat of the sample, in the same steps, that adds up what each counts; absent: none is known. */
  readonly sums?: ReadonlyMap<string, string>;
}

/** What a writer puts around all points. */
export interface OtlpWriterOptions {
  /** Who says all this. */
  readonly resource: Attributes;
  /** Of virtstat. */
  readonly version: string;
  readonly histograms: HistogramForm;
}

/** What became of a value. */
type Kind = 'sum' | 'gauge' | 'histogram' | 'exponentialHistogram';

/** Field numbers of Metric's oneof `data`. */
const DATA_FIELDS: Readonly<Record<Kind, number>> = { gauge: 5, sum: 7, histogram: 9, exponentialHistogram: 10 };

/** What a sample says of a histogram beside its counts. */
interface Beside {
  readonly boundaries: readonly bigint[] | undefined;
  readonly sum: bigint | undefined;
}

/** Values of one stat of all objects. */
interface Stream {
  readonly kind: Kind;
  readonly factor: number;
  /** Name, description and unit, encoded. */
  readonly header: Uint8Array;
  readonly points: BinaryWriter;
  isEmpty: boolean;
}

/** What a point of each kind ends with: cumulative, and for sums that they only grow. */
const TAILS: Readonly<Record<Kind, Uint8Array>> = {
  gauge: new Uint8Array(),
  sum: new BinaryWriter()
    .uint32(2 << 3)
    .int32(AggregationTemporality.CUMULATIVE)
    .uint32(3 << 3)
    .bool(true)
    .finish(),
  histogram: new BinaryWriter()
    .uint32(2 << 3)
    .int32(AggregationTemporality.CUMULATIVE)
    .finish(),
  exponentialHistogram: new BinaryWriter()
    .uint32(2 << 3)
    .int32(AggregationTemporality.CUMULATIVE)
    .finish(),
};

/**
 * Writes requests of OTLP (ExportMetricsServiceRequest): a sum that only grows for each cumulative stat, a histogram for each
 * histogram, a gauge for everything else. Integers stay integers, but those above 2^63-1, for which `as_int` has no room: they go
 * as the nearest double. A value that is no number is left out, as are the boundaries of histograms, which are in the histograms.
 */
export class OtlpWriter {
  readonly #histograms: HistogramForm;
  readonly #resource: Uint8Array;
  readonly #scope: Uint8Array;
  readonly #streams = new Map<string, Stream>();
  readonly #names = new Map<string, string>();
  readonly #byDescriptor = new WeakMap<StatDescriptor, Stream>();
  #points = 0;

  constructor({ resource, version, histograms }: OtlpWriterOptions) {
    this.#histograms = histograms;
    const attributes = resource.map(([key, value]) => keyValue(key, value));
    this.#resource = toBinary(ResourceMetricsSchema, create(ResourceMetricsSchema, { resource: { attributes } }));
    this.#scope = toBinary(ScopeMetricsSchema, create(ScopeMetricsSchema, { scope: { name: NAMESPACE, version } }));
  }

  /** How many points the request has so far. */
  get points(): number {
    return this.#points;
  }

  /** Adds every value of a sample that has a descriptor. */
  add(sample: Sample, { descriptors, sums }: SentStats, object: OtlpObject): void {
    for (const entry of sample.stats) {
      const descriptor = descriptors.get(entry.name);
      if (descriptor !== undefined) this.#addEntry(sample, entry, descriptor, object, sums?.get(entry.name));
    }
  }

  /** The request with all that was added, and begins the next one. */
  take(): Uint8Array {
    const request = new BinaryWriter();
    request.tag(1, WireType.LengthDelimited).fork().raw(this.#resource);
    request.tag(2, WireType.LengthDelimited).fork().raw(this.#scope);
    for (const stream of this.#streams.values()) {
      if (stream.isEmpty) continue;
      request.tag(2, WireType.LengthDelimited).fork().raw(stream.header);
      request.tag(DATA_FIELDS[stream.kind], WireType.LengthDelimited).fork();
      request.raw(stream.points.finish()).raw(TAILS[stream.kind]).join().join();
      stream.isEmpty = true;
    }
    this.#points = 0;
    return request.join().join().finish();
  }

  #addEntry(
    sample: Sample,
    { name, value }: StatEntry,
    descriptor: StatDescriptor,
    object: OtlpObject,
    sumName: string | undefined,
  ): void {
    if (typeof value !== 'object') {
      const stream = this.#streamOf(sample, descriptor);
      if (stream.kind === 'sum' || stream.kind === 'gauge') {
        this.#writeNumber(stream, BigInt(value), sample.collectedAtNs, object);
      }
      return;
    }
    if (!isHistogram(descriptor)) return;
    const beside = { boundaries: boundariesOf(name, sample.stats), sum: integerIn(sample, sumName) };
    const point = this.#histogramPoint(sample, descriptor, value, beside, object);
    if (point !== undefined) this.#written(this.#streamOf(sample, descriptor)).bytes(point);
  }

  #writeNumber(stream: Stream, value: bigint, timeNs: bigint, { ofNumber, startNs }: OtlpObject): void {
    const start = stream.kind === 'sum' ? startNs : undefined;
    const writer = this.#written(stream);
    // Two or three fields of eight bytes, each behind its tag.
    writer.uint32(ofNumber.length + (start === undefined ? 18 : 27)).raw(ofNumber);
    if (start !== undefined) writer.tag(2, WireType.Bit64).fixed64(start);
    writer.tag(3, WireType.Bit64).fixed64(timeNs);
    if (stream.factor !== 1 || value > MAX_INT) {
      writer.tag(4, WireType.Bit64).double(Number(value) * stream.factor);
    } else writer.tag(6, WireType.Bit64).sfixed64(value);
  }

  #histogramPoint(
    sample: Sample,
    descriptor: StatDescriptor,
    counts: readonly bigint[],
    { boundaries, sum }: Beside,
    { attributes, startNs }: OtlpObject,
  ): Uint8Array | undefined {
    const count = totalCount(counts);
    if (count > U64_MAX) return undefined;
    const { factor } = otlpUnitOf(descriptor);
    const common = {
      attributes: [...attributes],
      timeUnixNano: sample.collectedAtNs,
      count,
      // The kernel adds to both in turn; where nothing was counted there is nothing to add up.
      ...(sum !== undefined && { sum: count === 0n ? 0 : Number(sum) * factor }),
      ...(startNs !== undefined && { startTimeUnixNano: startNs }),
    };
    if (kindOf(descriptor, this.#histograms) === 'exponentialHistogram') {
      const { zeroCount, offset, counts: bucketCounts } = exponentialBuckets(counts);
      return toBinary(
        ExponentialHistogramDataPointSchema,
        create(ExponentialHistogramDataPointSchema, {
          ...common,
          scale: 0,
          zeroCount,
          positive: { offset, bucketCounts: [...bucketCounts] },
        }),
      );
    }
    const bounds = explicitBounds(descriptor, counts.length, boundaries);
    if (bounds === undefined) return undefined;
    return toBinary(
      HistogramDataPointSchema,
      create(HistogramDataPointSchema, {
        ...common,
        bucketCounts: [...counts],
        explicitBounds: bounds.map((bound) => bound * factor),
      }),
    );
  }

  /** The writer of a stream, behind the tag of one more point. */
  #written(stream: Stream): BinaryWriter {
    stream.isEmpty = false;
    this.#points++;
    return stream.points.tag(1, WireType.LengthDelimited);
  }

  #streamOf({ provider, target }: Sample, descriptor: StatDescriptor): Stream {
    const known = this.#byDescriptor.get(descriptor);
    if (known !== undefined) return known;
    const { unit, factor } = otlpUnitOf(descriptor);
    const kind = kindOf(descriptor, this.#histograms);
    const name = this.#uniqueName(metricName(provider, target, descriptor), `${provider} ${target} ${descriptor.name}`);
    const key = JSON.stringify([name, kind, unit, factor]);
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      const description = `${descriptor.name} of target ${target}, as provider ${provider} measures it`;
      const header = toBinary(MetricSchema, create(MetricSchema, { name, description, unit }));
      stream = { kind, factor, header, points: new BinaryWriter(), isEmpty: true };
      this.#streams.set(key, stream);
    }
    this.#byDescriptor.set(descriptor, stream);
    return stream;
  }

  /** Names of two stats may differ only in what a name of a metric cannot have; upper and lower case are the same to OpenTelemetry. */
  #uniqueName(wanted: string, stat: string): string {
    for (let name = wanted, nth = 2; ; name = `${wanted}_${nth++}`) {
      const owner = this.#names.get(name.toLowerCase());
      if (owner === undefined) this.#names.set(name.toLowerCase(), stat);
      if (owner === undefined || owner === stat) return name;
    }
  }
}

function integerIn({ stats }: Sample, name: string | undefined): bigint | undefined {
  const value = name === undefined ? undefined : stats.find((entry) => entry.name === name)?.value;
  return typeof value === 'bigint' ? value : undefined;
}

function kindOf(descriptor: StatDescriptor, histograms: HistogramForm): Kind {
  if (descriptor.type === 'log2-histogram' && histograms === 'exponential' && otlpUnitOf(descriptor).factor === 1) {
    return 'exponentialHistogram';
  }
  if (isHistogram(descriptor)) return 'histogram';
  return descriptor.type === 'cumulative' ? 'sum' : 'gauge';
}

function keyValue(key: string, value: string): KeyValue {
  // Half of a surrogate pair has no bytes.
  return create(KeyValueSchema, { key, value: { value: { case: 'stringValue', value: value.toWellFormed() } } });
}
