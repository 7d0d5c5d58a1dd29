import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { systemErrorCode } from '../model/errors.ts';

/** Only its owner has to do with it. */
const MODE = 0o600;

/** The text of a small file; undefined where there is none, it is no regular file, or larger than the bound. */
export function readSmallFile(path: string, maxSizeBytes: number): string | undefined {
  const bytes = readBeginning(path, maxSizeBytes + 1);
  return bytes === undefined || bytes.length > maxSizeBytes ? undefined : bytes.toString('utf8');
}

/** The first bytes of a file, as many as there are room for; undefined where there is none, or it is no regular file. */
export function readBeginning(path: string, sizeBytes: number): Buffer | undefined {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      if (!fstatSync(file).isFile()) return undefined;
      const buffer = Buffer.alloc(sizeBytes);
      let size = 0;
      for (let more = -1; more !== 0 && size < buffer.length; size += more) {
        more = readSync(file, buffer, size, buffer.length - size, size);
      }
      return buffer.subarray(0, size);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
}

/** Puts a whole file in place of another, or of none: whoever reads finds the old or the new one. Throws the system's error. */
export function replaceFile(path: string, text: string): void {
  const next = `${path}.new`;
  // What a process that was killed has left, and what is a link, is not written through.
  removeFile(next);
  const file = openSync(next, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, MODE);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(next, path);
}

/** Removes a file that may not be there. Throws the system's error otherwise. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  }
}

/** What tells this start of the machine from every other; undefined where the kernel does not say. */
export function bootId(): string | undefined {
  return readSmallFile('/proc/sys/kernel/random/boot_id', 64)?.trim();
}
