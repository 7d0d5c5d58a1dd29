import { writeOutputFile } from '../../host/output-file.ts';
import type { FrameSize } from '../live/frames.tsx';
import type { Paint, Terminal } from '../terminal.ts';
import { heatPanelText } from './heat-text.ts';
import { MAX_NAMED } from './legend.ts';
import { linePanelText, type PanelSize } from './line-text.ts';
import type { Panel } from './panel.ts';

/** Where the pictures go; the terminal, where neither file is named. */
export interface Outlet {
  /** Path of an SVG file. */
  readonly svg?: string;
  /** Path of an HTML file. */
  readonly html?: string;
}

/** Columns and rows where nobody looks: a pipe or a file. */
const UNSEEN: FrameSize = { columns: 100, rows: 24 };

/** Rows of a panel's picture, at least and at most. */
const MIN_ROWS = 4;
const MAX_ROWS = 16;

/** Rows that a panel of lines takes beside its picture and its legend: title, axis, a blank line. */
const AROUND_ROWS = 4;

/** Gives the pictures out. @throws PATH_NOT_FOUND, ACCESS_DENIED, OUTPUT_FAILED */
export async function giveOut(
  panels: readonly Panel[],
  title: string,
  { svg, html }: Outlet,
  terminal: Terminal,
): Promise<void> {
  // A library of charts is behind it, which a picture on the terminal need not wait for.
  if (svg !== undefined) writeOutputFile(svg, (await import('./svg.ts')).panelsSvg(panels));
  if (html !== undefined) writeOutputFile(html, (await import('./html.ts')).panelsHtml(panels, title));
  if (svg === undefined && html === undefined) {
    const size = terminal.size ?? UNSEEN;
    // What is printed once may be scrolled through: each picture is as high as looks good.
    const rows = Math.max(MIN_ROWS, Math.min(MAX_ROWS, size.rows - AROUND_ROWS));
    terminal.out(`${panelLines(panels, { columns: size.columns, rows }, terminal.paint).join('\n')}\n`);
  }
}

/** The panels below each other as text, for pictures of that many rows. */
export function panelLines(panels: readonly Panel[], size: PanelSize, paint: Paint): readonly string[] {
  return panels.flatMap((panel, index) => [
    ...(index === 0 ? [] : ['']),
    ...(panel.kind === 'lines' ? linePanelText(panel, size, paint) : heatPanelText(panel, size, paint)),
  ]);
}

/** The panels as they fit on a screen: the pictures share the rows; what does not fit is cut. */
export function screenLines(panels: readonly Panel[], { columns, rows }: FrameSize, paint: Paint): readonly string[] {
  const room = Math.floor(rows / Math.max(1, panels.length)) - AROUND_ROWS;
  // What is not named takes a line that says so.
  const maxNamed = Math.max(1, Math.min(MAX_NAMED, room - MIN_ROWS - 1));
  const legends = panels.map((panel) => (panel.kind === 'lines' ? Math.min(panel.lines.length, maxNamed + 1) : 0));
  const share = Math.floor(room - legends.reduce((sum, count) => sum + count, 0) / Math.max(1, panels.length));
  const size = { columns, rows: Math.max(MIN_ROWS, Math.min(MAX_ROWS, share)), maxNamed };
  const lines = panelLines(panels, size, paint);
  return lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`];
}
