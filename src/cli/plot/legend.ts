import { clip, printable } from '../render/text.ts';
import type { Paint, Style } from '../terminal.ts';
import type { ChartLine, LinePanel } from './panel.ts';
import { valueText } from './value-text.ts';

/** The most lines that are named: nobody tells more of them apart. */
export const MAX_NAMED = 20;

/** The styles of the lines, one after the other. */
const STYLES: readonly Style[] = ['cyan', 'yellow', 'green', 'magenta', 'blue', 'red'];

/** One letter for each line that is named, at its end and in the legend: lines are told apart where there are no colours, too. */
const MARKS = 'abcdefghijklmnopqrstuvwxyz';

/** The places of the lines that are named: all, or of many those that reach highest, the highest first. */
export function namedLines(lines: readonly ChartLine[], maxNamed: number = MAX_NAMED): readonly number[] {
  const places = lines.map((_, place) => place);
  // That there is one more would take as much room as the one.
  if (lines.length <= maxNamed + 1) return places;
  const tops = lines.map(({ points }) => points.reduce((top, { value = top }) => Math.max(top, value), -Infinity));
  return places.toSorted((a, b) => tops[b]! - tops[a]!).slice(0, maxNamed);
}

/** The named lines with their last, least and largest value, and how many there are besides. */
export function legendLines(
  { lines, scale, suffix }: LinePanel,
  named: readonly number[],
  width: number,
  paint: Paint,
): readonly string[] {
  const text = (raw: number): string => printable(valueText(raw, scale, suffix));
  const entries = named.map((place, nth) => {
    const { label, points } = lines[place]!;
    const values = points.flatMap(({ value }) => value ?? []);
    const last = points.at(-1)?.value;
    const numbers =
      values.length === 0
        ? 'no value'
        : `last ${last === undefined ? '-' : text(last)}, min ${text(least(values))}, max ${text(most(values))}`;
    const mark = lines.length < 2 ? '' : `${paint(styleOf(place), markOf(nth))} `;
    return `  ${mark}${clip(`${printable(label)}  ${numbers}`, width - 4)}`;
  });
  const others = lines.length - named.length;
  const note = `… and ${others} more that reach no higher (--domain chooses)`;
  return others === 0 ? entries : [...entries, `  ${clip(note, width - 2)}`];
}

/** The style of the line at a place. */
export function styleOf(place: number): Style {
  return STYLES[place % STYLES.length] as Style;
}

/** The letter of the nth line that is named. */
export function markOf(nth: number): string {
  return MARKS[nth % MARKS.length] as string;
}

/** There may be more values than a call takes arguments. */
export function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b));
}

/** See {@link least}. */
export function most(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b));
}
