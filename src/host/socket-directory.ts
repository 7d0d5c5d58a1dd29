import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';

/** Everybody may look for sockets in it; who may connect to one is that socket's mode. */
const DIRECTORY_MODE = 0o755;

/**
 * Makes a directory for sockets, where it is missing, and takes away those in it: the caller knows that they are stale.
 * @throws ACCESS_DENIED, PATH_NOT_FOUND
 */
export function makeDirectory(path: string): void {
  try {
    // The umask may have taken away what readers need.
    if (mkdirSync(path, { recursive: true }) !== undefined) chmodSync(path, DIRECTORY_MODE);
    for (const entry of readdirSync(path, { withFileTypes: true }))
      if (entry.isSocket()) rmSync(join(path, entry.name));
  } catch (error) {
    const code = systemErrorCode(error) === 'EACCES' ? 'ACCESS_DENIED' : 'PATH_NOT_FOUND';
    throw new VirtstatError(code, `${path} cannot be made (${systemErrorCode(error)}); choose another directory`, {
      cause: error,
    });
  }
}
