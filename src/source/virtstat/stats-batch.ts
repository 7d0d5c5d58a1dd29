import { whileWanted } from '../../host/deadline.ts';
import type { VirtstatError } from '../../model/errors.ts';
import type { ProviderFilter, StatsFilter } from '../../model/filter.ts';
import type { CallOptions, StatsRequest } from '../../model/provider.ts';
import type { Sample } from '../../model/sample.ts';

/** What one call gives. */
export interface StatsAnswer {
  readonly samples: readonly Sample[];
  readonly errors: readonly VirtstatError[];
}

/** Asks for values with one call. */
export type AskStats = (filter: StatsFilter, options: CallOptions) => Promise<StatsAnswer>;

/** Questions that will leave together. */
interface Batch {
  readonly providers: ProviderFilter[];
  readonly answer: Promise<StatsAnswer>;
}

/**
 * Asks for the values of several providers of a domain with one call, where they are wanted in the same turn of the event loop:
 * calls on a connection are answered one after the other, so that of a domain that hangs each would wait for the one before.
 */
export class StatsBatch {
  readonly #what: string;
  readonly #ask: AskStats;
  readonly #open = new Map<string, Batch>();

  /** `what` is asked, as the subject of a sentence. */
  constructor(what: string, ask: AskStats) {
    this.#what = what;
    this.#ask = ask;
  }

  /** The samples of one provider. @throws what asking raises; the domain's error where the provider has none */
  async get(
    provider: string,
    { target, names, paths }: StatsRequest,
    options: CallOptions,
  ): Promise<readonly Sample[]> {
    const entry = { provider, ...(names && { names }) };
    const batch = this.#join(JSON.stringify([target, paths]), entry, { target, ...(paths && { paths }) }, options);
    const { samples, errors } = await whileWanted(batch.answer, options.signal, this.#what);
    const own = samples.filter((sample) => sample.provider === provider);
    if (own.length === 0 && errors[0] !== undefined) throw errors[0];
    return own;
  }

  #join(key: string, entry: ProviderFilter, filter: StatsFilter, options: CallOptions): Batch {
    const open = this.#open.get(key);
    // The answer would not tell two entries of one provider apart.
    if (open !== undefined && !open.providers.some(({ provider }) => provider === entry.provider)) {
      open.providers.push(entry);
      return open;
    }
    const providers = [entry];
    const answer = new Promise<StatsAnswer>((resolve, reject) => {
      setImmediate(() => {
        if (this.#open.get(key)?.providers === providers) this.#open.delete(key);
        this.#ask({ ...filter, providers }, options).then(resolve, reject);
      });
    });
    const batch = { providers, answer };
    this.#open.set(key, batch);
    return batch;
  }
}
