import { Recording } from '../../history/recording.ts';
import type { SeriesFilter, TimeSeries } from '../../history/time-series.ts';
import type { Domain } from '../../model/domain.ts';
import type { VirtstatError } from '../../model/errors.ts';
import type { StatsFilter } from '../../model/filter.ts';
import { boundariesName, HISTOGRAM } from '../../model/histogram.ts';
import type { StatValue } from '../../model/sample.ts';
import { checkDomains } from '../../registry/check.ts';
import { type StatWord, selectStats } from '../../registry/selection.ts';
import { domainNames } from '../domain-names.ts';
import { meantBy, withBoundaries } from './meant.ts';
import type { Panel } from './panel.ts';
import { type Objects, panelsOf } from './panels.ts';
import type { PlotSeries } from './series.ts';

/** What of a recording is shown. */
export interface RecordedOptions {
  readonly domain?: readonly string[];
  /** Only the last of it, in milliseconds. */
  readonly sinceMs?: number;
  readonly objects?: Objects;
  readonly signal: AbortSignal;
  /** Told of each file that cannot be read: the others are shown. */
  readonly onUnusable: (error: VirtstatError) => void;
}

/**
 * The pictures of some stats of a recording.
 * @throws UNKNOWN_TARGET, UNKNOWN_PROVIDER, UNKNOWN_STAT with the nearest right ones; what {@link Recording.open} and
 * {@link Recording.read} throw; NOTHING_MATCHED for a domain that is not in it
 */
export async function recordedPanels(
  path: string,
  words: readonly StatWord[],
  { domain: domains, sinceMs, objects, signal, onUnusable }: RecordedOptions,
): Promise<readonly Panel[]> {
  await using recording = await Recording.open(path, { signal });
  const { schemas } = recording;
  const { filters, unknown } = selectStats(words, schemas);
  if (unknown[0] !== undefined) throw unknown[0];
  const isMeant = meantBy(words);
  if (domains !== undefined) checkDomains(domains, recording.knownDomains, []);
  const series = await recording.read(
    {
      ...readFilter(withBoundaries(filters, schemas)),
      ...(domains && { domains }),
      ...(sinceMs !== undefined && { fromNs: recording.span.endNs - BigInt(sinceMs) * 1_000_000n }),
    },
    { signal },
  );
  for (const { error } of recording.unusable) onUnusable(error);
  const nameOf = domainNames(recording.domains);
  const meant = series.filter(({ provider, target, stat: { name } }) => isMeant({ provider, target, name }));
  return panelsOf(
    meant.map((one) => plotSeries(one, boundariesAmong(series, one), nameOf)),
    objects,
  );
}

function plotSeries(
  { timesNs, values, domain, ...about }: TimeSeries,
  boundaries: readonly bigint[] | undefined,
  nameOf: (domain: Domain) => string,
): PlotSeries {
  const points = timesNs.map((atNs, index) => ({ atNs, value: values[index] as StatValue }));
  return { ...about, domain: nameOf(domain), ...(boundaries && { boundaries }), points };
}

/** The boundaries of a `histogram`, as they were at the end. */
function boundariesAmong(all: readonly TimeSeries[], { stat, ...of }: TimeSeries): readonly bigint[] | undefined {
  if (stat.type !== HISTOGRAM) return undefined;
  const name = boundariesName(stat.name);
  const found = all.find(
    (one) =>
      one.stat.name === name && one.domain.id === of.domain.id && one.target === of.target && one.path === of.path,
  );
  const last = found?.values.at(-1);
  return typeof last === 'object' ? last : undefined;
}

/** What of the recording has all that the filters ask for, and somewhat more. */
function readFilter(filters: readonly StatsFilter[]): SeriesFilter {
  const names = filters.flatMap(({ providers }) => providers?.map((one) => one.names) ?? [undefined]);
  return {
    targets: filters.map(({ target }) => target),
    ...(names.every((list) => list !== undefined) && { names: [...new Set(names.flat())] }),
  };
}
