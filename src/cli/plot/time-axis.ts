import type { TimeSpan } from './panel.ts';
import { spansDays, timeText } from './ticks.ts';

/** Columns that the axis takes beside the labels at its left and the picture. */
export const AXIS_COLUMNS = 6;

/** Columns from one time to the next, at least: a time and a blank on each side. */
const BETWEEN_TIMES = 4;

/** The axis below a picture of that many columns, in two lines: a rule with marks, and the times at them. */
export function timeAxisLine({ startMs, endMs }: TimeSpan, columns: number, indent: number): readonly string[] {
  const withDay = spansDays(startMs, endMs);
  const width = timeText(startMs, withDay).length;
  const count = Math.max(1, Math.floor((columns + BETWEEN_TIMES) / (width + BETWEEN_TIMES)));
  const rule = Array.from({ length: columns }, () => '─');
  let times = '';
  let before = '';
  for (let index = 0; index < count; index++) {
    const column = count === 1 ? 0 : Math.round((index * (columns - 1)) / (count - 1));
    const text = timeText(startMs + ((endMs - startMs) * column) / Math.max(1, columns - 1), withDay);
    // A short plot has fewer seconds than places for them.
    if (text === before) continue;
    before = text;
    rule[column] = '┴';
    // In the middle below its mark, but never beyond the ends.
    const at = Math.min(columns - width, Math.max(0, column - Math.floor(width / 2)));
    if (at >= times.length) times = times.padEnd(at) + text;
  }
  const blanks = ' '.repeat(indent);
  return [`${blanks}└${rule.join('')}`, `${blanks} ${times} UTC`];
}
