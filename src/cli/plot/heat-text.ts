import { clip, displayWidth, pad, printable } from '../render/text.ts';
import type { Paint } from '../terminal.ts';
import type { PanelSize } from './line-text.ts';
import { countedBuckets, type HeatPanel, heatCells, timeSpan } from './panel.ts';
import { AXIS_COLUMNS, timeAxisLine } from './time-axis.ts';

/** How much was counted, from nothing to the most. */
const SHADES = ' ░▒▓█';

/** Stands where nothing was recorded. */
const UNKNOWN = '·';

/** The fewest columns that a picture has, however long the labels are. */
const MIN_PICTURE_COLUMNS = 16;

/**
 * A histogram over time as text: a row for each bucket, the largest on top, as dark as what it counted in a piece of time; beside
 * it the bounds, and what it counted in all. Shades are by the logarithm, or the rare slow ones would not be seen.
 */
export function heatPanelText(panel: HeatPanel, size: PanelSize, paint: Paint): readonly string[] {
  const title = paint('bold', clip(printable(panel.title), size.columns));
  const span = timeSpan(panel);
  const shown = countedBuckets(panel);
  if (span === undefined) return [title, '  nothing to show: it takes two samples at least'];
  if (shown === undefined) return [title, '  nothing was counted in this time'];
  const rows = Array.from({ length: shown.last - shown.first + 1 }, (_, index) => shown.last - index);
  const labels = rows.map((bucket) => printable(panel.buckets[bucket] ?? ''));
  const totals = rows.map((bucket) =>
    Math.round(panel.columns.reduce((sum, { counts }) => sum + (counts[bucket] ?? 0), 0)),
  );
  // There may be more buckets than a call takes arguments.
  const labelWidth = labels.reduce((width, label) => Math.max(width, displayWidth(label)), 0);
  const totalWidth = totals.reduce((width, total) => Math.max(width, String(total).length), 0);
  const columns = Math.max(MIN_PICTURE_COLUMNS, size.columns - labelWidth - Math.max(AXIS_COLUMNS, totalWidth + 3));
  const cells = heatCells(panel, span, columns);
  const most = cells.reduce((all, counts) => (counts ?? []).reduce((a, b) => Math.max(a, b), all), 0);
  const picture = rows.map((bucket, index) => {
    const shades = cells.map((counts) => (counts === undefined ? UNKNOWN : shade(counts[bucket] ?? 0, most))).join('');
    const total = pad(String(totals[index]), totalWidth, 'right');
    return `${pad(labels[index] ?? '', labelWidth, 'right')} │${paint('cyan', shades)} ${total}`;
  });
  return [title, ...picture, ...timeAxisLine(span, columns, labelWidth + 1)];
}

function shade(count: number, most: number): string {
  if (count <= 0 || most <= 0) return SHADES[0] as string;
  const level = Math.ceil((Math.log1p(count) / Math.log1p(most)) * (SHADES.length - 1));
  return SHADES[Math.min(SHADES.length - 1, level)] as string;
}
