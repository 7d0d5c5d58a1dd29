import type { Schema } from '../model/stat.ts';

/** The words that may stand on a command line, as the schemas have them. */
export interface Vocabulary {
  readonly targets: readonly string[];
  /** By target. */
  readonly providers: ReadonlyMap<string, readonly string[]>;
  /** Names of stats by target. */
  readonly names: ReadonlyMap<string, readonly string[]>;
}

/** The words of some schemas, each once, in the schemas' order. */
export function vocabularyOf(schemas: readonly Schema[]): Vocabulary {
  const targets = [...new Set(schemas.map(({ target }) => target))];
  const byTarget = (wordsOf: (schema: Schema) => readonly string[]): ReadonlyMap<string, readonly string[]> =>
    new Map(
      targets.map((target) => [
        target,
        [...new Set(schemas.filter((schema) => schema.target === target).flatMap(wordsOf))],
      ]),
    );
  return {
    targets,
    providers: byTarget(({ provider }) => [provider]),
    names: byTarget(({ stats }) => stats.map(({ name }) => name)),
  };
}

/**
 * The words that may stand after `before`, the arguments target, names and provider so far. In a comma-separated list of names
 * the last one is completed, and what stands before it is kept.
 */
export function completeStatsArgument(
  { targets, names, providers }: Vocabulary,
  before: readonly string[],
  typed: string,
): readonly string[] {
  const [target] = before;
  if (target === undefined) return targets.filter((word) => word.startsWith(typed));
  if (before.length === 2) return (providers.get(target) ?? []).filter((word) => word.startsWith(typed));
  if (before.length > 2) return [];
  const cut = typed.lastIndexOf(',') + 1;
  const [kept, last] = [typed.slice(0, cut), typed.slice(cut)];
  const chosen = new Set(kept.split(','));
  return [...(names.get(target) ?? []), ...(cut === 0 ? ['*'] : [])]
    .filter((name) => name.startsWith(last) && !chosen.has(name))
    .map((name) => kept + name);
}

/** What may stand for the last of a comma-separated list of columns: one of `presets`, or any stat. */
export function completeColumns({ names }: Vocabulary, presets: readonly string[], typed: string): readonly string[] {
  const cut = typed.lastIndexOf(',') + 1;
  const [kept, last] = [typed.slice(0, cut), typed.slice(cut)];
  const chosen = new Set(kept.split(','));
  return [...new Set([...presets, ...[...names.values()].flat()])]
    .filter((name) => name.startsWith(last) && !chosen.has(name))
    .map((name) => kept + name);
}
