import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { onceAborted } from '../host/deadline.ts';
import { cancellation, VirtstatError } from '../model/errors.ts';

/** The package, which only who works with recordings needs: it is loaded with the first of them. */
export type DuckDb = typeof import('@duckdb/node-api');

/** The version that this one was tried with. */
export const DUCKDB_VERSION = '1.5.6-r.1';

/** What DuckDB may hold in memory for one recording, in bytes; what takes more than that fails. */
const MEMORY_LIMIT_BYTES = 512 * 1024 * 1024;

/**
 * What every database is opened with: one thread, since a recording must not compete with virtual machines; nothing is loaded
 * or written that was not asked for; rows stay in their order.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  threads: '1',
  memory_limit: `${MEMORY_LIMIT_BYTES}B`,
  temp_directory: '',
  preserve_insertion_order: 'true',
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
};

/** A database in memory, through which Parquet files are written and read. */
export class Engine {
  readonly duckdb: DuckDb;
  readonly #instance: DuckDBInstance;

  private constructor(duckdb: DuckDb, instance: DuckDBInstance) {
    this.duckdb = duckdb;
    this.#instance = instance;
  }

  /** @throws DUCKDB_MISSING */
  static async open(): Promise<Engine> {
    const duckdb = await loadDuckDb();
    return new Engine(duckdb, await duckdb.DuckDBInstance.create(':memory:', { ...SETTINGS }));
  }

  /** A connection of its own: what runs on one does not wait for what runs on another. */
  connect(): Promise<DuckDBConnection> {
    return this.#instance.connect();
  }

  /**
   * Runs `work` on a connection of its own. The signal interrupts what runs on it.
   * @throws CANCELLED, or the signal's reason; what `work` throws
   */
  async run<T>(
    what: string,
    signal: AbortSignal | undefined,
    work: (connection: DuckDBConnection) => Promise<T>,
  ): Promise<T> {
    if (signal?.aborted) throw cancellation(signal, what);
    const connection = await this.connect();
    const forget = signal && onceAborted(signal, () => connection.interrupt());
    try {
      return await work(connection);
    } catch (error) {
      throw signal?.aborted ? cancellation(signal, what) : error;
    } finally {
      forget?.();
      connection.closeSync();
    }
  }

  close(): void {
    this.#instance.closeSync();
  }
}

async function loadDuckDb(): Promise<DuckDb> {
  try {
    return await import('@duckdb/node-api');
  } catch (error) {
    const how = `npm install ${isGlobal() ? '--global ' : ''}@duckdb/node-api@${DUCKDB_VERSION}`;
    throw new VirtstatError('DUCKDB_MISSING', `recordings take DuckDB, which is not installed; add it with: ${how}`, {
      cause: error,
    });
  }
}

/** Where npm puts what is installed for all, packages lie below `lib`. */
function isGlobal(): boolean {
  return /\/lib\/node_modules\/virtstat\//.test(import.meta.url);
}

/** Whether it is an interruption that ended what ran on a connection. A path among what DuckDB says may have the word, too. */
export function isInterruption(error: unknown): boolean {
  return /^INTERRUPT Error/.test(reasonOf(error));
}

/** What DuckDB says of a failure, in one line. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0]!.trim();
}
