import type { Scale } from '../../model/scale.ts';

/** A value at a time. */
export interface ChartPoint {
  /** Milliseconds since 1970, UTC, with a fraction. */
  readonly atMs: number;
  /** In raw steps of the panel's scale; undefined where a line is interrupted. */
  readonly value: number | undefined;
}

/** One line of a panel. */
export interface ChartLine {
  /** What tells it from the others: a domain, an object. */
  readonly label: string;
  /** In the order of time. */
  readonly points: readonly ChartPoint[];
}

/** What every panel has. */
interface PanelHead {
  /** What is shown: who measures, of what, which stat. */
  readonly title: string;
  /** What one raw step of its values or bounds is worth. */
  readonly scale: Scale;
}

/** Values over time: growth per second for what only grows. */
export interface LinePanel extends PanelHead {
  readonly kind: 'lines';
  /** Follows the unit: `/s` for growth. */
  readonly suffix: string;
  readonly lines: readonly ChartLine[];
}

/** What a histogram counted in a piece of time. */
export interface HeatColumn {
  readonly startMs: number;
  readonly endMs: number;
  /** By bucket, the smallest first. */
  readonly counts: readonly number[];
}

/** A histogram over time: how much each bucket grew, column by column. */
export interface HeatPanel extends PanelHead {
  readonly kind: 'heat';
  /** The bounds of each bucket, the smallest first, in human units. */
  readonly buckets: readonly string[];
  /** In the order of time; none overlap. */
  readonly columns: readonly HeatColumn[];
}

/** One picture of a plot. */
export type Panel = LinePanel | HeatPanel;

/** From when to when, in milliseconds since 1970. */
export interface TimeSpan {
  readonly startMs: number;
  readonly endMs: number;
}

/** The first and the last moment that a panel shows; undefined where it shows nothing. */
export function timeSpan(panel: Panel): TimeSpan | undefined {
  const times =
    panel.kind === 'heat'
      ? panel.columns.flatMap(({ startMs, endMs }) => [startMs, endMs])
      : panel.lines.flatMap(({ points }) => [points[0], points.at(-1)].flatMap((point) => point?.atMs ?? []));
  if (times.length === 0) return undefined;
  // There may be more times than a call takes arguments.
  return { startMs: times.reduce((a, b) => Math.min(a, b)), endMs: times.reduce((a, b) => Math.max(a, b)) };
}

/** The buckets that counted anything, from the smallest to the largest such; undefined where none did. */
export function countedBuckets(panel: HeatPanel): { readonly first: number; readonly last: number } | undefined {
  const counted = panel.buckets.map((_, index) => panel.columns.some(({ counts }) => (counts[index] ?? 0) > 0));
  const first = counted.indexOf(true);
  return first < 0 ? undefined : { first, last: counted.lastIndexOf(true) };
}

/**
 * What was counted in each of `cells` equal pieces of the panel's time: of a column that is longer than a piece its share, of shorter
 * ones the sum of those that have their middle in it; undefined where nothing is known.
 */
export function heatCells(
  { columns }: HeatPanel,
  span: TimeSpan,
  cells: number,
): readonly (readonly number[] | undefined)[] {
  const widthMs = (span.endMs - span.startMs) / cells;
  const cellOf = (atMs: number): number => Math.min(cells - 1, Math.floor((atMs - span.startMs) / widthMs));
  const grid: (number[] | undefined)[] = Array.from({ length: cells }, () => undefined);
  for (const { startMs, endMs, counts } of columns) {
    if (endMs - startMs > widthMs) continue;
    const cell = cellOf((startMs + endMs) / 2);
    const before = grid[cell];
    grid[cell] = counts.map((count, bucket) => count + (before?.[bucket] ?? 0));
  }
  for (const { startMs, endMs, counts } of columns) {
    if (endMs - startMs <= widthMs) continue;
    for (let cell = cellOf(startMs); cell <= cellOf(endMs); cell++) {
      const middleMs = span.startMs + (cell + 0.5) * widthMs;
      if (middleMs < startMs || middleMs >= endMs) continue;
      const [share, before] = [widthMs / (endMs - startMs), grid[cell]];
      grid[cell] = counts.map((count, bucket) => count * share + (before?.[bucket] ?? 0));
    }
  }
  return grid;
}
