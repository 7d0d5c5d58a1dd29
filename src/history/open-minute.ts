import type { DuckDBAppender, DuckDBConnection, DuckDBType, DuckDBValue } from '@duckdb/node-api';
import type { Domain } from '../model/domain.ts';
import type { Sample, StatEntry, StatValue } from '../model/sample.ts';
import { U64_MAX } from '../model/u64.ts';
import { type Column, type ColumnNames, kindOf, OBJECT_COLUMNS, SQL_TYPES, type ValueKind } from './columns.ts';
import type { Engine } from './duckdb.ts';
import { INFO_KEY } from './segment-info.ts';
import * as sql from './sql.ts';

/** A sample, and whose it is. */
export interface RowToRecord {
  readonly domain: Domain;
  readonly sample: Sample;
}

/** Rows of one chunk: the size of DuckDB's own vectors. */
const CHUNK_ROWS = 2048;

/** Texts of an object, in the order of their columns in the table of objects. */
const OBJECT_TEXTS = OBJECT_COLUMNS.filter((column) => column !== 'time');

/** The table that says what the objects are. */
const OBJECTS = 'objects';

/**
 * The samples of the minute that is being recorded, in tables in memory: one for each provider and target, with a column for
 * each stat, and one that says what the objects are. Calls must not overlap; the tables belong to a connection of its own,
 * because a minute is written while the next one is filled, and DuckDB ends a query when its connection begins another one.
 */
export class OpenMinute implements Disposable {
  readonly #engine: Engine;
  readonly #connection: DuckDBConnection;
  readonly #names: ColumnNames;
  readonly #groups = new Map<string, Group>();
  readonly #objects = new Map<string, number>();
  readonly #newObjects: (readonly (string | null)[])[] = [];
  #rowCount = 0;
  #valueCount = 0;

  private constructor(engine: Engine, connection: DuckDBConnection, names: ColumnNames) {
    this.#engine = engine;
    this.#connection = connection;
    this.#names = names;
  }

