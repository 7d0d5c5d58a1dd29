import { type Domain, isDomainNamed } from '../model/domain.ts';
import type { StatValue } from '../model/sample.ts';
import type { Schema, StatDescriptor } from '../model/stat.ts';
import type { Column } from './columns.ts';
import type { Life } from './lives.ts';
import type { Row } from './rows.ts';
import type { Segment } from './segments.ts';

/** Which series of a recording are meant; an absent list means all, a name that is not there drops out silently. */
export interface SeriesFilter {
  /** By name, uuid, process id or `id`; also by a name that a domain had before it was renamed. */
  readonly domains?: readonly string[];
  readonly providers?: readonly string[];
  readonly targets?: readonly string[];
  /** Of stats. */
  readonly names?: readonly string[];
  readonly paths?: readonly string[];
}

/** Which values of which series are read. */
export interface TimeRange extends SeriesFilter {
  /** First `collected-at`, itself included: nanoseconds since 1970; absent: from the beginning. */
  readonly fromNs?: bigint;
  /** Last `collected-at`, itself included; absent: to the end. */
  readonly toNs?: bigint;
}

/** One stat of one object through the whole of a recording. */
export interface RecordedSeries {
  /** As it was last. A VM that was renamed, or started anew with the same uuid, goes on with its series. */
  readonly domain: Domain;
  readonly provider: string;
  readonly target: string;
  /** Absent where the target has one object. */
  readonly path?: string;
  /** As it was described last. */
  readonly stat: StatDescriptor;
}

/** The values of a series over time. Both lists are equally long; where nothing was collected there is nothing. */
export interface TimeSeries extends RecordedSeries {
  /** `collected-at`, ascending: nanoseconds since 1970, UTC. */
  readonly timesNs: readonly bigint[];
  readonly values: readonly StatValue[];
}

/** What a filter selects of one provider and target of one domain. */
export interface SelectedObjects {
  readonly life: Life;
  readonly schema: Schema;
  readonly paths: readonly (string | undefined)[];
  readonly stats: readonly StatDescriptor[];
}

/** What the filter selects: only what has a stat and an object left. */
export function selectObjects(
  lives: readonly Life[],
  { domains, providers, targets, names, paths: wanted }: SeriesFilter,
): readonly SelectedObjects[] {
  const isIn = (list: readonly string[] | undefined, word: string): boolean => list?.includes(word) ?? true;
  const isWanted = ({ known }: Life): boolean =>
    domains === undefined || domains.some((name) => known.some((domain) => isDomainNamed(domain, name)));
  return lives
    .filter(isWanted)
    .flatMap((life) => life.objects.map(({ schema, paths }) => ({ life, schema, paths })))
    .filter(({ schema: { provider, target } }) => isIn(providers, provider) && isIn(targets, target))
    .map(({ life, schema, paths }) => ({
      life,
      schema,
      paths: paths.filter((path) => wanted === undefined || (path !== undefined && wanted.includes(path))),
      stats: schema.stats.filter(({ name }) => isIn(names, name)),
    }))
    .filter(({ paths, stats }) => paths.length > 0 && stats.length > 0);
}

/** The series of what was selected. */
export function seriesOf({ life, schema, paths, stats }: SelectedObjects): readonly RecordedSeries[] {
  const { domain } = life;
  const { provider, target } = schema;
  return paths.flatMap((path) =>
    stats.map((stat) => ({ domain, provider, target, ...(path !== undefined && { path }), stat })),
  );
}

/** The columns that have the values of what was selected. */
export function columnsFor(
  segments: readonly Segment[],
  selected: readonly Pick<SelectedObjects, 'stats'>[],
): readonly Column[] {
  const names = new Set(selected.flatMap(({ stats }) => stats.map(({ name }) => name)));
  const columns = segments.flatMap(({ info }) => info.columns.filter(({ stat }) => names.has(stat)));
  return [...new Map(columns.map((column) => [column.column, column])).values()];
}

/** A series that is being filled. */
interface Filling {
  readonly timesNs: bigint[];
  readonly values: StatValue[];
}

/** Puts rows of one provider and target into their series. */
export class SeriesCollector {
  readonly #selected: readonly SelectedObjects[];
  readonly #columns: readonly Column[];
  readonly #lives = new Map<string, Life>();
  readonly #byObject = new Map<string, Map<string, Filling>>();

  constructor(selected: readonly SelectedObjects[], columns: readonly Column[]) {
    this.#selected = selected;
    this.#columns = columns;
    for (const { life } of selected) for (const id of life.ids) this.#lives.set(id, life);
  }

  /** Adds the values of one row; says how many numbers that were. */
  add({ domainId, path, timeNs, values }: Row): number {
    const life = this.#lives.get(domainId);
    if (life === undefined) return 0;
    const byStat = this.#of(life, path);
    let count = 0;
    for (const [index, value] of values.entries()) {
      if (value === undefined) continue;
      const { stat } = this.#columns[index]!;
      let filling = byStat.get(stat);
      if (filling === undefined) byStat.set(stat, (filling = { timesNs: [], values: [] }));
      filling.timesNs.push(timeNs);
      filling.values.push(value);
      count += typeof value === 'object' ? value.length : 1;
    }
    return count;
  }

  /** The series that have values, in the order of what was selected. */
  series(): readonly TimeSeries[] {
    return this.#selected.flatMap((objects) =>
      seriesOf(objects).flatMap((series) => {
        const filling = this.#of(objects.life, series.path).get(series.stat.name);
        return filling === undefined ? [] : [{ ...series, ...filling }];
      }),
    );
  }

  #of(life: Life, path: string | undefined): Map<string, Filling> {
    const key = JSON.stringify([life.domain.id, path ?? null]);
    let byStat = this.#byObject.get(key);
    if (byStat === undefined) this.#byObject.set(key, (byStat = new Map()));
    return byStat;
  }
}
