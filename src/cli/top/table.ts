/** A column of a table. */
export interface TableColumn {
  readonly id: string;
  readonly title: string;
  /** True for numbers, which stand at the right. */
  readonly isNumber: boolean;
}

/** What stands in one place of a table. */
export interface TableCell {
  readonly text: string;
  /** What it is sorted by, and what its trend is made of where it is a number. */
  readonly rank: number | string;
}

/** A row. What it has no cell for is not known. */
export interface TableRow {
  /** Tells it apart from the others, from look to look. */
  readonly key: string;
  readonly cells: ReadonlyMap<string, TableCell>;
  /** What a filter looks at. */
  readonly searched: readonly string[];
  /** True where its figures are old. */
  readonly isStale: boolean;
}

/** A table before it is sorted; the first column is what a row is called. */
export interface TopTable {
  /** True where the order of the rows is the one that the first column sorts by. */
  readonly isOrdered: boolean;
  readonly columns: readonly TableColumn[];
  readonly rows: readonly TableRow[];
}

/** How a table is sorted. */
export interface Sort {
  /** The id of a column. */
  readonly column: string;
  /** True for the opposite of what is usual: numbers from the largest down, texts from a to z. */
  readonly isReversed: boolean;
}

/** The rows that fit a filter, sorted; a row that has nothing in that column stands last either way. */
export function arranged(table: TopTable, sort: Sort, filter: RegExp | undefined): readonly TableRow[] {
  const rows =
    filter === undefined ? table.rows : table.rows.filter(({ searched }) => searched.some((text) => filter.test(text)));
  if (table.isOrdered && sort.column === table.columns[0]?.id) return sort.isReversed ? rows.toReversed() : rows;
  const sign = sort.isReversed ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [left, right] = [a.cells.get(sort.column)?.rank, b.cells.get(sort.column)?.rank];
    if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined);
    return sign * compared(left, right);
  });
}

/** The pattern of a filter, without regard to case; undefined where it is empty or wrong. */
export function filterOf(pattern: string): RegExp | undefined {
  if (pattern === '') return undefined;
  try {
    return new RegExp(pattern, 'i');
  } catch {
    return undefined;
  }
}

/** True where {@link filterOf} can take it. */
export function isPattern(pattern: string): boolean {
  return pattern === '' || filterOf(pattern) !== undefined;
}

/** Numbers from the largest down, texts from a to z. */
function compared(left: number | string, right: number | string): number {
  if (typeof left === 'number' && typeof right === 'number') return right - left;
  return String(left) < String(right) ? -1 : Number(String(left) > String(right));
}