  /** Throws DuckDB's error. */
  static async open(engine: Engine, names: ColumnNames): Promise<OpenMinute> {
    return new OpenMinute(engine, await engine.connect(), names);
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  /** How many numbers it holds; a histogram counts as many as it has buckets. */
  get valueCount(): number {
    return this.#valueCount;
  }

  /** The columns of values that it has. */
  get columns(): readonly Column[] {
    const all = [...this.#groups.values()].flatMap(({ columns }) => columns);
    return [...new Map(all.map((column) => [column.column, column])).values()];
  }

  /** Adds the samples of a sweep. Throws DuckDB's error. */
  async add(rows: readonly RowToRecord[]): Promise<void> {
    const byGroup = Map.groupBy(rows, ({ sample: { provider, target } }) => JSON.stringify([provider, target]));
    for (const [key, ofGroup] of byGroup) {
      const group = this.#groups.get(key) ?? this.#newGroup(key);
      const layouts = ofGroup.map(({ sample }) => group.layoutOf(sample.stats, this.#names));
      await group.prepare(this.#connection);
      for (let from = 0; from < ofGroup.length; from += CHUNK_ROWS) {
        const part = ofGroup.slice(from, from + CHUNK_ROWS);
        const objects = part.map((row) => this.#objectOf(row));
        this.#valueCount += group.append(this.#engine, part, objects, layouts.slice(from, from + CHUNK_ROWS));
      }
    }
    this.#rowCount += rows.length;
  }

  /** Writes all of it to a file, as one row group, with what the file says of itself. Throws DuckDB's error. */
  async write(path: string, info: string): Promise<void> {
    const groups = [...this.#groups.values()];
    await this.#writeObjects();
    const values = this.columns.map(({ column }) => sql.identifier(column));
    const parts = groups.map(({ table, columns }, nth) => {
      const named = columns.map(({ column }, k) => `${columnAt(k)} AS ${sql.identifier(column)}`);
      return `SELECT ${nth} AS nth_group, object, time, ${named.join(', ')} FROM ${table}`;
    });
    await this.#connection.run(
      `COPY (SELECT ${[...OBJECT_COLUMNS, ...values].join(', ')} FROM (${parts.join(' UNION ALL BY NAME ')}) ` +
        `JOIN ${OBJECTS} USING (object) ORDER BY nth_group, object, time) TO ${sql.text(path)} ` +
        `(${copyOptions(this.#rowCount, info)})`,
    );
  }

  /** Gives its memory back. */
  [Symbol.dispose](): void {
    for (const group of this.#groups.values()) group.close();
    this.#connection.closeSync();
  }

  #newGroup(key: string): Group {
    const group = new Group(`group_${this.#groups.size}`);
    this.#groups.set(key, group);
    return group;
  }

  #objectOf({ domain, sample }: RowToRecord): number {
    const { provider, target, path, device, via } = sample;
    const key = [domain.id, domain.name, provider, target, path ?? '\n', device ?? '\n', via].join('\0');
    let object = this.#objects.get(key);
    if (object === undefined) {
      this.#objects.set(key, (object = this.#objects.size));
      this.#newObjects.push([domain.name, domain.uuid, provider, target, path, device, via, domain.id].map(recordable));
    }
    return object;
  }

  async #writeObjects(): Promise<void> {
    const columns = OBJECT_TEXTS.map((column) => `${column} VARCHAR`);
    await this.#connection.run(`CREATE TEMP TABLE ${OBJECTS} (object UINTEGER, ${columns.join(', ')})`);
    const { UINTEGER, VARCHAR, DuckDBDataChunk } = this.#engine.duckdb;
    const appender = await this.#connection.createAppender(OBJECTS);
    for (let from = 0; from < this.#newObjects.length; from += CHUNK_ROWS) {
      const part = this.#newObjects.slice(from, from + CHUNK_ROWS);
      const chunk = DuckDBDataChunk.create([UINTEGER, ...OBJECT_TEXTS.map(() => VARCHAR)], part.length);
      chunk.setColumns([
        part.map((_, index) => from + index),
        ...OBJECT_TEXTS.map((_, k) => part.map((texts) => texts[k] ?? null)),
      ]);
      appender.appendDataChunk(chunk);
    }
    appender.closeSync();
  }
}

/** How every file of a recording is written: what Parquet had from the beginning, which every reader knows. */
export function copyOptions(rowGroupSize: number, info: string): string {
  const group = `ROW_GROUP_SIZE ${Math.max(1, rowGroupSize)}`;
  return `FORMAT parquet, COMPRESSION zstd, ${group}, KV_METADATA {${INFO_KEY}: ${sql.text(info)}}`;
}

/** A text as a file can hold it. */
export function recordable(text: string | undefined): string | null {
  return text?.toWellFormed().replaceAll('\0', '\uFFFD') ?? null;
}

/** Which column each value of a sample belongs to. */
interface Layout {
  readonly names: readonly string[];
  readonly kinds: readonly ValueKind[];
  /** Places in {@link Group.columns}. */
  readonly places: readonly number[];
}

/** The samples of one provider and target. */
class Group {
  readonly table: string;
  readonly columns: Column[] = [];
  readonly #places = new Map<Column, number>();
  #layouts: Layout[] = [];
  /** How many columns the table has. */
  #columnsThere = 0;
  #appender: DuckDBAppender | undefined;

  constructor(table: string) {
    this.table = table;
  }

  /** The columns of a sample's values, which it adds where they are missing. Most samples are laid out like those before. */
  layoutOf(stats: readonly StatEntry[], names: ColumnNames): Layout {
    const known = this.#layouts.find((layout) => isLaidOut(stats, layout));
    if (known !== undefined) return known;
    const kinds = stats.map(({ value }) => kindOf(value));
    const layout: Layout = {
      names: stats.map(({ name }) => name),
      kinds,
      places: stats.map(({ name }, index) => this.#placeOf(names.of(name, kinds[index]!))),
    };
    this.#layouts = [layout, ...this.#layouts].slice(0, MAX_LAYOUTS);
    return layout;
  }

  /** Makes the table, or adds the columns that it lacks. */
  async prepare(connection: DuckDBConnection): Promise<void> {
    const missing = this.columns.slice(this.#columnsThere).map(({ kind }, k) => {
      return `${columnAt(this.#columnsThere + k)} ${SQL_TYPES[kind]}`;
    });
    if (this.#appender !== undefined && missing.length === 0) return;
    this.close();
    if (this.#columnsThere === 0) {
      const columns = ['object UINTEGER', 'time TIMESTAMP_NS', ...missing];
      await connection.run(`CREATE TEMP TABLE ${this.table} (${columns.join(', ')})`);
    } else {
      for (const column of missing) await connection.run(`ALTER TABLE ${this.table} ADD COLUMN ${column}`);
    }
    this.#columnsThere = this.columns.length;
    this.#appender = await connection.createAppender(this.table);
  }

  /** Adds rows; says how many numbers they have. */
  append(
    { duckdb }: Engine,
    rows: readonly RowToRecord[],
    objects: readonly number[],
    layouts: readonly Layout[],
  ): number {
    const { UINTEGER, TIMESTAMP_NS, UBIGINT, BOOLEAN, LIST, DuckDBDataChunk, DuckDBTimestampNanosecondsValue } = duckdb;
    const types: Record<ValueKind, DuckDBType> = { number: UBIGINT, boolean: BOOLEAN, list: LIST(UBIGINT) };
    const values: DuckDBValue[][] = this.columns.map(() => new Array(rows.length).fill(null));
    let count = 0;
    for (const [index, { sample }] of rows.entries()) {
      const { places } = layouts[index]!;
      for (const [k, { value }] of sample.stats.entries()) {
        const exact = exactly(value);
        if (exact === undefined) continue;
        values[places[k]!]![index] = typeof exact === 'object' ? new duckdb.DuckDBListValue(exact) : exact;
        count += typeof exact === 'object' ? exact.length : 1;
      }
    }
    const chunk = DuckDBDataChunk.create(
      [UINTEGER, TIMESTAMP_NS, ...this.columns.map(({ kind }) => types[kind])],
      rows.length,
    );
    const times = rows.map(({ sample }) => new DuckDBTimestampNanosecondsValue(sample.collectedAtNs));
    chunk.setColumns([objects, times, ...values]);
    this.#appender!.appendDataChunk(chunk);
    this.#appender!.flushSync();
    return count;
  }

  /** Ends appending; gives the name of its table. */
  close(): string {
    this.#appender?.closeSync();
    this.#appender = undefined;
    return this.table;
  }

  #placeOf(column: Column): number {
    let place = this.#places.get(column);
    if (place === undefined) {
      this.#places.set(column, (place = this.columns.length));
      this.columns.push(column);
    }
    return place;
  }
}

/** How many ways in which samples of one group are laid out are remembered. */
const MAX_LAYOUTS = 16;

function isLaidOut(stats: readonly StatEntry[], { names, kinds }: Layout): boolean {
  if (stats.length !== names.length) return false;
  for (const [index, { name, value }] of stats.entries()) {
    if (name !== names[index] || kindOf(value) !== kinds[index]) return false;
  }
  return true;
}

/** A value that fits; what is out of range came from somebody who breaks the model's promise, and is none. */
function exactly(value: StatValue): StatValue | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return isU64(value) ? value : undefined;
  return value.every(isU64) ? value : undefined;
}

function isU64(value: bigint): boolean {
  return value >= 0n && value <= U64_MAX;
}

function columnAt(place: number): string {
  return `c${place}`;
}
