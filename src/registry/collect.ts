import { type DeadlineOptions, whileWanted, withDeadline } from '../host/deadline.ts';
import { VirtstatError } from '../model/errors.ts';
import { entriesFor, isPathSelected, type ProviderFilter, type StatsFilter, selectNames } from '../model/filter.ts';
import type { CallOptions, FoundDomain, Provider, SchemaOptions, StatsRequest } from '../model/provider.ts';
import type { Reading, Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import type { DomainAnswer, SampleAnswer, SchemaAnswer } from './answer.ts';
import type { LastProviders } from './last-providers.ts';
import type { LastSchemas } from './last-schemas.ts';
import { orAfter } from './or-after.ts';
import { PackedSample, sampleOf } from './packed-sample.ts';
import type { Patience } from './patience.ts';

/** What a collection of samples works with. */
export interface Collecting {
  /** The values to give for a provider that failed; none where there are none. */
  readonly instead: (provider: string, error: VirtstatError) => readonly Sample[];
  readonly patience: Patience;
  readonly lastProviders: LastProviders;
  /** Who asks for what: goes before what the patience is asked about. */
  readonly key: string;
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
  const { instead, patience, lastProviders, key, limit } = collecting;
  const { id, name: what } = found.domain;
  const { signal } = options;
  const bounded = <T>(ask: (signal: AbortSignal) => Promise<T>) => withDeadline(ask, { ...limit, what });
  const own = lastProviders.get(
    id,
    patience.ask(`${key} `, what, () => bounded((limited) => found.providers({ signal: limited }))),
    // Whoever waited for what it measures need not wait for who measures it.
    patience.isAnyLate(`${key} `),
  );
  const asked = [...(await whileWanted(own, signal, what)), ...everywhere]
    .filter((provider) => provider.targets.includes(filter.target))
    .flatMap((provider) => entriesFor(filter, provider.name).map((entry, nth) => ({ provider, entry, nth })));
  // One that is named twice has its last values once.
  const substituted = new Set<string>();
  return gather(
    found,
    asked,
    ({ provider, entry, nth }) => {
      const who = `${provider.name} ${nth}`;
      return sampleProvider(found, provider, filter, entry, (request) =>
        guard(provider, found, () =>
          patience.ask(`${key} ${who}`, what, (isWaitedFor) => {
            const ask = (limited: AbortSignal) => provider.stats(found.domain, request, { signal: limited });
            // Another limit for each question is a good part of what a sweep costs: whoever waits has one already.
            return isWaitedFor ? whileWanted(ask(signal), signal, what) : bounded(ask);
          }),
        ),
      );
    },
    ({ provider: { name } }, error) => {
      if (substituted.has(name)) return [];
      substituted.add(name);
      return instead(name, error);
    },
  );
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
  const own = last.providers.get(id, found.providers(options));
  const providers = [...(await whileWanted(own, options.signal, what)), ...everywhere].filter(
    (provider) => target === undefined || provider.targets.includes(target),
  );
  const ask = async (provider: Provider): Promise<readonly Schema[]> => {
    const schemas = await guard(provider, found, () =>
      whileWanted(provider.schemas(found.domain, options), options.signal, found.domain.name),
    );
    last.schemas.keep(id, provider.name, target, schemas);
    return ofTarget(schemas);
  };
  return gather(
    found,
    providers,
    (provider) => {
      const before = last.schemas.get(id, provider.name, target);
      return before === undefined ? ask(provider) : orAfter(KNOWN_PATIENCE_MS, ask(provider), () => ofTarget(before));
    },
    ({ name }) => ofTarget(last.schemas.get(id, name, target) ?? []),
  );
}

async function sampleProvider(
  found: FoundDomain,
  provider: Provider,
  filter: StatsFilter,
  { names }: ProviderFilter,
  ask: (request: StatsRequest) => Promise<readonly Reading[]>,
): Promise<readonly Sample[]> {
  const { target, paths } = filter;
  const about = { domain: found.domain.name, provider: provider.name, target };
  const readings = await ask({ target, ...(names && { names }), ...(paths && { paths }) });
  const chosen = paths === undefined ? readings : readings.filter(({ path }) => isPathSelected(paths, path));
  const samples = chosen.map((reading) =>
    // Plain data, unless it came undecoded and nothing is to be chosen of it.
    reading.packed !== undefined && names === undefined
      ? new PackedSample(about, reading)
      : sampleOf(about, reading, selectNames(reading.stats, names)),
  );
  return names === undefined ? samples : samples.filter(({ stats }) => stats.length > 0);
}

async function gather<A, T>(
  found: FoundDomain,
  asked: readonly A[],
  ask: (item: A) => Promise<readonly T[]>,
  instead: (item: A, error: VirtstatError) => readonly T[] = () => [],
): Promise<DomainAnswer<T>> {
  const errors = new Map<string, VirtstatError>();
  const items = await Promise.all(
    asked.map(async (item) => {
      try {
        return await ask(item);
      } catch (error) {
        const reason = VirtstatError.from(error, 'INTERNAL', `reading ${found.domain.name} failed`);
        // What keeps several providers away is one thing to know.
        errors.set(reason.message, reason);
        return instead(item, reason);
      }
    }),
  );
  return { domain: found.domain, items: items.flat(), errors: [...errors.values()] };
}

/** A provider may be anybody's code: whatever it throws, also before its first await, leaves as one of our errors. */
async function guard<T>(provider: Provider, { domain }: FoundDomain, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw VirtstatError.from(error, 'PROVIDER_FAILED', `provider ${provider.name} failed for ${domain.name}`);
  }
}
