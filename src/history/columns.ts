import type { StatValue } from '../model/sample.ts';

/**
 * A recording is a table: a row for each sample, a column for each stat. These columns come first:
 *
 * | column      | type           | is                                                       |
 * | ----------- | -------------- | -------------------------------------------------------- |
 * | `time`      | `TIMESTAMP_NS` | `collected-at`, UTC                                      |
 * | `domain`    | `VARCHAR`      | its name                                                 |
 * | `uuid`      | `VARCHAR`      |                                                          |
 * | `provider`  | `VARCHAR`      |                                                          |
 * | `target`    | `VARCHAR`      |                                                          |
 * | `path`      | `VARCHAR`      | which object of the target; NULL where it has one        |
 * | `device`    | `VARCHAR`      | the host's device behind the object                      |
 * | `via`       | `VARCHAR`      | by which way the values came                             |
 * | `domain_id` | `VARCHAR`      | tells domains of one name apart                          |
 *
 * Then a column for each stat, by its name: `UBIGINT`, `BOOLEAN`, or `UBIGINT[]` for histograms, buckets in the kernel's order.
 * A stat that a sample does not have is NULL there.
 */
export const OBJECT_COLUMNS = [
  'time',
  'domain',
  'uuid',
  'provider',
  'target',
  'path',
  'device',
  'via',
  'domain_id',
] as const;

/** What a column of values holds. */
export type ValueKind = 'number' | 'boolean' | 'list';

/** The column of a stat with values of one kind. */
export interface Column {
  readonly stat: string;
  readonly kind: ValueKind;
  /** Its name in the file. */
  readonly column: string;
}

/** How the file's format calls each kind. */
export const SQL_TYPES: Readonly<Record<ValueKind, string>> = {
  number: 'UBIGINT',
  boolean: 'BOOLEAN',
  list: 'UBIGINT[]',
};

/** What kind of value it is. */
export function kindOf(value: StatValue): ValueKind {
  if (typeof value === 'bigint') return 'number';
  return typeof value === 'boolean' ? 'boolean' : 'list';
}

/**
 * Gives each stat the column of its name, or of the name with a number behind it where another has that already: names of
 * columns are the same to SQL whatever their case, and the first columns have names too. What is no plain text is no name.
 */
export class ColumnNames {
  readonly #columns = new Map<string, Column>();
  readonly #taken = new Set<string>(OBJECT_COLUMNS);

  /** Goes on with the names that a recording has. */
  keep(columns: readonly Column[]): void {
    for (const column of columns) {
      const key = keyOf(column.stat, column.kind);
      if (this.#columns.has(key)) continue;
      this.#columns.set(key, column);
      this.#taken.add(folded(column.column));
    }
  }

  /** The column of a stat's values of one kind; always the same. */
  of(stat: string, kind: ValueKind): Column {
    const key = keyOf(stat, kind);
    const known = this.#columns.get(key);
    if (known !== undefined) return known;
    const wished = stat.toWellFormed().replaceAll(/\p{Cc}/gu, '_') || '_';
    let column = wished;
    for (let nth = 2; this.#taken.has(folded(column)); nth++) column = `${wished}_${nth}`;
    const made: Column = { stat, kind, column };
    this.keep([made]);
    return made;
  }
}

function keyOf(stat: string, kind: ValueKind): string {
  return `${kind} ${stat}`;
}

function folded(column: string): string {
  return column.toLowerCase();
}
