import type { TopTable } from './table.ts';

/** How many figures are remembered for a trend. */
export const HISTORY_LENGTH = 60;

type History = readonly (number | undefined)[];

/** The figures of tables' rows from look to look, for their trends. */
export class Histories {
  readonly #byTable = new Map<string, Map<string, Map<string, History>>>();

  /** Remembers a table's figures as they are now; rows that are gone are forgotten. */
  note(key: string, { rows, columns }: TopTable): void {
    const before = this.#byTable.get(key);
    const next = new Map<string, Map<string, History>>();
    for (const row of rows) {
      const known = before?.get(row.key);
      const own = new Map<string, History>();
      for (const { id } of columns) {
        const rank = row.cells.get(id)?.rank;
        const figure = typeof rank === 'number' ? rank : undefined;
        const history = known?.get(id);
        if (figure !== undefined || history !== undefined) {
          own.set(id, [...(history ?? []), figure].slice(-HISTORY_LENGTH));
        }
      }
      next.set(row.key, own);
    }
    this.#byTable.set(key, next);
  }

  /** The figures of a row's column, the newest last. */
  of(key: string, row: string, column: string): History {
    return this.#byTable.get(key)?.get(row)?.get(column) ?? [];
  }

  /** Forgets all tables but those. */
  retain(keys: readonly string[]): void {
    for (const key of this.#byTable.keys()) if (!keys.includes(key)) this.#byTable.delete(key);
  }

  /** Forgets everything. */
  clear(): void {
    this.#byTable.clear();
  }
}
