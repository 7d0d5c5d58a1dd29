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
 * Asks the providers that the filter selects, all at once; what one raises becomes an error beside the others' values, with
 * what there is `instead` of its own. None is waited for longer than the signal lets. Results stand in the order of the
 * providers, and of the filter's entries within each.
 */
export async function collectSamples(
  found: FoundDomain,
  everywhere: readonly Provider[],
  filter: StatsFilter,
  collecting: Collecting,
  options: CallOptions,
): Promise<SampleAnswer> {
  const { question, lastProviders, limit } = collecting;
  const { patience } = question;
  const { domain } = found;
  const { target, paths } = filter;
  const { signal } = options;
  const what = domain.name;
  const bounded = <T>(ask: (signal: AbortSignal) => Promise<T>) => withDeadline(ask, { ...limit, what });
  const asked: Asked[] = [];
  for (const provider of [...(found.knownProviders ?? (await own())), ...everywhere]) {
    if (!provider.targets.includes(target)) continue;
    for (const [nth, { names }] of entriesFor(filter, provider.name).entries()) asked.push({ provider, names, nth });
  }
  // One that is named twice has its last values once.
  const substituted = new Set<string>();
  return gather(
    found,
    asked,
    async ({ provider, names, nth }) => {
      const request = { target, ...(names && { names }), ...(paths && { paths }) };
      const readings = await patience.ask(
        nth === 0 ? provider.name : `${provider.name} ${nth}`,
        what,
        (isWaitedFor) => {
          const ask = (limited: AbortSignal) => provider.stats(domain, request, { signal: limited });
          // Another limit for each question is a good part of what a sweep costs: whoever waits has one already.
          return isWaitedFor ? whileWanted(ask(signal), signal, what) : bounded(ask);
        },
      );
      const about = { domain: what, provider: provider.name, target };
      return samplesOf(
        about,
        paths === undefined ? readings : readings.filter(({ path }) => isPathSelected(paths, path)),
        names,
      );
    },
    ({ provider: { name } }, error) => {
      if (substituted.has(name)) return [];
      substituted.add(name);
      return question.lastOf(name, error);
    },
  );

  function own(): Promise<readonly Provider[]> {
    const told = lastProviders.get(
      domain.id,
      patience.ask(WHO_MEASURES, what, () => bounded((limited) => found.providers({ signal: limited }))),
      // Whoever waited for what it measures need not wait for who measures it.
      patience.isAnyLate,
    );
    return whileWanted(told, signal, what);
  }
}

/** What the patience is asked about besides the providers, whose names are not empty. */
const WHO_MEASURES = '';

/** A provider, and what is wanted of it: the nth entry of the filter that names it. */
interface Asked {
  readonly provider: Provider;
  readonly names: readonly string[] | undefined;
  readonly nth: number;
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
 * What each gives, in their order; what one raises becomes an error beside the others' values, with what there is `instead` of its own.
 * A provider may be anybody's code: whatever it throws is one of our errors here.
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
