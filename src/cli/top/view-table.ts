import type { TopData } from './data.ts';
import { domainsTable, type FiguresView, objectsTable } from './domain-tables.ts';
import { statsTable, statTable } from './stat-tables.ts';
import { currentLevel, type TopState } from './state.ts';
import { arranged, filterOf, type TableRow, type TopTable } from './table.ts';

/** The table of the screen that is shown. */
export function tableOf(state: TopState, data: TopData, nowNs: bigint): TopTable {
  const { view } = currentLevel(state);
  const figures: FiguresView = { data, columns: state.columns, nowNs };
  switch (view.kind) {
    case 'domains':
      return domainsTable(figures);
    case 'objects':
      return objectsTable(view.domain, figures);
    case 'stats':
      return statsTable(data, view.scope, state.isRebased);
    case 'stat':
      return statTable(data, view.scope, view.stat, state.isRebased);
  }
}

/** The rows of a screen's table as they are shown. */
export function rowsOf(state: TopState, table: TopTable): readonly TableRow[] {
  const { sort, filter } = currentLevel(state);
  return arranged(table, sort, filterOf(filter));
}

/** Where the cursor is among these rows; the first one where its row is not there. */
export function cursorIn(state: TopState, rows: readonly TableRow[]): number {
  const { selected } = currentLevel(state);
  return Math.max(
    0,
    rows.findIndex(({ key }) => key === selected),
  );
}

/** The column whose trend is shown: what the table is sorted by, else the first that has figures. */
export function trendColumn(state: TopState, { columns }: TopTable): string | undefined {
  const { sort } = currentLevel(state);
  const numbers = columns.filter(({ isNumber }) => isNumber).map(({ id }) => id);
  if (numbers.includes(sort.column)) return sort.column;
  return numbers.includes('rate') ? 'rate' : numbers[0];
}
