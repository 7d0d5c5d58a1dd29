import { VirtstatError } from '../model/errors.ts';
import { entriesFor, isPathSelected, type ProviderFilter, type StatsFilter, selectNames } from '../model/filter.ts';
import type { CallOptions, FoundDomain, Provider, SchemaOptions } from '../model/provider.ts';
import type { Reading, Sample } from '../model/sample.ts';
import type { DomainAnswer, SampleAnswer, SchemaAnswer } from './answer.ts';

/** Every provider of a domain: those of its source, then those registered for all domains. */
async function providersOf(
  found: FoundDomain,
  everywhere: readonly Provider[],
  options: CallOptions,
): Promise<readonly Provider[]> {
  return [...(await found.providers(options)), ...everywhere];
}

/**
 * Asks the providers that the filter selects, all at once; what one raises becomes an error beside the others' values.
 * Results stand in the order of the providers, and of the filter's entries within each.
 */
export async function collectSamples(
  found: FoundDomain,
  everywhere: readonly Provider[],
  filter: StatsFilter,
  options: CallOptions,
): Promise<SampleAnswer> {
  const asked = (await providersOf(found, everywhere, options))
    .filter((provider) => provider.targets.includes(filter.target))
    .flatMap((provider) => entriesFor(filter, provider.name).map((entry) => ({ provider, entry })));
  return gather(found, asked, ({ provider, entry }) => sampleProvider(found, provider, filter, entry, options));
}

/** The schemas of every provider of a domain, or those of one target. */
export async function collectSchemas(
  found: FoundDomain,
  everywhere: readonly Provider[],
  options: SchemaOptions,
): Promise<SchemaAnswer> {
  const { target } = options;
  const providers = (await providersOf(found, everywhere, options)).filter(
    (provider) => target === undefined || provider.targets.includes(target),
  );
  return gather(found, providers, async (provider) => {
    const schemas = await guard(provider, found, () => provider.schemas(found.domain, options));
    return schemas.filter((schema) => target === undefined || schema.target === target);
  });
}

async function sampleProvider(
  found: FoundDomain,
  provider: Provider,
  filter: StatsFilter,
  { names }: ProviderFilter,
  options: CallOptions,
): Promise<readonly Sample[]> {
  const { target, paths } = filter;
  const request = { target, ...(names && { names }), ...(paths && { paths }) };
  const readings = await guard(provider, found, () => provider.stats(found.domain, request, options));
  return readings
    .filter((reading) => isPathSelected(paths, reading.path))
    .map((reading) => sampleOf(found.domain.name, provider.name, target, reading, names))
    .filter((sample) => names === undefined || sample.stats.length > 0);
}

/** Plain data: what a reader copies, prints or sends on is whole. */
function sampleOf(
  domain: string,
  provider: string,
  target: string,
  reading: Reading,
  names?: readonly string[],
): Sample {
  const { path, via, collectedAtNs, stale, stats } = reading;
  return {
    domain,
    provider,
    target,
    ...(path !== undefined && { path }),
    via,
    collectedAtNs,
    ...(stale && { stale }),
    stats: selectNames(stats, names),
  };
}

async function gather<A, T>(
  found: FoundDomain,
  asked: readonly A[],
  ask: (item: A) => Promise<readonly T[]>,
): Promise<DomainAnswer<T>> {
  const outcomes = await Promise.allSettled(asked.map(ask));
  return {
    domain: found.domain,
    items: outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : [])),
    errors: outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : [])),
  };
}

/** A provider may be anybody's code: whatever it throws, also before its first await, leaves as one of our errors. */
async function guard<T>(provider: Provider, found: FoundDomain, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw VirtstatError.from(error, 'PROVIDER_FAILED', `provider ${provider.name} failed for ${found.domain.name}`);
  }
}
