import type { StatEntry } from './sample.ts';

/**
 * Which statistics are asked for, with the rules of QEMU's `StatsFilter` (qapi/stats.json): an absent list means
 * everything, an empty list nothing, an unknown name or path drops out silently, names match byte for byte.
 */
export interface StatsFilter {
  readonly target: string;
  /** One entry for each provider asked; two entries for one provider give two results. */
  readonly providers?: readonly ProviderFilter[];
  /** Objects of the target, by their full path. */
  readonly paths?: readonly string[];
}

/** One provider, and which of its statistics. */
export interface ProviderFilter {
  readonly provider: string;
  readonly names?: readonly string[];
}

/** Keeps the entries that `names` has, in the order of `entries`; no `names` keeps all. */
export function selectNames<T extends Pick<StatEntry, 'name'>>(
  entries: readonly T[],
  names: readonly string[] | undefined,
): readonly T[] {
  if (names === undefined) return entries;
  const wanted = new Set(names);
  return entries.filter((entry) => wanted.has(entry.name));
}

/** True where `paths` is absent or has `path`. */
export function isPathSelected(paths: readonly string[] | undefined, path: string | undefined): boolean {
  return paths === undefined || (path !== undefined && paths.includes(path));
}

/** The entries of `filter` that ask `provider`; one that asks for everything where the filter names no provider. */
export function entriesFor(filter: StatsFilter, provider: string): readonly ProviderFilter[] {
  if (filter.providers === undefined) return [{ provider }];
  return filter.providers.filter((entry) => entry.provider === provider);
}
