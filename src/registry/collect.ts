import { type DeadlineOptions, whileWanted, withDeadline } from '../host/deadline.ts';
import { VirtstatError } from '../model/errors.ts';
import { entriesFor, isPathSelected, type StatsFilter, selectNames } from '../model/filter.ts';
import type { CallOptions, FoundDomain, Provider, SchemaOptions } from '../model/provider.ts';
import type { Reading, Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import type { DomainAnswer, SampleAnswer, SchemaAnswer } from './answer.ts';
import type { LastProviders } from './last-providers.ts';
import type { LastSchemas } from './last-schemas.ts';
import { orAfter } from './or-after.ts';
import { type About, PackedSample, sampleOf } from './packed-sample.ts';
import type { Question } from './question.ts';

/** What a collection of samples works with. */
export interface Collecting {
  /** Has the values to give for a provider that fails, and knows who is late. */
  readonly question: Question;
  readonly lastProviders: LastProviders;
  /** What bounds a question whose answer nobody waits for. */
  readonly limit: Pick<DeadlineOptions, 'signal' | 'timeoutMs'>;
}

/**
 * Asks the providers that the filter selects, all at once; what one raises becomes an error beside the others' values, with its last
 * values instead of new ones. None is waited for longer than the signal lets. Results stand in the order of the providers, and of the
 * filter's entries within each.
 */
export async function collectSamples(
  found: FoundDomain,
  everywhere: readonly Provider[],
  filter: StatsFilter,
  collecting: Collecting,
  { signal }: CallOptions,
): Promise<SampleAnswer> {
  const asking = new Asking(found, filter, collecting, signal);
  const own = found.knownProviders ?? (await asking.providers());
  const asked: Asked[] = [];
  for (const provider of [...own, ...everywhere]) {
    if (!provider.targets.includes(filter.target)) continue;
    for (const [nth, { names }] of entriesFor(filter, provider.name).entries()) asked.push({ provider, names, nth });
  }
  return gather(
    found,
    asked,
    (entry) => asking.samples(entry),
    (entry, error) => asking.lastSamples(entry, error),
  );
}

/** A provider, and what is wanted of it: the nth entry of the filter that names it. */
interface Asked {
  readonly provider: Provider;
  readonly names: readonly string[] | undefined;
  readonly nth: number;
}

/** What the patience is asked about besides the providers, whose names are not empty. */
const WHO_MEASURES = '';

/** One filter as it is put to those who measure one domain, until the signal fires. */
class Asking {
  readonly #found: FoundDomain;
  readonly #filter: StatsFilter;
  readonly #collecting: Collecting;
  readonly #signal: AbortSignal;
  /** Providers whose last values were given: one that is named twice has them once. */
  readonly #substituted = new Set<string>();

  constructor(found: FoundDomain, filter: StatsFilter, collecting: Collecting, signal: AbortSignal) {
    this.#found = found;
    this.#filter = filter;
    this.#collecting = collecting;
    this.#signal = signal;
  }

  /** Who measures the domain. @throws what asking it raises */
  providers(): Promise<readonly Provider[]> {
    const { domain } = this.#found;
    const { lastProviders, question } = this.#collecting;
    const { patience } = question;
    const asked = patience.ask(WHO_MEASURES, domain.name, () =>
      this.#bounded((signal) => this.#found.providers({ signal })),
    );
    // Whoever waited for what it measures need not wait for who measures it.
    return whileWanted(lastProviders.get(domain.id, asked, patience.isAnyLate), this.#signal, domain.name);
  }

  /** @throws what the provider raises; TIMEOUT */
  async samples({ provider, names, nth }: Asked): Promise<readonly Sample[]> {
    const { domain } = this.#found;
    const { target, paths } = this.#filter;
    const request = { target, ...(names && { names }), ...(paths && { paths }) };
    const ask = (signal: AbortSignal) => provider.stats(domain, request, { signal });
    const who = nth === 0 ? provider.name : `${provider.name} ${nth}`;
    const readings = await this.#collecting.question.patience.ask(who, domain.name, (isWaitedFor) =>
      // Another limit for each question is a good part of what a sweep costs: whoever waits has one already.
      isWaitedFor ? whileWanted(ask(this.#signal), this.#signal, domain.name) : this.#bounded(ask),
    );
    const chosen = paths === undefined ? readings : readings.filter(({ path }) => isPathSelected(paths, path));
    return samplesOf({ domain: domain.name, provider: provider.name, target }, chosen, names);
  }

  /** What there is instead of them. */
  lastSamples({ provider: { name } }: Asked, error: VirtstatError): readonly Sample[] {
    if (this.#substituted.has(name)) return [];
    this.#substituted.add(name);
    return this.#collecting.question.lastOf(name, error);
  }

  #bounded<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withDeadline(ask, { ...this.#collecting.limit, what: this.#found.domain.name });
  }
}

/** Plain data, unless it came undecoded and nothing is to be chosen of it. */
function samplesOf(
  about: About,
  readings: readonly Reading[],
  names: readonly string[] | undefined,
): readonly Sample[] {
  if (names === undefined) {
    return readings.map((reading) =>
      reading.packed === undefined ? sampleOf(about, reading, reading.stats) : new PackedSample(about, reading),
    );
  }
  return readings
    .map((reading) => sampleOf(about, reading, selectNames(reading.stats, names)))
    .filter(({ stats }) => stats.length > 0);
}

/** How long a provider that said before what it measures is waited for, in milliseconds: it seldom says anything else. */
const KNOWN_PATIENCE_MS = 250;

/**
 * The schemas of every provider of a domain, or those of one target. One that takes long, or fails, is given as it was when it
 * last said.
 */
export async function collectSchemas(
  found: FoundDomain,
  everywhere: readonly Provider[],
  last: { readonly providers: LastProviders; readonly schemas: LastSchemas },
  options: SchemaOptions,
): Promise<SchemaAnswer> {
  const { target } = options;
  const { id, name: what } = found.domain;
  const ofTarget = (schemas: readonly Schema[]) =>
    schemas.filter((schema) => target === undefined || schema.target === target);
  const own =
    found.knownProviders ?? (await whileWanted(last.providers.get(id, found.providers(options)), options.signal, what));
  const asked = [...own, ...everywhere]
    .filter((provider) => target === undefined || provider.targets.includes(target))
    .map((provider) => ({ provider }));
  const ask = async (provider: Provider): Promise<readonly Schema[]> => {
    const schemas = await whileWanted(provider.schemas(found.domain, options), options.signal, what);
    last.schemas.keep(id, provider.name, target, schemas);
    return ofTarget(schemas);
  };
  return gather(
    found,
    asked,
    async ({ provider }) => {
      const before = last.schemas.get(id, provider.name, target);
      return before === undefined ? ask(provider) : orAfter(KNOWN_PATIENCE_MS, ask(provider), () => ofTarget(before));
    },
    ({ provider: { name } }) => ofTarget(last.schemas.get(id, name, target) ?? []),
  );
}

/**
 * What each gives, in their order; what one raises becomes an error beside the others' values, with what there is `instead` of
 * its own. A provider may be anybody's code: whatever it throws is one of our errors here.
 */
async function gather<A extends { readonly provider: Provider }, T>(
  { domain }: FoundDomain,
  asked: readonly A[],
  ask: (item: A) => Promise<readonly T[]>,
  instead: (item: A, error: VirtstatError) => readonly T[],
): Promise<DomainAnswer<T>> {
  // What keeps several providers away is one thing to know.
  const errors = new Map<string, VirtstatError>();
  const fail = (item: A, error: unknown): readonly T[] => {
    const message = `provider ${item.provider.name} failed for ${domain.name}`;
    const reason = VirtstatError.from(error, 'PROVIDER_FAILED', message);
    errors.set(reason.message, reason);
    return instead(item, reason);
  };
  const items = await Promise.all(asked.map((item) => ask(item).catch((error: unknown) => fail(item, error))));
  return { domain, items: items.flat(), errors: errors.size === 0 ? NO_ERRORS : [...errors.values()] };
}

const NO_ERRORS: readonly VirtstatError[] = [];
