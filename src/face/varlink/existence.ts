import { isDomainNamed } from '../../model/domain.ts';
import type { StatsFilter } from '../../model/filter.ts';
import type { Schema } from '../../model/stat.ts';
import { VarlinkError, type VarlinkParameters } from '../../protocol/varlink/messages.ts';
import type { DomainAnswer, SchemaAnswer } from '../../registry/answer.ts';
import { nearest } from '../../registry/check.ts';

/** An error of `org.virtstat.Stats`. */
export function statsError(name: string, parameters: VarlinkParameters): VarlinkError {
  return new VarlinkError(`org.virtstat.Stats.${name}`, parameters);
}

/**
 * Refuses names of domains that nobody answered for. Where a source could not be searched, the domain may be there.
 * @throws DomainNotFound of `org.virtstat.Stats`
 */
export function requireDomains(
  names: readonly string[] | undefined,
  answers: readonly Pick<DomainAnswer<unknown>, 'domain'>[],
): void {
  if (names === undefined || answers.some(({ domain }) => domain.id === domain.source)) return;
  const missing = names.find((name) => !answers.some(({ domain }) => isDomainNamed(domain, name)));
  if (missing !== undefined) throw statsError('DomainNotFound', { domain: missing });
}

/**
 * Refuses a filter with a word that no schema has.
 * @throws UnknownTarget, UnknownProvider, UnknownStat, Failed of `org.virtstat.Stats`
 */
export function requireKnown(filter: StatsFilter, answers: readonly SchemaAnswer[]): void {
  const schemas = answers.flatMap(({ items }) => items);
  const [error] = answers.flatMap(({ errors }) => errors);
  if (schemas.length === 0) {
    const message = error?.message ?? 'nothing can be measured here';
    throw statsError('Failed', { code: error?.code ?? 'NOTHING_MATCHED', message });
  }
  const { target } = filter;
  const ofTarget = schemas.filter((schema) => schema.target === target);
  if (ofTarget.length === 0) throw unknown('UnknownTarget', 'target', target, schemas.map(targetOf));
  for (const { provider, names } of filter.providers ?? []) {
    const ofProvider = ofTarget.filter((schema) => schema.provider === provider);
    if (ofProvider.length === 0) throw unknown('UnknownProvider', 'provider', provider, ofTarget.map(providerOf));
    const known = new Set(ofProvider.flatMap(({ stats }) => stats.map(({ name }) => name)));
    const wrong = names?.find((name) => !known.has(name));
    if (wrong !== undefined) throw unknown('UnknownStat', 'name', wrong, [...known]);
  }
}

function unknown(error: string, kind: string, word: string, known: readonly string[]): VarlinkError {
  return statsError(error, { [kind]: word, nearest: nearest(word, known) });
}

function targetOf({ target }: Schema): string {
  return target;
}

function providerOf({ provider }: Schema): string {
  return provider;
}
