import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';

/**
 * Writes a file that a person asked for, whole: whoever looks finds what was there before, or all of it.
 * @throws PATH_NOT_FOUND, ACCESS_DENIED, OUTPUT_FAILED
 */
export function writeOutputFile(path: string, text: string): void {
  const next = `${path}.part-${process.pid}`;
  try {
    writeFileSync(next, text, { flag: 'wx' });
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    throw outputError(error, path);
  }
}

function outputError(error: unknown, path: string): VirtstatError {
  const code = systemErrorCode(error);
  const options = { cause: error };
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new VirtstatError('PATH_NOT_FOUND', `the folder of ${path} does not exist; make it first`, options);
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new VirtstatError('ACCESS_DENIED', `${path} may not be written; choose another place`, options);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new VirtstatError('OUTPUT_FAILED', `writing ${path} failed: ${reason}`, options);
}
