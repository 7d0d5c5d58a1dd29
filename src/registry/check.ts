import { distance } from 'fastest-levenshtein';
import { type ErrorCode, VirtstatError } from '../model/errors.ts';
import type { StatsFilter } from '../model/filter.ts';
import type { Schema } from '../model/stat.ts';

/** How many near names an error offers. */
const MAX_SUGGESTIONS = 3;

/** What a person asks for: names may belong to any provider, unless one is given. */
export interface Request {
  readonly target: string;
  readonly names?: readonly string[];
  readonly provider?: string;
  readonly paths?: readonly string[];
}

/**
 * Turns a request into a filter, and refuses one that no schema of the asked domains can ever answer, with the nearest
 * names that exist: a query lets unknown names drop out silently, which is right for a program and wrong for a typing
 * error. Everything that runs for long calls this first.
 * @throws NOTHING_MATCHED where there is no schema at all; UNKNOWN_TARGET, UNKNOWN_PROVIDER, UNKNOWN_STAT
 */
export function resolveRequest(request: Request, schemas: readonly Schema[]): StatsFilter {
  const { target, names, provider, paths } = request;
  if (schemas.length === 0) {
    throw new VirtstatError('NOTHING_MATCHED', 'nothing can be measured here; `virtstat list` says why');
  }
  checkWord(
    'UNKNOWN_TARGET',
    'target',
    target,
    schemas.map((schema) => schema.target),
  );
  const ofTarget = schemas.filter((schema) => schema.target === target);
  if (provider !== undefined) {
    checkWord(
      'UNKNOWN_PROVIDER',
      `provider of target ${target}`,
      provider,
      ofTarget.map((schema) => schema.provider),
    );
  }
  const asked = ofTarget.filter((schema) => provider === undefined || schema.provider === provider);
  const known = asked.flatMap((schema) => schema.stats.map((stat) => stat.name));
  for (const name of names ?? []) checkWord('UNKNOWN_STAT', `stat of target ${target}`, name, known);
  const providers = [...new Set(asked.map((schema) => schema.provider))];
  return {
    target,
    ...((names ?? provider) !== undefined && {
      providers: providers.map((name) => ({ provider: name, ...(names && { names }) })),
    }),
    ...(paths && { paths }),
  };
}

/**
 * Refuses a word that is not among the known ones, naming those nearest to it.
 * @throws an error of `code`
 */
export function checkWord(code: ErrorCode, kind: string, word: string, known: readonly string[]): void {
  if (known.includes(word)) return;
  const near = nearest(word, known);
  const hint = near.length === 0 ? '' : `; did you mean ${near.join(', ')}?`;
  throw new VirtstatError(code, `no ${kind} is named ${JSON.stringify(word)}${hint}`);
}

/** The known words nearest to `word`, best first; all of them where they are few. */
export function nearest(word: string, known: readonly string[]): readonly string[] {
  const ranked = [...new Set(known)]
    .map((candidate) => ({ candidate, score: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.score - b.score || a.candidate.localeCompare(b.candidate, 'en'));
  const close = ranked.filter(({ candidate, score }) => score <= Math.max(2, Math.floor(candidate.length / 2)));
  return (close.length > 0 || ranked.length > MAX_SUGGESTIONS ? close : ranked)
    .slice(0, MAX_SUGGESTIONS)
    .map(({ candidate }) => candidate);
}
