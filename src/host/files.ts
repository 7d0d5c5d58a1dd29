import { constants, existsSync } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';

/** A file, read whole. */
export interface FileContent {
  readonly bytes: Uint8Array;
  /** When it was last written: nanoseconds since 1970, UTC. */
  readonly modifiedNs: bigint;
}

/** Whether anything is there. */
export function exists(path: string): boolean {
  return existsSync(path);
}

/** What reading a file takes. */
export interface ReadFileOptions {
  /** A larger file is not read. */
  readonly maxSizeBytes: number;
  readonly signal: AbortSignal;
}

/** What is read of a file that announces nothing at first, in bytes. */
const MIN_READ_BYTES = 64 * 1024;

/** Room in which more than was announced shows itself: a word, since some files of the kernel give nothing less. */
const SPARE_BYTES = 8;

/** Files that are read at the same time, as many as the platform has threads for it: more would only hold memory. */
const MAX_READS = 4;

/**
 * Reads a regular file whole; undefined where it is larger than the bound, whatever size it announces. Of several calls
 * some wait for their turn.
 * @throws PATH_NOT_FOUND, ACCESS_DENIED, STATS_FILE_UNREADABLE where it is no regular file or cannot be read
 */
export function readBounded(path: string, options: ReadFileOptions): Promise<FileContent | undefined> {
  return inTurn(() => readRegular(path, options));
}

let reads = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (reads === MAX_READS) await new Promise<void>((resolve) => waiting.push(resolve));
  else reads++;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) reads--;
    else next();
  }
}

async function readRegular(path: string, options: ReadFileOptions): Promise<FileContent | undefined> {
  try {
    options.signal.throwIfAborted();
    // Opening a device may do something to it.
    if (!(await stat(path)).isFile()) {
      throw new VirtstatError('STATS_FILE_UNREADABLE', `${path} is no regular file; give a file or a directory`);
    }
    // Some regular files of the kernel wait for what comes next, and so does a named pipe that has taken the file's place.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { size, mtimeNs } = await file.stat({ bigint: true });
    if (size > BigInt(options.maxSizeBytes)) return undefined;
    const bytes = await readToEnd(file, Number(size), options);
    return bytes && { bytes, modifiedNs: mtimeNs };
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Files of the kernel announce a size of 0 and may have no end, and any file may grow meanwhile: what counts is what comes. */
async function readToEnd(
  file: FileHandle,
  announcedBytes: number,
  { maxSizeBytes, signal }: ReadFileOptions,
): Promise<Uint8Array | undefined> {
  let buffer = Buffer.alloc(Math.min(announcedBytes || MIN_READ_BYTES, maxSizeBytes) + SPARE_BYTES);
  for (let size = 0; size <= maxSizeBytes; ) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(buffer, size, buffer.length - size, size);
    if (bytesRead === 0) return buffer.subarray(0, size);
    size += bytesRead;
    if (size === buffer.length) buffer = Buffer.concat([buffer], Math.min(2 * size, maxSizeBytes + SPARE_BYTES));
  }
  return undefined;
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
