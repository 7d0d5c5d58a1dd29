import { boundariesName } from '../model/histogram.ts';
import type { Schema, StatDescriptor } from '../model/stat.ts';
import { type FamilyNaming, familyOf, sumOf } from '../protocol/openmetrics/names.ts';
import type { Shown } from './curated-stats.ts';
import type { Profile } from './profile.ts';

/** Which families are let through, by their names without `_total` and the like: patterns with `*`. */
export interface NameFilter {
  /** Absent: all. */
  readonly allow?: readonly string[];
  /** Taken away from those. */
  readonly deny?: readonly string[];
}

/** One stat of a schema that is shown. */
export interface ShownStat {
  readonly stat: StatDescriptor;
  /** Where its value stands among those of a sample that has all of them. */
  readonly index: number;
  readonly family: FamilyNaming;
  readonly shown: Shown;
  /** The same for the same stat of schemas that agree on its type and unit: whose the family's name is. */
  readonly owner: string;
  /** Name of the stat that adds up what a histogram counts. */
  readonly sumName?: string;
}

/** Most kinds of schemas that are remembered; then all are forgotten. A host has a few. */
const MAX_KINDS = 1000;

/** The stats that a profile and a filter of names show, found once for each kind of schema. */
export class Selection {
  readonly #profile: Profile;
  readonly #isAllowed: (family: string) => boolean;
  /** By what the schemas say, of which every domain may have a copy. */
  readonly #kinds = new Map<string, readonly ShownStat[]>();
  readonly #known = new WeakMap<Schema['stats'], Map<string, readonly ShownStat[]>>();

  constructor(profile: Profile, { allow, deny }: NameFilter = {}) {
    this.#profile = profile;
    const [allowed, denied] = [allow && matcher(allow), matcher(deny ?? [])];
    this.#isAllowed = (name) => (allowed?.(name) ?? true) && !denied(name);
  }

  /** Those of this schema, in its order; the same object for schemas that say the same. */
  of(schema: Schema): readonly ShownStat[] {
    const { provider, target, stats } = schema;
    const about = JSON.stringify([provider, target]);
    let known = this.#known.get(stats);
    if (known === undefined) this.#known.set(stats, (known = new Map()));
    const before = known.get(about);
    if (before !== undefined) return before;
    const key = JSON.stringify([provider, target, stats]);
    let shown = this.#kinds.get(key);
    if (shown === undefined) {
      if (this.#kinds.size >= MAX_KINDS) this.#kinds.clear();
      this.#kinds.set(key, (shown = this.#choose(schema)));
    }
    known.set(about, shown);
    return shown;
  }

  /** Names to ask for, with those that histograms need beside them. */
  namesOf(schema: Schema): readonly string[] | 'all' | undefined {
    const shown = this.of(schema);
    if (shown.length === 0) return undefined;
    const names = new Set(
      shown.flatMap(({ stat: { name, type }, sumName }) => [
        name,
        ...(sumName === undefined ? [] : [sumName]),
        ...(type === 'histogram' ? [boundariesName(name)] : []),
      ]),
    );
    return schema.stats.every(({ name }) => names.has(name)) ? 'all' : [...names];
  }

  #choose(schema: Schema): readonly ShownStat[] {
    const boundaries = new Set(
      schema.stats.filter(({ type }) => type === 'histogram').map(({ name }) => boundariesName(name)),
    );
    return schema.stats.flatMap((stat, index) => {
      const shown = boundaries.has(stat.name) ? undefined : this.#profile.shows(schema, stat);
      if (shown === undefined) return [];
      const family = familyOf(schema, stat);
      if (!this.#isAllowed(family.name)) return [];
      const sumName = family.type === 'histogram' ? sumOf(stat, schema.stats)?.name : undefined;
      const owner = JSON.stringify([schema.provider, schema.target, stat.name, family.type, family.unit]);
      return [{ stat, index, family, shown, owner, ...(sumName !== undefined && { sumName }) }];
    });
  }
}

/** True for names of which one of the patterns says so; `*` stands for any characters. */
function matcher(patterns: readonly string[]): (name: string) => boolean {
  const expressions = patterns.map(
    (pattern) => new RegExp(`^${pattern.replaceAll(/[^*\w]/g, '\\$&').replaceAll(/\*+/g, '.*')}$`, 'i'),
  );
  return (name) => expressions.some((expression) => expression.test(name));
}
