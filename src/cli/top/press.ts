import { VirtstatError } from '../../model/errors.ts';
import { parseInterval } from '../arguments.ts';
import { parseColumns } from './columns.ts';
import type { TopData } from './data.ts';
import { NAME, objectOfKey } from './domain-tables.ts';
import type { KeyName } from './keys.ts';
import { statOfKey } from './stat-tables.ts';
import {
  currentLevel,
  domainOf,
  type Level,
  levelOf,
  type Prompt,
  type TopState,
  type View,
  withLevel,
} from './state.ts';
import { isPattern, type TopTable } from './table.ts';
import { cursorIn, rowsOf, tableOf } from './view-table.ts';

/** What a key acts on, beside the state. */
export interface PressContext {
  readonly data: TopData;
  readonly nowNs: bigint;
  /** Rows of the table that fit on the screen, at least 1. */
  readonly pageRows: number;
}

/** The longest text that can be typed. */
const MAX_TYPED = 1000;

type Action = (state: TopState, context: PressContext) => TopState;

/** What each key does. Those that are missing do nothing. */
const ACTIONS: Readonly<Record<string, Action>> = {
  up: (state, context) => moved(state, context, -1),
  down: (state, context) => moved(state, context, 1),
  pageup: (state, context) => moved(state, context, -context.pageRows),
  pagedown: (state, context) => moved(state, context, context.pageRows),
  home: (state) => withLevel(state, { selected: undefined }),
  end: (state, context) => moved(state, context, Number.MAX_SAFE_INTEGER),
  enter: entered,
  right: entered,
  escape: left,
  left,
  backspace: left,
  b: (state) => {
    const isWithin = currentLevel(state).view.kind !== 'domains';
    return isWithin ? outside(state) : inside(state, { kind: 'stats', scope: {} });
  },
  P: (state, context) => sortedBy(state, context, ['cpu']),
  M: (state, context) => sortedBy(state, context, ['mem', 'rss', 'balloon']),
  T: (state, context) => sortedBy(state, context, ['time']),
  D: (state, context) => sortedBy(state, context, ['delay']),
  N: (state, context) => sortedBy(state, context, [NAME, 'object', 'stat']),
  '<': (state, context) => sortedBeside(state, context, -1),
  '>': (state, context) => sortedBeside(state, context, 1),
  R: (state) => {
    const { sort } = currentLevel(state);
    return withLevel(state, { sort: { ...sort, isReversed: !sort.isReversed } });
  },
  o: (state) => {
    const { view, sort } = currentLevel(state);
    if (view.kind === 'stat') return { ...state, isRecent: !state.isRecent };
    if (view.kind !== 'stats') return state;
    return withLevel(state, { sort: { column: sort.column === 'rate' ? 'total' : 'rate', isReversed: false } });
  },
  f: (state) => prompting(state, 'filter'),
  '/': (state) => prompting(state, 'filter'),
  g: (state) => prompting(outside(state), 'filter'),
  p: (state) => prompting(outside(state), 'filter'),
  c: (state) => withLevel(state, { filter: '' }),
  F: (state) => prompting(state, 'columns'),
  s: (state) => prompting(state, 'delay'),
  d: (state) => prompting(state, 'delay'),
  ' ': (state) => ({ ...state, looks: state.looks + 1 }),
  Z: (state) => ({ ...state, isPaused: !state.isPaused }),
  r: (state) => ({
    ...state,
    isRebased: currentLevel(state).view.kind !== 'domains',
    rebases: state.rebases + 1,
    message: 'totals and trends count from now on',
  }),
  h: (state) => ({ ...state, isHelpShown: true }),
  '?': (state) => ({ ...state, isHelpShown: true }),
  k: (state) => ({ ...state, message: 'virtstat only reads: it ends nothing' }),
  q: (state) => ({ ...state, hasQuit: true }),
};

/** What a key makes of the state. */
export function press(state: TopState, key: KeyName, context: PressContext): TopState {
  if (key === 'ctrl-c') return { ...state, hasQuit: true };
  const fresh = { ...state, message: undefined };
  if (state.prompt !== undefined) return typed(fresh, state.prompt, key, context);
  if (state.isHelpShown) return { ...fresh, isHelpShown: false };
  return Object.hasOwn(ACTIONS, key) ? (ACTIONS[key] as Action)(fresh, context) : fresh;
}

/** The state as it is after new data came: a screen about a domain that has gone is left. */
export function settled(state: TopState, data: TopData): TopState {
  const id = domainOf(currentLevel(state).view);
  if (id === undefined || data.domain(id) !== undefined) return state;
  return { ...outside(state), prompt: undefined, message: 'that virtual machine has gone' };
}

