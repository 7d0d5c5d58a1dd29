import type { StatDescriptor } from '../../model/stat.ts';
import { domainNames } from '../domain-names.ts';
import { staleText } from '../render/query-text.ts';
import { scaled } from '../render/scaled.ts';
import { sparkline } from '../render/sparkline.ts';
import { tableLines } from '../render/table.ts';
import { clip, displayWidth, pad, printable } from '../render/text.ts';
import type { Paint } from '../terminal.ts';
import type { Board, BoardRow, BoardSection } from './board.ts';
import type { FrameSize } from './frames.tsx';

/** The widest that a column of rates gets. */
const MAX_COLUMN_WIDTH = 22;

/** Width that a rate needs, whatever its stat is called. */
const RATE_WIDTH = 12;

/** A board as lines for the room that there is: what does not fit is left out, the liveliest stats last. */
export function boardLines(board: Board, title: string, size: FrameSize, paint: Paint): readonly string[] {
  const sections = board.sections.filter(({ rows }) => rows.length > 0);
  const body = sections.flatMap((section) => ['', ...sectionLines(section, size.columns, paint)]);
  const failures = board.failures.map(({ domain, message }) =>
    paint('red', clip(printable(`${domain.name}: ${message}`), size.columns)),
  );
  const head = paint('bold', clip(printable(title), size.columns));
  const room = Math.max(0, size.rows - 1 - failures.length);
  const hidden = body.length - room;
  const shown =
    hidden > 0 ? [...body.slice(0, Math.max(0, room - 1)), paint('dim', `… ${hidden + 1} more lines`)] : body;
  return [head, ...(sections.length === 0 ? ['', 'no values yet'] : shown), ...failures].slice(0, size.rows);
}

function sectionLines({ target, columns, rows }: BoardSection, width: number, paint: Paint): string[] {
  const nameOf = domainNames(rows.map(({ domain }) => domain));
  const labels = rows.map((row, index) => nameOf(row.domain) + objectOf(row, rows, index)).map(printable);
  const labelWidth = Math.max(...[target, ...labels].map(displayWidth));
  const [trend] = columns;
  const shown = fitting(columns, width - labelWidth - (trend === undefined ? 0 : 14));
  const header = [
    target,
    ...shown.map(({ name }) => clip(printable(name), MAX_COLUMN_WIDTH)),
    trend === undefined ? '' : 'trend',
  ];
  const cells = rows.map((row, index) => [
    labels[index] ?? '',
    ...shown.map((stat) => rateCell(row, stat)),
    trend === undefined ? '' : sparkline(row.rates.get(trend.name) ?? []),
  ]);
  const right = new Set(shown.map((_, index) => index + 1));
  const [first = '', ...lines] = tableLines([header, ...cells], { right });
  const quiet = columns.length === 0 ? [paint('dim', '  nothing moves')] : [];
  return [
    paint('dim', clip(first, width)),
    ...lines.map((line, index) => rowLine(line, rows[index], width, paint)),
    ...quiet,
  ];
}

/** As many of the liveliest stats as there is room for. */
function fitting(columns: readonly StatDescriptor[], room: number): readonly StatDescriptor[] {
  let left = room;
  return columns.filter(({ name }) => {
    if (left < 0) return false;
    left -= Math.max(RATE_WIDTH, Math.min(displayWidth(printable(name)), MAX_COLUMN_WIDTH)) + 2;
    return left >= 0;
  });
}

/** Which object of its domain a row is about: by number where there are several, since paths are long. */
function objectOf({ domain, sample }: BoardRow, rows: readonly BoardRow[], index: number): string {
  const first = rows.findIndex((row) => row.domain.id === domain.id && row.sample.provider === sample.provider);
  return sample.path === undefined ? '' : ` #${index - first}`;
}

function rateCell({ rates }: BoardRow, stat: StatDescriptor): string {
  const rate = rates.get(stat.name)?.at(-1);
  return pad(rate === undefined ? '-' : scaled(rate, stat, '/s'), RATE_WIDTH, 'right');
}

function rowLine(line: string, row: BoardRow | undefined, width: number, paint: Paint): string {
  const stale = row?.sample.stale;
  if (stale === undefined) return clip(line, width);
  return paint('yellow', clip(`${line}  ${staleText(stale)}`, width));
}
