import type { MetricsReading } from '../../metrics/view.ts';

/** A reading, and how long it took. */
export interface TimedReading {
  readonly reading: MetricsReading;
  /** In nanoseconds. */
  readonly durationNs: bigint;
}

/** Readings of views, so that scrapers of the same moment who may read the same share one. */
export class SharedReadings {
  readonly #maxAgeMs: number;
  readonly #shared = new Map<string, { readonly patienceMs: number; readonly timed: Promise<TimedReading> }>();

  constructor(maxAgeMs: number) {
    this.#maxAgeMs = maxAgeMs;
  }

  /**
   * What `read` gives, or gave to somebody else for the same key no longer ago than the bound, who waited at least as long for it: of
   * one who hardly waits, others would have nothing. @throws what it throws
   */
  get(key: string, patienceMs: number, read: () => Promise<MetricsReading>): Promise<TimedReading> {
    const known = this.#shared.get(key);
    if (known !== undefined && known.patienceMs >= patienceMs) return known.timed;
    const timed = timedReading(read);
    this.#shared.set(key, { patienceMs, timed });
    const forget = (): void => void (this.#shared.get(key)?.timed === timed && this.#shared.delete(key));
    timed.then(() => setTimeout(forget, this.#maxAgeMs).unref(), forget);
    return timed;
  }
}

async function timedReading(read: () => Promise<MetricsReading>): Promise<TimedReading> {
  const startNs = process.hrtime.bigint();
  const reading = await read();
  return { reading, durationNs: process.hrtime.bigint() - startNs };
}
