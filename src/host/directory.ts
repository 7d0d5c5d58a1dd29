import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemErrorCode } from '../model/errors.ts';

/** A file as a directory lists it. */
export interface ListedFile {
  readonly path: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** When it was last written: nanoseconds since 1970, UTC. */
  readonly modifiedNs: bigint;
}

/**
 * The regular files of a directory whose names fit, in the order of their names; none where there is no directory. One that
 * goes meanwhile is left out. Throws the system's error otherwise.
 */
export function listFiles(path: string, fits: (name: string) => boolean): readonly ListedFile[] {
  const names = missingAs([], () => readdirSync(path)).filter(fits);
  return names.sort().flatMap((name) => fileAt(`${path}/${name}`) ?? []);
}

/** One regular file; undefined where there is none. Throws the system's error otherwise. */
export function fileAt(path: string): ListedFile | undefined {
  const stats = missingAs(undefined, () => statSync(path, { bigint: true }));
  if (stats === undefined || !stats.isFile()) return undefined;
  const name = path.slice(path.lastIndexOf('/') + 1);
  return { path, name, sizeBytes: Number(stats.size), modifiedNs: stats.mtimeNs };
}

/** True for a directory, false for anything else and for nothing. Throws the system's error where it may not be looked at. */
export function isDirectory(path: string): boolean {
  return missingAs(undefined, () => statSync(path))?.isDirectory() === true;
}

/** Makes a directory, where it is missing, in one that is there. Throws the system's error. */
export function makeDirectory(path: string): void {
  if (!isDirectory(path)) mkdirSync(path);
}

/** Removes a directory where it is there and empty; leaves it otherwise. */
export function removeEmptyDirectory(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // What is in it belongs to somebody.
  }
}

/** Puts a file, once all of it is on the disk, in place of another or of none. Throws the system's error. */
export function moveWhole(from: string, to: string): void {
  sync(from);
  renameSync(from, to);
  sync(dirname(to));
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function missingAs<T>(instead: T, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return instead;
    throw error;
  }
}
