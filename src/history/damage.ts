import type { DuckDBConnection } from '@duckdb/node-api';
import { fileAt, moveWhole } from '../host/directory.ts';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import { isInterruption, reasonOf } from './duckdb.ts';
import * as sql from './sql.ts';

/** A file that looks as if it were of a recording and cannot be read, and why. */
export interface UnusableFile {
  readonly path: string;
  readonly error: VirtstatError;
  /** True for one whose bytes are wrong: not for one that may not be read, is somebody else's, or of another version. */
  readonly isDamaged: boolean;
}

/** Follows the name of a file that was set aside. */
const ASIDE = '.damaged';

/** What DuckDB says where the operating system gave it nothing, or it had no memory: no fault of the file's. */
const SYSTEM_FAILED =
  /^IO Error: (Cannot open|Could not (open|read from|write)) |No space left|Permission denied|Out of Memory/i;

/** Whether it is no fault of any file's that reading or writing failed. */
export function isOfSystem(error: unknown): boolean {
  return systemErrorCode(error) !== undefined || SYSTEM_FAILED.test(reasonOf(error));
}

/** A file of a recording that DuckDB cannot read, and why. */
export function unreadable(path: string, error: unknown): UnusableFile {
  const reason = VirtstatError.is(error) ? error.message : reasonOf(error);
  const isDamaged = !VirtstatError.is(error) && !isOfSystem(error);
  const what = isDamaged ? 'is cut or damaged' : 'cannot be read';
  const message = `${path} ${what}: ${reason}`;
  return { path, isDamaged, error: new VirtstatError('RECORDING_INVALID', message, { cause: error }) };
}

/**
 * Those of these files whose values cannot be read. All of them are read to the end: what a file says of itself, at its end, may be
 * whole where its values are not. @throws CANCELLED by an interrupted connection
 */
export async function damagedAmong(
  paths: readonly string[],
  connection: DuckDBConnection,
): Promise<readonly UnusableFile[]> {
  const damaged: UnusableFile[] = [];
  for (const path of paths) {
    try {
      // Unlike a count, it takes every value.
      await connection.run(`SELECT bit_xor(hash(COLUMNS(*))) FROM read_parquet(${sql.path(path)})`);
    } catch (error) {
      if (isInterruption(error)) throw error;
      const file = unreadable(path, error);
      if (file.isDamaged) damaged.push(file);
    }
  }
  return damaged;
}

/**
 * Takes a damaged file out of a recording, and keeps it under another name beside it. Gives what is to be said of it. Throws the
 * system's error.
 */
export function setAside({ path, error }: UnusableFile): VirtstatError {
  let kept = `${path}${ASIDE}`;
  for (let nth = 2; fileAt(kept) !== undefined; nth++) kept = `${path}${ASIDE}-${nth}`;
  moveWhole(path, kept);
  return new VirtstatError(
    'RECORDING_INVALID',
    `${error.message}; the recording goes on without it, and it is kept as ${kept}`,
    {
      cause: error,
    },
  );
}
