import { nowNs } from '../host/clock.ts';
import type { MetricsReader } from '../metrics/collect.ts';
import { Pace } from '../metrics/pace.ts';
import type { MetricsView } from '../metrics/view.ts';
import type { MetricFamily } from '../protocol/openmetrics/family.ts';
import type { Label } from '../protocol/openmetrics/labels.ts';
import { RemoteWriter } from '../protocol/remote-write/writer.ts';
import { type Feed, MAX_BATCH_SAMPLES } from './feed.ts';
import type { Batch } from './queue/record.ts';

/** What a feed of remote write is made of. */
export interface RemoteWriteFeedOptions {
  readonly view: MetricsView;
  readonly reader: MetricsReader;
  /** Added to every series: who says this. */
  readonly labels: readonly Label[];
  /** What virtstat says of itself. */
  readonly own: () => readonly MetricFamily[];
}

/** The families of a view as requests of remote write. */
export class RemoteWriteFeed implements Feed {
  readonly #options: RemoteWriteFeedOptions;
  readonly #writer: RemoteWriter;

  constructor(options: RemoteWriteFeedOptions) {
    this.#options = options;
    this.#writer = new RemoteWriter({ labels: options.labels, maxSamples: MAX_BATCH_SAMPLES });
  }

  async *read(signal: AbortSignal): AsyncGenerator<Batch, void> {
    const { view, reader, own } = this.#options;
    const { families } = await view.read(reader, { signal });
    const pace = new Pace();
    for (const batch of this.#writer.write([...families, ...own()], Number(nowNs() / 1_000_000n))) {
      yield batch;
      await pace.rest();
    }
  }
}
