import type { MetricFamily } from '../protocol/openmetrics/family.ts';
import type { QueryOptions } from '../registry/options.ts';
import { collect, isSource, type MetricsReader } from './collect.ts';
import { domainFamilies } from './domain-families.ts';
import type { Profile } from './profile.ts';
import { type NameFilter, Selection } from './selection.ts';
import { statFamilies } from './stat-families.ts';

/** What is shown of all domains at one time. */
export interface MetricsReading {
  readonly families: readonly MetricFamily[];
  /** How many domains there are. */
  readonly domains: number;
  /** Series that were left out, by what kept them out. */
  readonly dropped: Readonly<Record<DropReason, number>>;
}

/** `budget`: there would be more than are allowed; `name`: another stat has the same name. */
export type DropReason = 'budget' | 'name';

/** One way to look at the statistics of all domains. */
export interface MetricsView {
  /** @throws the signal's reason, CANCELLED */
  read(reader: MetricsReader, options: QueryOptions): Promise<MetricsReading>;
}

/** What a {@link StatView} shows. */
export interface StatViewOptions extends NameFilter {
  readonly profile: Profile;
  /** Most series, those that tell of the domains themselves included. */
  readonly maxSeries: number;
}

/** Stats by the names that their schemas give them, as a profile chooses. */
export class StatView implements MetricsView {
  readonly #selection: Selection;
  readonly #maxSeries: number;

  constructor({ profile, maxSeries, ...filter }: StatViewOptions) {
    this.#selection = new Selection(profile, filter);
    this.#maxSeries = maxSeries;
  }

  async read(reader: MetricsReader, options: QueryOptions): Promise<MetricsReading> {
    const domains = await collect(reader, (schema) => this.#selection.namesOf(schema), options);
    const { families: own, left, dropped } = withinBudget(domainFamilies(domains), this.#maxSeries);
    const { families, droppedByBudget, droppedByName } = await statFamilies(domains, this.#selection, left);
    return {
      families: [...own, ...families],
      domains: domains.filter(({ domain }) => !isSource(domain)).length,
      dropped: { budget: dropped + droppedByBudget, name: droppedByName },
    };
  }
}

/** The first families that fit, and how many series more would. */
export function withinBudget(
  families: readonly MetricFamily[],
  maxSeries: number,
): { readonly families: readonly MetricFamily[]; readonly left: number; readonly dropped: number } {
  const kept: MetricFamily[] = [];
  let [left, dropped] = [maxSeries, 0];
  for (const family of families) {
    const lines = [...family.points].length;
    if (dropped > 0 || lines > left) dropped += lines;
    else {
      kept.push(family);
      left -= lines;
    }
  }
  return { families: kept, left: dropped > 0 ? 0 : left, dropped };
}
