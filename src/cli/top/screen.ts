import { domainNames } from '../domain-names.ts';
import type { FrameSize } from '../live/frames.tsx';
import { tableLines } from '../render/table.ts';
import { clip, printable } from '../render/text.ts';
import type { Paint } from '../terminal.ts';
import type { TopData } from './data.ts';
import { NAME } from './domain-tables.ts';
import type { Histories } from './histories.ts';
import { KEY_HELP } from './keys.ts';
import { layoutLines } from './layout.ts';
import { objectsOf } from './objects.ts';
import { problemLines } from './problem-lines.ts';
import { statLines } from './stat-lines.ts';
import { objectsWith } from './stat-tables.ts';
import { currentLevel, keyOfView, type Level, type Scope, type TopState } from './state.ts';
import type { TableRow, TopTable } from './table.ts';
import { cursorIn, rowsOf, tableOf, trendColumn } from './view-table.ts';

/** What a screen is drawn from. */
export interface ScreenOptions {
  readonly data: TopData;
  readonly histories: Histories;
  /** The time now: nanoseconds since 1970. */
  readonly nowNs: bigint;
  readonly paint: Paint;
}

/** Lines above the table: the title, and what is typed or said. */
const TOP_LINES = 2;

/** Lines of a screen that are not rows of its table. */
export const OTHER_LINES: number = TOP_LINES + 1;

/** The most that went wrong and is told at once. */
const MAX_PROBLEM_LINES = 4;

const HINT = '? help  q quit';

/** The screen for the room that there is: at most `rows` lines of at most `columns` columns. */
export function screenLines(
  state: TopState,
  options: ScreenOptions,
  { columns: width, rows }: FrameSize,
): readonly string[] {
  const { data, nowNs, paint } = options;
  if (state.isHelpShown) return helpLines(width).slice(0, rows);
  const table = tableOf(state, data, nowNs);
  const all = rowsOf(state, table);
  const problems = problemLines(data, nowNs);
  const told = Math.min(problems.length, MAX_PROBLEM_LINES, Math.floor(rows / 4));
  const room = Math.max(0, rows - TOP_LINES - told);
  const below = linesBelow(state, data, all, width);
  const tableRoom = below.length === 0 ? room : Math.max(2, Math.min(all.length + 1, Math.floor(room / 3)));
  const cursor = cursorIn(state, all);
  const page = Math.max(1, tableRoom - 1);
  const first = Math.min(Math.floor(cursor / page) * page, Math.max(0, all.length - page));
  const shown = all.slice(first, first + page);
  const body = [
    ...layoutLines({ ...layoutOf(state, table, options, width), rows: shown, cursor: cursor - first }),
    ...(all.length === 0 ? [`  ${clip(whyEmpty(state, table, data), Math.max(0, width - 2))}`] : []),
    ...below.map((line) => clip(line, width)),
  ];
  const part = shown.length < all.length ? `${first + 1}-${first + shown.length} of ${all.length}` : '';
  return [
    paint('bold', clip(titleOf(state, options, part), width)),
    statusLine(state, width, paint),
    ...body.slice(0, room),
    ...Array<string>(Math.max(0, room - body.length)).fill(''),
    ...cutProblems(problems, told).map((line) => paint('red', clip(line, width))),
  ].slice(0, rows);
}

/** All domains as plain lines of any width: what a script reads. */
export function batchLines(state: TopState, options: ScreenOptions): readonly string[] {
  const { data, nowNs } = options;
  const width = Number.MAX_SAFE_INTEGER;
  const table = tableOf(state, data, nowNs);
  const layout = layoutOf(state, table, options, width);
  return [
    titleOf(state, options, ''),
    ...layoutLines({ ...layout, rows: rowsOf(state, table), cursor: undefined, trend: undefined }),
    ...problemLines(data, nowNs),
  ];
}

function layoutOf(state: TopState, table: TopTable, { histories, paint }: ScreenOptions, width: number) {
  const level = currentLevel(state);
  const column = trendColumn(state, table);
  const key = keyOfView(level.view);
  const trend =
    column === undefined ? undefined : { column, of: (row: TableRow) => histories.of(key, row.key, column) };
  return { columns: table.columns, width, sort: level.sort, trend, paint };
}

