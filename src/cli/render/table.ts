import { displayWidth, pad } from './text.ts';

/** How a table is laid out. */
export interface TableOptions {
  /** Columns that stand at the right: numbers. */
  readonly right?: ReadonlySet<number>;
  /** What stands before each line. */
  readonly indent?: string;
}

/** Rows as lines, in columns as wide as their widest cell, two blanks apart; no blanks at the end of a line. */
export function tableLines(rows: readonly (readonly string[])[], options: TableOptions = {}): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, displayWidth(cell));
  }
  return rows.map((row) => {
    const cells = row.map((cell, column) =>
      pad(cell, widths[column] ?? 0, options.right?.has(column) ? 'right' : 'left'),
    );
    return `${options.indent ?? ''}${cells.join('  ')}`.trimEnd();
  });
}
