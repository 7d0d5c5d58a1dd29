import type { Column } from './columns.ts';
import type { Sort } from './table.ts';

/** What of whom is looked at: all domains or one, all targets or one, all of its objects or one. */
export interface Scope {
  /** Its `id`. */
  readonly domain?: string;
  readonly target?: string;
  /** Empty for an object that has no path. */
  readonly path?: string;
}

/** One stat of somebody. */
export interface StatKey {
  readonly target: string;
  readonly provider: string;
  readonly name: string;
}

/** A screen: all domains; the objects of one; the stats of some objects; one stat. */
export type View =
  | { readonly kind: 'domains' }
  | { readonly kind: 'objects'; readonly domain: string }
  | { readonly kind: 'stats'; readonly scope: Scope }
  | { readonly kind: 'stat'; readonly scope: Scope; readonly stat: StatKey };

/** A screen as somebody left it. */
export interface Level {
  readonly view: View;
  readonly sort: Sort;
  /** A pattern; empty: everything. */
  readonly filter: string;
  /** Key of the row that the cursor follows; undefined: it stays on the first one. */
  readonly selected: string | undefined;
}

/** What is being typed. */
export interface Prompt {
  readonly kind: 'filter' | 'delay' | 'columns';
  readonly text: string;
  /** The filter as it was before. */
  readonly before: string;
}

/** What `top` shows and how. It changes by keys alone. */
export interface TopState {
  readonly columns: readonly Column[];
  /** From one look to the next, in milliseconds. */
  readonly intervalMs: number;
  readonly isPaused: boolean;
  /** The way into the screen that is shown, which is the last. */
  readonly levels: readonly [Level, ...Level[]];
  readonly prompt: Prompt | undefined;
  /** One line for people, until the next key. */
  readonly message: string | undefined;
  readonly isHelpShown: boolean;
  /** True where totals count from the last `r`. */
  readonly isRebased: boolean;
  /** True where histograms show what they counted between the last two looks. */
  readonly isRecent: boolean;
  /** How often a look was asked for out of turn. */
  readonly looks: number;
  /** How often totals were set back. */
  readonly rebases: number;
  readonly hasQuit: boolean;
}

/** The column that each screen is sorted by at first. */
const FIRST_SORT: Readonly<Record<View['kind'], string>> = {
  domains: 'cpu',
  objects: 'object',
  stats: 'rate',
  stat: 'object',
};

/** A screen as it is when it is entered. */
export function levelOf(view: View, sort: string = FIRST_SORT[view.kind]): Level {
  return { view, sort: { column: sort, isReversed: false }, filter: '', selected: undefined };
}

/** What a session begins with. */
export interface FirstState {
  readonly columns: readonly Column[];
  readonly intervalMs: number;
  /** Id of a column, or `name`; that of the CPU if absent. */
  readonly sort?: string;
  readonly filter?: string;
}

/** The state that a session begins with: all domains. */
export function firstState({ columns, intervalMs, sort, filter = '' }: FirstState): TopState {
  return {
    columns,
    intervalMs,
    isPaused: false,
    levels: [{ ...levelOf({ kind: 'domains' }, sort), filter }],
    prompt: undefined,
    message: undefined,
    isHelpShown: false,
    isRebased: false,
    isRecent: false,
    looks: 0,
    rebases: 0,
    hasQuit: false,
  };
}

/** The screen that is shown. */
export function currentLevel({ levels }: TopState): Level {
  return levels.at(-1) ?? levels[0];
}

/** The state with its current screen replaced. */
export function withLevel(state: TopState, change: Partial<Level>): TopState {
  const level = { ...currentLevel(state), ...change };
  const [first, ...others] = [...state.levels.slice(0, -1), level];
  return { ...state, levels: [first ?? level, ...others] };
}

/** The domain that a screen is about; undefined where it is about all. */
export function domainOf(view: View): string | undefined {
  if (view.kind === 'domains') return undefined;
  return view.kind === 'objects' ? view.domain : view.scope.domain;
}

/** Tells screens apart, for what is remembered of each. */
export function keyOfView(view: View): string {
  return JSON.stringify(view);
}
