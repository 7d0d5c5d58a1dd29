import { clip, displayWidth, pad, printable } from '../render/text.ts';
import type { Paint } from '../terminal.ts';
import { BrailleCanvas, DOTS_HIGH, DOTS_WIDE } from './braille.ts';
import { least, legendLines, markOf, most, namedLines, styleOf } from './legend.ts';
import { type ChartLine, type LinePanel, type TimeSpan, timeSpan } from './panel.ts';
import { type ValueAxis, valueAxis } from './ticks.ts';
import { AXIS_COLUMNS, timeAxisLine } from './time-axis.ts';
import { valueText } from './value-text.ts';

/** How large a panel may be on a terminal. */
export interface PanelSize {
  readonly columns: number;
  /** Of the picture, without title, axis and legend. */
  readonly rows: number;
  /** How many lines the legend may name. */
  readonly maxNamed?: number;
}

/** Where else a mark may stand when its row has one already. */
const NEXT_ROWS = [0, 1, -1, 2, -2];

/** The fewest columns that a picture has, however long the labels are. */
const MIN_PICTURE_COLUMNS = 16;

/** Rows from one label of the value axis to the next, and the fewest steps: with less, most of a low picture would stand empty. */
const ROWS_PER_TICK = 3;
const MIN_STEPS = 3;

/** A panel of lines as text: title, picture with its axes, legend with the last, least and largest value of each line. */
export function linePanelText(panel: LinePanel, size: PanelSize, paint: Paint): readonly string[] {
  const title = paint('bold', clip(printable(panel.title), size.columns));
  const span = timeSpan(panel);
  const values = panel.lines.flatMap(({ points }) => points.flatMap(({ value }) => value ?? []));
  if (span === undefined || values.length === 0) return [title, '  nothing to show: it takes two samples at least'];
  const steps = Math.max(MIN_STEPS, Math.floor(size.rows / ROWS_PER_TICK));
  const axis = valueAxis(least(values), most(values), steps, panel.scale);
  const labels = axisLabels(axis, size.rows, panel);
  const labelWidth = Math.max(...labels.map((label) => displayWidth(label)));
  const columns = Math.max(MIN_PICTURE_COLUMNS, size.columns - labelWidth - AXIS_COLUMNS);
  const canvas = new BrailleCanvas(columns, size.rows);
  for (const [index, line] of panel.lines.entries()) draw(canvas, line, span, axis, index);
  const named = namedLines(panel.lines, size.maxNamed);
  const ends = endMarks(panel.lines, named, axis, size.rows);
  const picture = labels.map((label, row) => {
    const cells = canvas.row(row, (text, owner) => (owner < 0 ? text : paint(styleOf(owner), text)));
    const nth = ends.get(row);
    const mark = nth === undefined ? '' : ` ${paint(styleOf(named[nth]!), markOf(nth))}`;
    return `${pad(label, labelWidth, 'right')} ${label === '' ? '│' : '┤'}${cells}${mark}`.trimEnd();
  });
  const below = [...timeAxisLine(span, columns, labelWidth + 1), ...legendLines(panel, named, size.columns, paint)];
  return [title, ...picture, ...below];
}

function draw(
  canvas: BrailleCanvas,
  { points }: ChartLine,
  { startMs, endMs }: TimeSpan,
  axis: ValueAxis,
  owner: number,
): void {
  const [width, height] = [canvas.columns * DOTS_WIDE - 1, canvas.rows * DOTS_HIGH - 1];
  let before: readonly [x: number, y: number] | undefined;
  for (const { atMs, value } of points) {
    if (value === undefined) {
      before = undefined;
      continue;
    }
    const x = Math.round(endMs === startMs ? width : ((atMs - startMs) / (endMs - startMs)) * width);
    const y = Math.round((1 - (value - axis.min) / (axis.max - axis.min)) * height);
    const [fromX, fromY] = before ?? [x, y];
    canvas.line(fromX, fromY, x, y, owner);
    before = [x, y];
  }
}

/** The label of each row, the uppermost first; empty where it has none. */
function axisLabels({ min, max, ticks }: ValueAxis, rows: number, { scale, suffix }: LinePanel): string[] {
  const labels = Array.from({ length: rows }, () => '');
  for (const tick of ticks) labels[rowOf(tick, { min, max }, rows)] = printable(valueText(tick, scale, suffix));
  return labels;
}

function rowOf(value: number, { min, max }: Pick<ValueAxis, 'min' | 'max'>, rows: number): number {
  return Math.min(rows - 1, Math.floor((1 - (value - min) / (max - min)) * rows));
}

/** Which of the named lines has its mark at each row: where it ends, or at the next free row. */
function endMarks(
  lines: readonly ChartLine[],
  named: readonly number[],
  axis: ValueAxis,
  rows: number,
): ReadonlyMap<number, number> {
  const ends = new Map<number, number>();
  if (lines.length < 2) return ends;
  for (const [nth, place] of named.entries()) {
    const last = lines[place]?.points.at(-1)?.value;
    if (last === undefined) continue;
    const row = rowOf(last, axis, rows);
    const free = NEXT_ROWS.map((away) => row + away).find((near) => near >= 0 && near < rows && !ends.has(near));
    if (free !== undefined) ends.set(free, nth);
  }
  return ends;
}
