import { open, readdir, stat } from 'node:fs/promises';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';

/** A file, read whole. */
export interface FileContent {
  readonly bytes: Uint8Array;
  /** When it was last written: nanoseconds since 1970, UTC. */
  readonly modifiedNs: bigint;
}

/** What reading a file takes. */
export interface ReadFileOptions {
  /** A larger file is not read. */
  readonly maxSizeBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Reads a regular file whole; undefined where it is larger than the bound.
 * @throws PATH_NOT_FOUND, ACCESS_DENIED, STATS_FILE_UNREADABLE where it is no regular file or cannot be read
 */
export async function readBounded(path: string, options: ReadFileOptions): Promise<FileContent | undefined> {
  try {
    // Opening first would hang on a named pipe.
    if (!(await stat(path)).isFile()) {
      throw new VirtstatError('STATS_FILE_UNREADABLE', `${path} is no regular file; give a file or a directory`);
    }
    await using file = await open(path, 'r');
    const { size, mtimeNs } = await file.stat({ bigint: true });
    if (size > BigInt(options.maxSizeBytes)) return undefined;
    return { bytes: await file.readFile({ signal: options.signal }), modifiedNs: mtimeNs };
  } catch (error) {
    throw fileError(error, path);
  }
}

/**
 * The files to read for `path`: itself, or everything in it in alphabetical order where it is a directory (not in the
 * directories below).
 * @throws PATH_NOT_FOUND, ACCESS_DENIED, STATS_FILE_UNREADABLE
 */
export async function filesAt(
  path: string,
): Promise<{ readonly isDirectory: boolean; readonly paths: readonly string[] }> {
  try {
    if (!(await stat(path)).isDirectory()) return { isDirectory: false, paths: [path] };
    const entries = await readdir(path, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
    return { isDirectory: true, paths: names.sort().map((name) => `${path.replace(/\/+$/, '')}/${name}`) };
  } catch (error) {
    throw fileError(error, path);
  }
}

function fileError(error: unknown, path: string): VirtstatError {
  const code = systemErrorCode(error);
  if (VirtstatError.is(error)) return error;
  const options = { cause: error };
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new VirtstatError('PATH_NOT_FOUND', `${path} does not exist; check the path`, options);
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new VirtstatError('ACCESS_DENIED', `${path} may not be read; run as a user who may`, options);
  }
  return VirtstatError.from(error, 'STATS_FILE_UNREADABLE', `reading ${path} failed`);
}