/** What stands behind the name: the time, who is there, where one is, and how it is shown. */
function titleOf(state: TopState, { data, nowNs }: ScreenOptions, part: string): string {
  const { domains } = data;
  const count = `${domains.length} ${domains.length === 1 ? 'domain' : 'domains'}`;
  const level = currentLevel(state);
  const words = [
    'virtstat top',
    new Date(Number(nowNs / 1_000_000n)).toTimeString().slice(0, 8),
    ...(level.view.kind === 'domains' ? [count] : [whereText(state, data)]),
    part,
    state.isPaused ? 'PAUSED' : `every ${state.intervalMs / 1000} s`,
    level.filter === '' ? '' : `filter ${level.filter}`,
  ];
  return printable(words.filter((word) => word !== '').join('  '));
}

function statusLine({ prompt, message }: TopState, width: number, paint: Paint): string {
  if (prompt !== undefined) {
    const what = {
      filter: 'filter (regular expression): ',
      delay: 'seconds between refreshes: ',
      columns: 'columns: ',
    };
    return promptText(what[prompt.kind], `${prompt.text}_`, width);
  }
  if (message !== undefined) return paint('yellow', clip(printable(message), width));
  return paint('dim', clip(HINT, width));
}

/** What is asked for, and of what is typed as much as there is room for: the end is where somebody types. */
function promptText(what: string, typed: string, width: number): string {
  const characters = [...printable(typed)];
  const room = Math.max(0, width - what.length);
  const shown = characters.length <= room ? characters : ['…', ...characters.slice(characters.length - room + 1)];
  return clip(`${what}${shown.join('')}`, width);
}

/** The way to the screen that is shown: `web-1 > vcpu #0 > exits`. */
function whereText(state: TopState, data: TopData): string {
  const { view } = currentLevel(state);
  if (view.kind === 'domains') return '';
  const scope: Scope = view.kind === 'objects' ? { domain: view.domain } : view.scope;
  const words = [nameOfDomain(data, scope.domain)];
  if (scope.target !== undefined) words.push(labelOf(data, scope));
  if (view.kind === 'stat') words.push(`${view.stat.provider} ${view.stat.name}`);
  return words.join(' > ');
}

function nameOfDomain(data: TopData, id: string | undefined): string {
  const domain = id === undefined ? undefined : data.domain(id);
  return domain === undefined ? 'all domains' : domainNames(data.domains)(domain);
}

function labelOf(data: TopData, { domain = '', target = '', path }: Scope): string {
  if (path === undefined) return target;
  const objects = objectsOf(data.tracks('all').of(domain));
  return objects.find((object) => object.target === target && object.path === path)?.label ?? target;
}

function linesBelow(state: TopState, data: TopData, rows: readonly TableRow[], width: number): readonly string[] {
  const { view }: Level = currentLevel(state);
  if (view.kind !== 'stat') return [];
  const key = rows[cursorIn(state, rows)]?.key;
  const lines = statLines(objectsWith(data, view.scope, view.stat, key), { isRecent: state.isRecent, width });
  return lines.length === 0 ? [] : ['', ...lines];
}

function whyEmpty(state: TopState, table: TopTable, data: TopData): string {
  if (table.rows.length > 0) return 'nothing fits the filter (c clears it)';
  if (table.columns[0]?.id === NAME) {
    if (!data.hasSearched) return 'looking for virtual machines';
    return data.problems.length > 0 ? 'nothing could be read' : 'no virtual machine is there';
  }
  return currentLevel(state).view.kind === 'stat' ? 'nobody has this stat now' : 'no values yet';
}

function cutProblems(lines: readonly string[], room: number): readonly string[] {
  if (lines.length <= room) return lines;
  return room === 0 ? [] : [...lines.slice(0, room - 1), `… and ${lines.length - room + 1} more that went wrong`];
}

function helpLines(width: number): readonly string[] {
  const rows = KEY_HELP.map(([keys, meaning]) => [keys, meaning]);
  return [...tableLines(rows), '', 'any key goes back'].map((line) => clip(line, width));
}
