import { growthOf } from '../../model/growth.ts';
import { bucketBounds } from '../../model/histogram.ts';
import { isHistogram, isMonotonic, type StatDescriptor } from '../../model/stat.ts';
import { boundsText } from '../render/histogram.ts';
import type { ChartLine, ChartPoint, HeatColumn, HeatPanel, LinePanel, Panel } from './panel.ts';
import type { PlotSeries } from './series.ts';
import { sumLines } from './sum-lines.ts';

/** How many times the usual interval has to pass without a value until a line is interrupted. */
const GAP_INTERVALS = 2.5;

/** Whether the objects of a domain are shown one by one, or summed; absent: one by one where there is one domain. */
export type Objects = 'each' | 'sum';

/**
 * The pictures of some series, a stat after the other: what only grows as its growth per second, all else as it is, each as a panel of
 * lines; a histogram as a panel of its own for each domain. A list is none of these and is left out.
 */
export function panelsOf(series: readonly PlotSeries[], objects?: Objects): readonly Panel[] {
  const chosen = objects ?? (new Set(series.map(({ domain }) => domain)).size > 1 ? 'sum' : 'each');
  const byStat = Map.groupBy(series, ({ provider, target, stat }) => JSON.stringify([provider, target, stat.name]));
  return [...byStat.values()].flatMap((ofStat): readonly Panel[] => {
    const stat = ofStat[0]?.stat;
    if (stat === undefined) return [];
    if (isHistogram(stat)) return heatPanels(ofStat, stat, chosen);
    if (ofStat.some(({ points }) => points.some(({ value }) => typeof value === 'object'))) return [];
    return [linePanel(ofStat, stat, chosen)];
  });
}

function linePanel(series: readonly PlotSeries[], stat: StatDescriptor, objects: Objects): LinePanel {
  const isRate = isMonotonic(stat);
  // What does not grow means something for one object only: three balloons are no balloon.
  const isSummed = objects === 'sum' && isRate;
  const lines = isSummed
    ? byDomain(series).map((ofDomain) => summedLine(ofDomain))
    : series.map((one) => ({ label: labelOf(one), points: linePoints(one) }));
  return {
    kind: 'lines',
    title: titleOf(series, isRate ? ', growth per second' : ''),
    scale: stat,
    suffix: isRate ? '/s' : '',
    lines,
  };
}

function summedLine(series: readonly PlotSeries[]): ChartLine {
  const [first] = series as [PlotSeries, ...PlotSeries[]];
  if (series.length === 1) return { label: labelOf(first), points: linePoints(first) };
  return { label: `${first.domain} (sum of ${series.length})`, points: sumLines(series.map(linePoints)) };
}

/** What a series is as a line: growth per second, or values, with a gap where there was none for long. */
export function linePoints({ stat, points }: PlotSeries): readonly ChartPoint[] {
  const isRate = isMonotonic(stat);
  const gapMs = gapOf(points.map(({ atNs }) => msOf(atNs)));
  const line: ChartPoint[] = [];
  for (const [index, { atNs, value }] of points.entries()) {
    const before = points[index - 1];
    const atMs = msOf(atNs);
    if (before !== undefined && atMs - msOf(before.atNs) > gapMs) line.push({ atMs, value: undefined });
    if (!isRate) {
      if (typeof value !== 'object') line.push({ atMs, value: Number(value) });
      continue;
    }
    const growth = before === undefined ? undefined : growthOf(value, before.value, atNs - before.atNs);
    if (growth !== undefined) line.push({ atMs, value: growth.rate });
  }
  return line;
}

function heatPanels(series: readonly PlotSeries[], stat: StatDescriptor, objects: Objects): readonly HeatPanel[] {
  const groups = objects === 'each' ? series.map((one) => [one]) : byDomain(series);
  return groups.map((group) => heatPanel(group, stat));
}

function heatPanel(series: readonly PlotSeries[], stat: StatDescriptor): HeatPanel {
  const [first] = series as [PlotSeries, ...PlotSeries[]];
  const size = series.reduce(
    (most, { points }) => points.reduce((all, { value }) => Math.max(all, sizeOf(value)), most),
    0,
  );
  const buckets = Array.from({ length: size }, (_, index) => {
    const bounds = bucketBounds(stat, index, size, first.boundaries);
    return bounds === undefined ? `bucket ${index}` : boundsText(bounds, stat);
  });
  const what = series.length === 1 ? labelOf(first) : `${first.domain} (sum of ${series.length})`;
  return {
    kind: 'heat',
    title: `${titleOf(series, '')}, ${what}`,
    scale: stat,
    buckets,
    columns: series.flatMap(heatColumns).sort((a, b) => a.startMs - b.startMs),
  };
}

function heatColumns({ points }: PlotSeries): readonly HeatColumn[] {
  return points.flatMap(({ atNs, value }, index) => {
    const before = points[index - 1];
    const growth = before === undefined ? undefined : growthOf(value, before.value, atNs - before.atNs);
    if (before === undefined || growth === undefined || typeof growth.delta === 'bigint') return [];
    return [{ startMs: msOf(before.atNs), endMs: msOf(atNs), counts: growth.delta.map(Number) }];
  });
}

/** Two and a half times the usual interval: the median, so that gaps do not hide themselves. */
function gapOf(timesMs: readonly number[]): number {
  const intervals = timesMs.slice(1).map((atMs, index) => atMs - (timesMs[index] as number));
  const median = intervals.sort((a, b) => a - b)[Math.floor(intervals.length / 2)];
  return median === undefined ? Number.POSITIVE_INFINITY : median * GAP_INTERVALS;
}

function byDomain(series: readonly PlotSeries[]): readonly (readonly PlotSeries[])[] {
  return [...Map.groupBy(series, ({ domain }) => domain).values()];
}

function titleOf(series: readonly PlotSeries[], what: string): string {
  const [{ provider, target, stat }] = series as [PlotSeries, ...PlotSeries[]];
  return `${provider} ${target} ${stat.name}${what}`;
}

function labelOf({ domain, path }: PlotSeries): string {
  return path === undefined ? domain : `${domain} ${path}`;
}

function sizeOf(value: unknown): number {
  return Array.isArray(value) ? value.length : 0;
}

/** To the microsecond: a `number` has no more digits. */
function msOf(atNs: bigint): number {
  return Number(atNs / 1000n) / 1000;
}
