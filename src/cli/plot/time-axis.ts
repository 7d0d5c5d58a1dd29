import type { TimeSpan } from './panel.ts';
import { timeTicks } from './time-ticks.ts';

/** Columns that the axis takes beside the labels at its left and the picture. */
export const AXIS_COLUMNS = 6;

/** Columns from one time to the next, at least. */
const BETWEEN_TIMES = 4;

/** The axis below a picture of that many columns, in two lines: a rule with marks, and the times at them. */
export function timeAxisLine(span: TimeSpan, columns: number, indent: number): readonly string[] {
  const { startMs, endMs } = span;
  const rule = Array.from({ length: columns }, () => '─');
  let times = '';
  for (const { atMs, text } of timeTicks(span, columns, BETWEEN_TIMES)) {
    const column = endMs === startMs ? 0 : Math.round(((atMs - startMs) / (endMs - startMs)) * (columns - 1));
    // In the middle below its mark, but never beyond the ends.
    const at = Math.max(0, Math.min(columns - text.length, column - Math.floor(text.length / 2)));
    if (times !== '' && at <= times.length) continue;
    rule[column] = '┴';
    times = times.padEnd(at) + text;
  }
  const blanks = ' '.repeat(indent);
  return [`${blanks}└${rule.join('')}`, `${blanks} ${times} UTC`];
}
