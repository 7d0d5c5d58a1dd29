/** Keys as the screen names them: a character, or one of these words. */
export type KeyName =
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'pageup'
  | 'pagedown'
  | 'home'
  | 'end'
  | 'enter'
  | 'escape'
  | 'backspace'
  | 'ctrl-c'
  | (string & Record<never, never>);

/** What the help says, key by key; an empty line parts the groups. */
export const KEY_HELP: readonly (readonly [keys: string, meaning: string])[] = [
  ['Up Down PgUp PgDn Home End', 'move the cursor'],
  ['Enter, Right', 'into a domain, its objects, their stats, one stat'],
  ['Esc, Left, Backspace', 'back'],
  ['b', 'all stats of all domains together, and back'],
  ['', ''],
  ['P  M  T  D  N', 'sort by CPU, memory, CPU time, run-queue delay, name'],
  ['<  >', 'sort by the column before, behind'],
  ['R', 'sort the other way round'],
  ['o', 'sort stats by total, by rate; a histogram: newest'],
  ['', ''],
  ['f  /', 'filter by a regular expression'],
  ['g  p', 'filter domains by name, uuid or process id'],
  ['c', 'clear the filter'],
  ['F', 'columns: short names, any stat as PROVIDER:STAT'],
  ['', ''],
  ['s  d', 'set the seconds between refreshes'],
  ['Space', 'refresh now, also while paused'],
  ['Z', 'pause, go on'],
  ['r', 'count totals and trends from now on'],
  ['h  ?', 'this help'],
  ['q, Ctrl-C', 'quit'],
];
