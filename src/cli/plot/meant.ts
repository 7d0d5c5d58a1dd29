import type { StatsFilter } from '../../model/filter.ts';
import { boundariesName, HISTOGRAM } from '../../model/histogram.ts';
import type { Schema } from '../../model/stat.ts';
import type { StatWord } from '../../registry/selection.ts';

/** Which stat a value is of. */
export interface StatAbout {
  readonly provider: string;
  readonly target: string;
  readonly name: string;
}

/** Says whether one of the words means a stat. */
export function meantBy(words: readonly StatWord[]): (about: StatAbout) => boolean {
  return ({ provider, target, name }) =>
    words.some(
      (word) =>
        (word.provider ?? provider) === provider && (word.target ?? target) === target && (word.name ?? name) === name,
    );
}

/** The filters with the bounds of every histogram that has them in a stat beside it: no picture of it can do without. */
export function withBoundaries(filters: readonly StatsFilter[], schemas: readonly Schema[]): readonly StatsFilter[] {
  const histograms = new Set(
    schemas.flatMap(({ provider, target, stats }) =>
      stats.filter(({ type }) => type === HISTOGRAM).map(({ name }) => JSON.stringify([provider, target, name])),
    ),
  );
  return filters.map(({ providers, ...filter }) => ({
    ...filter,
    ...(providers && {
      providers: providers.map(({ provider, names }) => ({
        provider,
        ...(names && {
          names: names.flatMap((name) =>
            histograms.has(JSON.stringify([provider, filter.target, name])) ? [name, boundariesName(name)] : [name],
          ),
        }),
      })),
    }),
  }));
}
