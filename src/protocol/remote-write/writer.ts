import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { compress } from 'snappyjs';
import { decimalNumber } from '../openmetrics/decimal.ts';
import type { FamilyHead, HistogramPoint, MetricFamily, NumberPoint } from '../openmetrics/family.ts';
import type { Label } from '../openmetrics/labels.ts';
import { seriesName } from '../openmetrics/writer.ts';
import { MetricMetadata_MetricType, MetricMetadataSchema } from './remote_pb.ts';
import { type HistogramSeries, LE, type ObjectSeries, type Sent, SeriesBook } from './series-book.ts';

/** The value that says: this series has ended (remote write 1.0, stale markers). A NaN of this pattern, no other. */
export const STALE_NAN_BITS = 0x7ff0_0000_0000_0002n;

/** What was read longer ago, as of captured files, is nothing new; in milliseconds. */
export const MAX_SAMPLE_AGE_MS = 300_000;

/** How a request says what it is. */
export const REMOTE_WRITE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
};

/** The body of one request. */
export interface WriteRequestBody {
  /** Compressed (snappy's block format). */
  readonly body: Uint8Array;
  readonly samples: number;
}

/** What a writer adds, and how it cuts. */
export interface RemoteWriterOptions {
  /** Added to every series that has none of the same name; names begin with a lower-case letter. */
  readonly labels: readonly Label[];
  /** Most samples of one request; a histogram is not divided. */
  readonly maxSamples: number;
}

const TYPES: Readonly<Record<FamilyHead['type'], MetricMetadata_MetricType>> = {
  counter: MetricMetadata_MetricType.COUNTER,
  gauge: MetricMetadata_MetricType.GAUGE,
  histogram: MetricMetadata_MetricType.HISTOGRAM,
  info: MetricMetadata_MetricType.GAUGE,
  unknown: MetricMetadata_MetricType.UNKNOWN,
};

/**
 * Writes requests of Prometheus remote write 1.0 (WriteRequest): series with the names of the text formats, one sample each,
 * their labels in the order of names. Values are doubles there: above 2^53 the nearest one. A value that was not read anew is not
 * sent again, and a series that has no new value ends with a stale marker.
 */
export class RemoteWriter {
  readonly #maxSamples: number;
  readonly #book: SeriesBook;
  readonly #request = new BinaryWriter();
  readonly #described = new Set<string>();
  readonly #names = new Map<string, Uint8Array>();
  #samples = 0;
  #round = 0;

  constructor({ labels, maxSamples }: RemoteWriterOptions) {
    this.#maxSamples = maxSamples;
    this.#book = new SeriesBook(labels);
  }