function moved(state: TopState, { data, nowNs }: PressContext, by: number): TopState {
  const rows = rowsOf(state, tableOf(state, data, nowNs));
  const index = Math.min(rows.length - 1, Math.max(0, cursorIn(state, rows) + by));
  return withLevel(state, { selected: rows[index]?.key });
}

function entered(state: TopState, { data, nowNs }: PressContext): TopState {
  const { view } = currentLevel(state);
  const rows = rowsOf(state, tableOf(state, data, nowNs));
  const row = rows[cursorIn(state, rows)];
  if (row === undefined) return state;
  const { key } = row;
  // Coming back, the cursor is where it was, whatever was sorted differently meanwhile.
  const here = withLevel(state, { selected: key });
  if (view.kind === 'domains') return inside(here, { kind: 'objects', domain: key });
  if (view.kind === 'objects') {
    return inside(here, { kind: 'stats', scope: { domain: view.domain, ...objectOfKey(key) } });
  }
  return view.kind === 'stats' ? inside(here, { kind: 'stat', scope: view.scope, stat: statOfKey(key) }) : state;
}

function left(state: TopState): TopState {
  const [first, ...others] = state.levels.slice(0, -1);
  if (first === undefined) return state;
  return { ...state, levels: [first, ...others], isRebased: others.length > 0 && state.isRebased };
}

function inside(state: TopState, view: View): TopState {
  return { ...state, levels: [...state.levels, levelOf(view)] };
}

/** The screen of all domains. */
function outside(state: TopState): TopState {
  return { ...state, levels: [state.levels[0]], isRebased: false };
}

function sortedBy(state: TopState, context: PressContext, ids: readonly string[]): TopState {
  const { columns, rows } = tableOf(state, context.data, context.nowNs);
  const there = ids.filter((each) => columns.some((column) => column.id === each));
  // A column that has nothing sorts nothing.
  const id = there.find((each) => rows.some(({ cells }) => cells.has(each))) ?? there[0];
  if (id === undefined) return { ...state, message: `there is no column ${ids[0]} here` };
  return withLevel(state, { sort: { column: id, isReversed: false } });
}

function sortedBeside(state: TopState, { data, nowNs }: PressContext, by: number): TopState {
  const { columns }: TopTable = tableOf(state, data, nowNs);
  const { sort } = currentLevel(state);
  const index = columns.findIndex(({ id }) => id === sort.column) + by;
  const id = columns[Math.min(columns.length - 1, Math.max(0, index))]?.id;
  return id === undefined ? state : withLevel(state, { sort: { column: id, isReversed: false } });
}

function prompting(state: TopState, kind: Prompt['kind']): TopState {
  const { filter } = currentLevel(state);
  const text = { filter: '', delay: '', columns: state.columns.map(({ id }) => id).join(',') }[kind];
  return { ...state, prompt: { kind, text, before: filter } };
}

function typed(state: TopState, prompt: Prompt, key: KeyName, context: PressContext): TopState {
  if (key === 'enter') return accepted({ ...state, prompt: undefined }, prompt, context);
  if (key === 'escape') return withFilterOf({ ...state, prompt: undefined }, prompt, prompt.before);
  const text = edited(prompt.text, key);
  if (text.length > MAX_TYPED) return state;
  const next = { ...state, prompt: { ...prompt, text } };
  return isPattern(text) ? withFilterOf(next, prompt, text) : next;
}

/** The text after a key; Ctrl-U begins anew, as in a shell. */
function edited(text: string, key: KeyName): string {
  if (key === 'ctrl-u') return '';
  if (key === 'backspace') return [...text].slice(0, -1).join('');
  return [...key].length === 1 ? text + key : text;
}

/** A filter is seen at work while it is typed. */
function withFilterOf(state: TopState, { kind }: Prompt, filter: string): TopState {
  return kind === 'filter' ? withLevel(state, { filter } satisfies Partial<Level>) : state;
}

function accepted(state: TopState, { kind, text, before }: Prompt, { data }: PressContext): TopState {
  if (kind === 'filter') {
    if (isPattern(text)) return withLevel(state, { filter: text });
    return { ...withLevel(state, { filter: before }), message: `${JSON.stringify(text)} is no regular expression` };
  }
  if (text === '') return state;
  try {
    return kind === 'delay'
      ? { ...state, intervalMs: parseInterval(text) }
      : { ...state, columns: parseColumns(text, data.offers) };
  } catch (error) {
    const { message } = VirtstatError.is(error) ? error : { message: 'it must be a number of seconds, at least 0.01' };
    return { ...state, message };
  }
}
