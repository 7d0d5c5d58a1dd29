import type { StatsFilter } from '../model/filter.ts';
import { BALLOON, BALLOON_TARGET, type GuestMemory, guestMemoryOf } from '../model/guest-memory.ts';
import type { DomainAnswer, ListAnswer, SampleAnswer, SchemaAnswer } from './answer.ts';
import type { ReadOptions } from './options.ts';
import type { Registry } from './registry.ts';

/** What is asked of every domain. */
export const GUEST_MEMORY_FILTER: StatsFilter = { target: BALLOON_TARGET, providers: [{ provider: BALLOON }] };

/**
 * How the memory statistics of every domain's guest stand: one item for each domain that could be asked, an error for each
 * that could not. Works for every source, since it needs nothing but samples, schemas and what `list` tells. `sampled` are
 * samples that are there already.
 */
export async function readGuestMemory(
  registry: Registry,
  options: ReadOptions = {},
  sampled?: readonly SampleAnswer[],
): Promise<readonly DomainAnswer<GuestMemory>[]> {
  const [samples, listed, schemas] = await Promise.all([
    sampled ?? registry.query(GUEST_MEMORY_FILTER, options),
    registry.list(options),
    registry.schemas({ ...options, target: BALLOON_TARGET }),
  ]);
  return samples.map((answer) => standingOf(answer, find(listed, answer), find(schemas, answer)));
}

function standingOf(
  { domain, items, errors }: SampleAnswer,
  listed: ListAnswer | undefined,
  schemas: SchemaAnswer | undefined,
): DomainAnswer<GuestMemory> {
  // Old values say nothing about how things stand now.
  const sample = items.find(({ provider, stale }) => provider === BALLOON && stale === undefined);
  if (sample === undefined && errors.length > 0) return { domain, items: [], errors };
  const facts = {
    sample,
    state: listed?.domain.state,
    offered: schemas?.items.find(({ provider }) => provider === BALLOON)?.stats.map(({ name }) => name) ?? [],
    whyNone: listed?.items.find(({ provider }) => provider === BALLOON)?.reason,
  };
  return { domain, items: [guestMemoryOf(facts)], errors: [] };
}

function find<T>(answers: readonly DomainAnswer<T>[], { domain }: SampleAnswer): DomainAnswer<T> | undefined {
  return answers.find(({ domain: { id } }) => id === domain.id);
}
