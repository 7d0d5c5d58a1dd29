import type { StatsFilter } from '../../model/filter.ts';
import { boundariesName, HISTOGRAM } from '../../model/histogram.ts';
import type { Schema, StatDescriptor } from '../../model/stat.ts';
import { checkWord, resolveRequest } from '../../registry/check.ts';

/** A stat as a person names it: by its name, which may be of any target, or as `TARGET/NAME`. */
interface StatWord {
  readonly target?: string;
  readonly name: string;
}

/** What is to be read for some words, and what of it is meant. */
export interface Choice {
  /** One for each target. */
  readonly filters: readonly StatsFilter[];
  readonly isMeant: (target: string, stat: StatDescriptor) => boolean;
}

/**
 * The stats that some words name, as questions to the registry.
 * @throws UNKNOWN_STAT, UNKNOWN_TARGET with the nearest ones where no schema has them; NOTHING_MATCHED where there is no schema
 */
export function chooseStats(words: readonly string[], schemas: readonly Schema[]): Choice {
  const wanted = words.map(parseWord);
  const names = new Map<string, Set<string>>();
  for (const { target, name } of wanted) {
    const targets = target === undefined ? targetsWith(name, schemas) : [target];
    for (const each of targets) names.set(each, (names.get(each) ?? new Set()).add(name));
  }
  const filters = [...names].map(([target, of]) =>
    resolveRequest({ target, names: [...of, ...boundariesFor(target, of, schemas)] }, schemas),
  );
  return { filters, isMeant: (target, { name }) => names.get(target)?.has(name) === true };
}

/** A histogram may have its bounds in a stat beside it, which has to be read with it. */
function boundariesFor(target: string, names: ReadonlySet<string>, schemas: readonly Schema[]): readonly string[] {
  const stats = schemas.filter((schema) => schema.target === target).flatMap((schema) => schema.stats);
  const wanted = stats.filter(({ name, type }) => type === HISTOGRAM && names.has(name));
  const known = new Set(stats.map(({ name }) => name));
  return [...new Set(wanted.map(({ name }) => boundariesName(name)))].filter((name) => known.has(name));
}

function parseWord(word: string): StatWord {
  const slash = word.indexOf('/');
  return slash < 0 ? { name: word } : { target: word.slice(0, slash), name: word.slice(slash + 1) };
}

/** @throws UNKNOWN_STAT where there is none */
function targetsWith(name: string, schemas: readonly Schema[]): readonly string[] {
  const known = schemas.flatMap(({ target, stats }) => stats.map((stat) => ({ target, name: stat.name })));
  if (known.length > 0) checkWord('UNKNOWN_STAT', 'stat', name, [...new Set(known.map((each) => each.name))]);
  const targets = known.filter((each) => each.name === name).map(({ target }) => target);
  // Where nothing is known at all, any target will have the registry say so.
  return targets.length === 0 ? ['vm'] : targets;
}
