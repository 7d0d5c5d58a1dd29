import type { DuckDBVector } from '@duckdb/node-api';
import { VirtstatError } from '../model/errors.ts';
import type { StatValue } from '../model/sample.ts';
import { type Column, SQL_TYPES } from './columns.ts';
import { type Engine, reasonOf } from './duckdb.ts';
import { LAST_NS } from './segment-info.ts';
import * as sql from './sql.ts';

/** Which rows of a recording are read. */
export interface RowQuery {
  /** Files that have them, in the order in which they were written. */
  readonly files: readonly string[];
  readonly provider: string;
  readonly target: string;
  /** Those whose values are wanted; a file that lacks one has no value there. */
  readonly columns: readonly Column[];
  /** `collected-at` of the first and of the last row, both included: nanoseconds since 1970. */
  readonly fromNs: bigint;
  readonly toNs: bigint;
  /** Absent: all. */
  readonly domainIds?: readonly string[];
  readonly paths?: readonly string[];
  /** True: leave out rows that have none of the values. */
  readonly withValues: boolean;
}

/** A sample as it was recorded. */
export interface Row {
  readonly timeNs: bigint;
  readonly domainId: string;
  readonly domain: string;
  readonly path: string | undefined;
  readonly device: string | undefined;
  readonly via: string;
  /** In the order of the query's columns; undefined where the sample had none. */
  readonly values: readonly (StatValue | undefined)[];
}

const FIRST_COLUMNS = ['time', 'domain_id', 'domain', 'path', 'device', 'via'] as const;

/**
 * Rows by ascending time, and of one time in the order in which they were written, in portions of at most 2048.
 * @throws RECORDING_INVALID where a file is damaged; PATH_NOT_FOUND where one is there no more; CANCELLED
 */
export async function* readRows(engine: Engine, query: RowQuery, signal?: AbortSignal): AsyncGenerator<readonly Row[]> {
  const { files, columns } = query;
  if (files.length === 0) return;
  const connection = await engine.connect();
  const interrupt = (): void => connection.interrupt();
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    const result = await connection.stream(statement(query));
    for (
      let chunk = await result.fetchChunk();
      chunk !== null && chunk.rowCount > 0;
      chunk = await result.fetchChunk()
    ) {
      const rowCount = chunk.rowCount;
      const vectors = Array.from({ length: FIRST_COLUMNS.length + columns.length }, (_, k) =>
        chunk!.getColumnVector(k),
      );
      yield Array.from({ length: rowCount }, (_, row) => rowOf(vectors, row));
    }
    signal?.throwIfAborted();
  } catch (error) {
    if (signal?.aborted || VirtstatError.is(error)) throw error;
    throw readingError(error, files);
  } finally {
    signal?.removeEventListener('abort', interrupt);
    connection.closeSync();
  }
}

function statement({ files, provider, target, columns, fromNs, toNs, domainIds, paths, withValues }: RowQuery): string {
  // A file that somebody else has written may have other types. To its own a column is not converted: that costs nothing.
  const values = columns.map(({ column, kind }) => `TRY_CAST(${sql.identifier(column)} AS ${SQL_TYPES[kind]})`);
  const first = FIRST_COLUMNS.map((name) => `CAST(${name} AS ${name === 'time' ? 'TIMESTAMP_NS' : 'VARCHAR'})`);
  const conditions = [
    `time BETWEEN ${sql.time(inRange(fromNs))} AND ${sql.time(inRange(toNs))}`,
    `provider = ${sql.text(provider)}`,
    `target = ${sql.text(target)}`,
    ...(domainIds ? [`list_contains(${sql.texts(domainIds)}, domain_id)`] : []),
    ...(paths ? [`list_contains(${sql.texts(paths)}, path)`] : []),
    ...(withValues ? [`(${values.map((value) => `${value} IS NOT NULL`).join(' OR ') || 'false'})`] : []),
  ];
  const list = files.map(sql.path).join(', ');
  return (
    `SELECT ${[...first, ...values].join(', ')} FROM read_parquet([${list}], union_by_name = true) ` +
    `WHERE ${conditions.join(' AND ')} ORDER BY time`
  );
}

function inRange(ns: bigint): bigint {
  if (ns < 0n) return 0n;
  return ns > LAST_NS ? LAST_NS : ns;
}

function rowOf(vectors: readonly DuckDBVector[], row: number): Row {
  const [time, domainId, domain, path, device, via] = FIRST_COLUMNS.map((_, k) => vectors[k]?.getItem(row));
  return {
    timeNs: (time as { readonly nanos: bigint }).nanos,
    domainId: domainId as string,
    domain: domain as string,
    path: (path as string | null) ?? undefined,
    device: (device as string | null) ?? undefined,
    via: via as string,
    values: vectors.slice(FIRST_COLUMNS.length).map((vector) => statValueOf(vector.getItem(row))),
  };
}

function statValueOf(item: unknown): StatValue | undefined {
  if (item === null || item === undefined) return undefined;
  if (typeof item === 'bigint' || typeof item === 'boolean') return item;
  const { items } = item as { readonly items: readonly (bigint | null)[] };
  return items.includes(null) ? undefined : (items as readonly bigint[]);
}

function readingError(error: unknown, files: readonly string[]): VirtstatError {
  const reason = reasonOf(error);
  const cause = { cause: error };
  if (/No files found|Cannot open file/i.test(reason)) {
    return new VirtstatError('PATH_NOT_FOUND', `a file of the recording is there no more: ${reason}`, cause);
  }
  const where = files.length === 1 ? files[0] : `one of ${files.length} files from ${files[0]} on`;
  return new VirtstatError('RECORDING_INVALID', `${where} is cut or damaged: ${reason}`, cause);
}