  /**
   * The requests of one collection, each made when it is asked for; all must be asked for. `timeMs`, milliseconds since 1970, is
   * the time of what does not say when it was read, and of the series that end.
   */
  *write(families: Iterable<MetricFamily>, timeMs: number): Generator<WriteRequestBody, void> {
    this.#round++;
    for (const family of families) {
      this.#describe(family);
      if (family.type === 'histogram') {
        for (const point of family.points) {
          this.#addHistogram(family.name, point, timeMs);
          if (this.#samples >= this.#maxSamples) yield this.#take();
        }
      } else {
        const name = seriesName(family);
        for (const point of family.points) {
          this.#addNumber(name, point, timeMs);
          if (this.#samples >= this.#maxSamples) yield this.#take();
        }
      }
    }
    for (const ended of this.#book.takeEnded(this.#round)) {
      this.#addEnd(ended, timeMs);
      if (this.#samples >= this.#maxSamples) yield this.#take();
    }
    if (this.#samples > 0) yield this.#take();
  }

  #addNumber(name: string, { labels, steps, scale, collectedAtNs }: NumberPoint, nowMs: number): void {
    const object = this.#book.of(labels);
    const timeMs = this.#timeOf(object, name, collectedAtNs, nowMs);
    if (timeMs !== undefined) this.#addSample(object, name, undefined, decimalNumber(steps, scale), timeMs);
  }

  #addHistogram(
    name: string,
    { labels, bounds, counts, sum, sumScale, collectedAtNs }: HistogramPoint,
    nowMs: number,
  ): void {
    const object = this.#book.of(labels);
    const timeMs = this.#timeOf(object, name, collectedAtNs, nowMs, { les: bounds.le, hasSum: sum !== undefined });
    if (timeMs === undefined) return;
    let total = 0n;
    for (const [index, le] of bounds.le.entries()) {
      total += counts[index] ?? 0n;
      if (isSent(bounds.le, index)) this.#addSample(object, `${name}_bucket`, le, Number(total), timeMs);
    }
    this.#addSample(object, `${name}_count`, undefined, Number(total), timeMs);
    if (sum === undefined) return;
    this.#addSample(object, `${name}_sum`, undefined, decimalNumber(sum, sumScale ?? bounds.scale), timeMs);
  }

  /** A sample of that time would not be the last one of its series where the clock was set back: then nothing can be said. */
  #addEnd([object, name, { timeMs, histogram }]: readonly [ObjectSeries, string, Sent], nowMs: number): void {
    if (timeMs >= nowMs) return;
    if (histogram === undefined) {
      this.#addSample(object, name, undefined, STALE_NAN_BITS, nowMs);
      return;
    }
    for (const [index, le] of histogram.les.entries()) {
      if (isSent(histogram.les, index)) this.#addSample(object, `${name}_bucket`, le, STALE_NAN_BITS, nowMs);
    }
    this.#addSample(object, `${name}_count`, undefined, STALE_NAN_BITS, nowMs);
    if (histogram.hasSum) this.#addSample(object, `${name}_sum`, undefined, STALE_NAN_BITS, nowMs);
  }

  /** When the sample was read; undefined where that very one was sent before. */
  #timeOf(
    { sent }: ObjectSeries,
    name: string,
    collectedAtNs: bigint | undefined,
    nowMs: number,
    histogram?: HistogramSeries,
  ): number | undefined {
    const timeMs = collectedAtNs === undefined ? nowMs : Number(collectedAtNs / 1_000_000n);
    // One sample that is out of an engine's bounds has it refuse the whole request.
    if (nowMs - timeMs > MAX_SAMPLE_AGE_MS) return undefined;
    const round = this.#round;
    const last = sent.get(name);
    if (last?.timeMs === timeMs) {
      last.round = round;
      return undefined;
    }
    const now = { timeMs, round, sentRound: round, hasEnded: false, ...(histogram && { histogram }) };
    if (last === undefined) sent.set(name, now);
    else Object.assign(last, now);
    return timeMs;
  }

  #addSample(object: ObjectSeries, name: string, le: string | undefined, value: number | bigint, timeMs: number): void {
    const request = this.#request.tag(1, WireType.LengthDelimited).fork();
    request.raw(this.#nameLabel(name)).raw(object.before);
    if (le !== undefined) {
      request.tag(1, WireType.LengthDelimited).fork();
      request.tag(1, WireType.LengthDelimited).string(LE).tag(2, WireType.LengthDelimited).string(le).join();
    }
    request.raw(object.after).tag(2, WireType.LengthDelimited).fork().tag(1, WireType.Bit64);
    // The platform does not keep the bits of a NaN; a double and a fixed64 are alike on the wire.
    if (typeof value === 'bigint') request.fixed64(value);
    else request.double(value);
    request.tag(2, WireType.Varint).int64(timeMs).join().join();
    this.#samples++;
  }

  #nameLabel(name: string): Uint8Array {
    let label = this.#names.get(name);
    if (label === undefined) {
      const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string('__name__').tag(2, WireType.LengthDelimited).string(name).join();
      this.#names.set(name, (label = writer.finish()));
    }
    return label;
  }

  /** Type, help and unit travel once: engines that keep them do so by the family's name. */
  #describe({ name, type, help, unit }: MetricFamily): void {
    if (this.#described.has(name)) return;
    this.#described.add(name);
    const metricFamilyName = seriesName({ name, type });
    const metadata = create(MetricMetadataSchema, { type: TYPES[type], metricFamilyName, help, unit: unit ?? '' });
    this.#request.tag(3, WireType.LengthDelimited).bytes(toBinary(MetricMetadataSchema, metadata));
  }

  #take(): WriteRequestBody {
    const samples = this.#samples;
    this.#samples = 0;
    return { body: compress(this.#request.finish()), samples };
  }
}

/** As in the text formats: bounds that no double tells apart are one, and nothing is below zero. */
function isSent(les: readonly string[], index: number): boolean {
  const le = les[index] ?? '';
  return le !== les[index + 1] && !le.startsWith('-');
}
