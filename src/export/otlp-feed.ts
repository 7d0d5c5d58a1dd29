import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { collect, type MetricsReader } from '../metrics/collect.ts';
import { Pace } from '../metrics/pace.ts';
import type { Selection } from '../metrics/selection.ts';
import { OtlpWriter, type OtlpWriterOptions } from '../protocol/otlp/writer.ts';
import { type Feed, MAX_BATCH_SAMPLES } from './feed.ts';
import { DomainObjects } from './otlp-objects.ts';
import type { Batch } from './queue/record.ts';
import { shownSamples } from './shown-samples.ts';

/** What a feed of OTLP is made of. */
export interface OtlpFeedOptions extends OtlpWriterOptions {
  readonly reader: MetricsReader;
  readonly selection: Selection;
}

/** How much of what it costs is worth it: the texts repeat so often that more effort hardly gains. */
const GZIP_LEVEL = 1;

const compress = promisify(gzip);

/** Stats as requests of OTLP, compressed with gzip. */
export class OtlpFeed implements Feed {
  readonly #options: OtlpFeedOptions;
  readonly #writer: OtlpWriter;
  #domains: ReadonlyMap<string, DomainObjects> = new Map();

  constructor(options: OtlpFeedOptions) {
    this.#options = options;
    this.#writer = new OtlpWriter(options);
  }

  async *read(signal: AbortSignal): AsyncGenerator<Batch, void> {
    const { reader, selection } = this.#options;
    const values = await collect(reader, (schema) => selection.namesOf(schema), { signal });
    this.#domains = new Map(
      values.map((each) => [each.domain.id, this.#domains.get(each.domain.id) ?? new DomainObjects(each.domain)]),
    );
    const pace = new Pace();
    for (const each of values) {
      const objects = this.#domains.get(each.domain.id);
      const labels = objects?.labelsOf(each);
      for (const shown of shownSamples(each, selection)) {
        const object = labels && objects?.of(shown, labels);
        if (object !== undefined) this.#writer.add(shown.sample, shown, object);
        if (this.#writer.points >= MAX_BATCH_SAMPLES) yield await this.#take();
      }
      await pace.rest();
    }
    if (this.#writer.points > 0) yield await this.#take();
  }

  async #take(): Promise<Batch> {
    const samples = this.#writer.points;
    return { body: await compress(this.#writer.take(), { level: GZIP_LEVEL }), samples };
  }
}
