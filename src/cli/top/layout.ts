import { sparkline } from '../render/sparkline.ts';
import { clip, displayWidth, pad, printable } from '../render/text.ts';
import type { Paint } from '../terminal.ts';
import type { Sort, TableColumn, TableRow } from './table.ts';

/** How wide the first column is where the others need room, and its part of a wide screen: names often differ at their end only. */
const LABEL_WIDTH = 12;
const LABEL_SHARE = 1 / 4;
const MAX_LABEL_WIDTH = 60;

/** The least that a column of numbers has, so that it does not move from look to look. */
const NUMBER_WIDTH = 6;

const MAX_TEXT_WIDTH = 60;
const MIN_TREND_WIDTH = 8;
const MAX_TREND_WIDTH = 60;

/** Between columns. */
const GAP = 2;

/** Stands for what is not known. */
const MISSING = '-';

/** The trend of a row. */
export interface Trend {
  /** Id of the column that it is about. */
  readonly column: string;
  of(row: TableRow): readonly (number | undefined)[];
}

/** How a table is drawn. */
export interface TableLayout {
  readonly columns: readonly TableColumn[];
  /** Those that are drawn; in their order. */
  readonly rows: readonly TableRow[];
  readonly width: number;
  readonly sort: Sort;
  /** Index of the row under the cursor; undefined where nobody chooses. */
  readonly cursor: number | undefined;
  readonly trend: Trend | undefined;
  readonly paint: Paint;
}

/** A column as it is drawn. */
interface Placed extends TableColumn {
  readonly width: number;
}

/**
 * A table as lines of at most `width`: the head and a line for each row. Columns for which there is no room are left out, the
 * last first, but never what the table is sorted by.
 */
export function layoutLines(layout: TableLayout): readonly string[] {
  const { columns, rows, width, cursor, trend, paint } = layout;
  const gutter = cursor === undefined ? '' : ' ';
  const placed = placedColumns(layout, width - gutter.length);
  const room = width - gutter.length - placed.reduce((sum, column) => sum + column.width + GAP, -GAP) - GAP;
  const trendWidth = trend === undefined || room < MIN_TREND_WIDTH ? 0 : Math.min(room, MAX_TREND_WIDTH);
  const title = columns.find(({ id }) => id === trend?.column)?.title ?? '';
  const head = placed.map((column) => headCell(column, layout)).join('');
  const trendHead = trendWidth > 0 ? clip(`TREND ${printable(title)}`, trendWidth) : '';
  const lines = rows.map((row, index) => {
    const cells = placed.map((column) => cell(printable(row.cells.get(column.id)?.text ?? MISSING), column));
    if (trendWidth > 0 && trend !== undefined) cells.push(sparkline(trend.of(row).slice(-trendWidth)));
    const isChosen = index === cursor;
    const line = clip(`${isChosen ? '>' : gutter}${cells.join(' '.repeat(GAP))}`.trimEnd(), width);
    if (isChosen) return paint('inverse', pad(line, width));
    return row.isStale ? paint('yellow', line) : line;
  });
  return [paint('bold', clip(`${gutter}${head}${trendHead}`.trimEnd(), width)), ...lines];
}

function placedColumns(layout: TableLayout, width: number): readonly Placed[] {
  const { columns, sort } = layout;
  const [label, ...others] = columns.map((column) => ({ ...column, width: widthOf(column, layout) }));
  if (label === undefined) return [];
  const narrow = Math.min(label.width, Math.max(LABEL_WIDTH, Math.floor(width * LABEL_SHARE)), width);
  let left = width - narrow;
  const fits = (column: Placed): boolean => {
    if (column.width + GAP > left) return false;
    left -= column.width + GAP;
    return true;
  };
  const sorted = others.find(({ id }) => id === sort.column);
  const kept = new Set(sorted !== undefined && fits(sorted) ? [sorted.id] : []);
  for (const column of others) {
    // What comes later matters less: it does not take the place of what did not fit.
    if (!kept.has(column.id) && !fits(column)) break;
    kept.add(column.id);
  }
  const shown = others.filter(({ id }) => kept.has(id));
  const last = shown.at(-1);
  const beyond = last === undefined ? 0 : Math.max(0, displayWidth(headText(last, layout)) - last.width);
  return [{ ...label, width: Math.max(1, Math.min(label.width, MAX_LABEL_WIDTH, narrow + left - beyond)) }, ...shown];
}

function widthOf(column: TableColumn, layout: TableLayout): number {
  const { id, isNumber } = column;
  let width = Math.max(displayWidth(printable(column.title)), isNumber ? NUMBER_WIDTH : 0);
  for (const { cells } of layout.rows) width = Math.max(width, displayWidth(printable(cells.get(id)?.text ?? MISSING)));
  return isNumber ? width : Math.min(width, MAX_TEXT_WIDTH);
}

/**
 * The head of a column and what parts it from the next. The arrow of the sorted one may stand in that gap: no column moves, or has
 * no room any more, where another one is sorted by.
 */
function headCell(column: Placed, layout: TableLayout): string {
  const text = headText(column, layout);
  const shown = displayWidth(text) > column.width + 1 ? clip(text, column.width) : text;
  return pad(pad(shown, column.width, column.isNumber ? 'right' : 'left'), column.width + GAP);
}

/** Its title, and which way the table is sorted by it; where nobody chooses, only the title. */
function headText({ id, title }: TableColumn, { sort, cursor }: TableLayout): string {
  const shown = printable(title);
  return id === sort.column && cursor !== undefined ? `${shown}${sort.isReversed ? '↑' : '↓'}` : shown;
}

function cell(text: string, { width, isNumber }: Placed): string {
  return pad(clip(text, width), width, isNumber ? 'right' : 'left');
}
