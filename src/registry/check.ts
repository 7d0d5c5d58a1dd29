import { distance } from 'fastest-levenshtein';
import { type Domain, isDomainNamed } from '../model/domain.ts';
import { type ErrorCode, VirtstatError } from '../model/errors.ts';
import type { StatsFilter } from '../model/filter.ts';
import type { Schema } from '../model/stat.ts';
import type { SchemaAnswer } from './answer.ts';

/** How many near names an error offers. */
const MAX_SUGGESTIONS = 3;

/** What a person asks for: names may belong to any provider, unless one is given. */
export interface Request {
  readonly target: string;
  readonly names?: readonly string[];
  readonly provider?: string;
  readonly paths?: readonly string[];
}

/** A request that was checked against the schemas of the asked domains. */
export interface CheckedRequest {
  /** Undefined where no domain could be asked: the answers' errors say why. */
  readonly filter: StatsFilter | undefined;
  readonly schemas: readonly SchemaAnswer[];
}

/**
 * Turns a request into a filter, and refuses one that no schema of the asked domains can ever answer, with the nearest
 * names that exist: a query lets unknown names drop out silently, which is right for a program and wrong for a typing
 * error. Everything that runs for long calls this first. `unseen` is why there may be more schemas than these: a name that none
 * of them has may be right then, and the error says so.
 * @throws NOTHING_MATCHED where there is no schema at all; UNKNOWN_TARGET, UNKNOWN_PROVIDER, UNKNOWN_STAT
 */
export function resolveRequest(request: Request, schemas: readonly Schema[], unseen?: VirtstatError): StatsFilter {
  const { target, names, provider, paths } = request;
  if (schemas.length === 0) {
    throw new VirtstatError('NOTHING_MATCHED', 'nothing can be measured here; `virtstat list` says why');
  }
  const asked = selectSchemas(schemas, request);
  const known = asked.flatMap((schema) => schema.stats.map((stat) => stat.name));
  const kind = `stat of target ${target}${provider === undefined ? '' : ` and provider ${provider}`}`;
  const doubt = doubtOf(unseen);
  for (const name of names ?? []) {
    checkWord('UNKNOWN_STAT', kind, name, known, { elsewhere: misplaced(name, schemas), doubt });
  }
  const providers = [...new Set(providersOf(asked))];
  return {
    target,
    ...((names ?? provider) !== undefined && {
      providers: providers.map((name) => ({ provider: name, ...(names && { names }) })),
    }),
    ...(paths && { paths }),
  };
}

/**
 * The schemas of a target and a provider, each where it is given.
 * @throws UNKNOWN_TARGET, UNKNOWN_PROVIDER where none of the schemas has it, with the nearest ones
 */
export function selectSchemas(
  schemas: readonly Schema[],
  { target, provider }: Partial<Pick<Request, 'target' | 'provider'>>,
): readonly Schema[] {
  const ofTarget = schemas.filter((schema) => target === undefined || schema.target === target);
  if (target !== undefined) {
    checkWord('UNKNOWN_TARGET', 'target', target, targetsOf(schemas), { elsewhere: misplaced(target, schemas) });
  }
  if (provider === undefined) return ofTarget;
  const kind = target === undefined ? 'provider' : `provider of target ${target}`;
  checkWord('UNKNOWN_PROVIDER', kind, provider, providersOf(ofTarget), { elsewhere: misplaced(provider, schemas) });
  return ofTarget.filter((schema) => schema.provider === provider);
}

/**
 * Refuses a domain that is not there, with the nearest names. A source that could not be searched may have it: what became
 * of the first such one is said too.
 * @throws NOTHING_MATCHED
 */
export function checkDomains(
  wanted: readonly string[],
  there: readonly Domain[],
  failures: readonly VirtstatError[],
): void {
  const missing = wanted.find((name) => !there.some((domain) => isDomainNamed(domain, name)));
  if (missing === undefined) return;
  const near = nearest(
    missing,
    there.map(({ name }) => name),
  );
  const hint = near.length === 0 ? '`virtstat list` shows what there is' : `did you mean ${near.join(', ')}?`;
  const [unsearched] = failures;
  const why = unsearched === undefined ? '' : `; ${unsearched.message}`;
  throw new VirtstatError('NOTHING_MATCHED', `no domain is named ${JSON.stringify(missing)}; ${hint}${why}`);
}

function targetsOf(schemas: readonly Schema[]): readonly string[] {
  return schemas.map(({ target }) => target);
}

function providersOf(schemas: readonly Schema[]): readonly string[] {
  return schemas.map(({ provider }) => provider);
}

/** What a word is that stands where it is not: a request is typed as words, and their order is easily mistaken. */
function misplaced(word: string, schemas: readonly Schema[]): string | undefined {
  if (targetsOf(schemas).includes(word)) return 'it is a target';
  if (providersOf(schemas).includes(word)) return 'it is a provider';
  const [owner] = schemas.filter(({ stats }) => stats.some(({ name }) => name === word));
  return owner && `it is a stat of target ${owner.target} and provider ${owner.provider}`;
}

/** Why a word that no schema has may be right all the same, where something could not be looked at. */
export function doubtOf(unseen: VirtstatError | undefined): string | undefined {
  return unseen && `not everything could be looked at: ${unseen.message}`;
}

/** What else is known about a word that is refused. */
interface Hints {
  /** What it is in another place. */
  readonly elsewhere?: string | undefined;
  /** Why it may be right all the same. */
  readonly doubt?: string | undefined;
}

/**
 * Refuses a word that is not among the known ones, saying what it is elsewhere, else naming those nearest to it.
 * @throws an error of `code`
 */
export function checkWord(
  code: ErrorCode,
  kind: string,
  word: string,
  known: readonly string[],
  { elsewhere, doubt }: Hints = {},
): void {
  if (known.includes(word)) return;
  const near = nearest(word, known);
  const nearHint = near.length === 0 ? '' : `; did you mean ${near.join(', ')}?`;
  const hint = (elsewhere === undefined ? nearHint : `; ${elsewhere}`) + (doubt === undefined ? '' : `; ${doubt}`);
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
