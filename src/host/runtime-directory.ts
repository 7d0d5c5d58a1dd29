import { chmodSync, lstatSync, mkdirSync, type Stats } from 'node:fs';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import { holdLock } from './lock-file.ts';

/** Name of the file in the directory that its owner keeps locked. */
const LOCK_NAME = 'virtstatd.lock';

/** Everybody may look for sockets in it; who may connect to one is that socket's mode. */
const DIRECTORY_MODE = 0o755;

const WRITABLE_BY_OTHERS = 0o022;

/**
 * The directory where a daemon puts its sockets, held by one process at a time: the kernel gives the lock back when that
 * process ends, however it ends, so whatever sockets are found in a directory that could be locked are stale.
 */
export class RuntimeDirectory implements Disposable {
  readonly path: string;
  readonly #lock: Disposable;

  private constructor(path: string, lock: Disposable) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Makes the directory where it is missing (its parents too), and locks it.
   * @throws ADDRESS_IN_USE where another process holds it; ACCESS_DENIED where it cannot be made, or others could put their
   *   own files in it; PATH_NOT_FOUND where it is no directory
   */
  static open(path: string): RuntimeDirectory {
    try {
      make(path);
      const lock = holdLock(
        `${path}/${LOCK_NAME}`,
        (holder) =>
          `another virtstatd (process ${holder}) serves ${path}; stop it, or give this one another --runtime-dir`,
      );
      return new RuntimeDirectory(path, lock);
    } catch (error) {
      throw directoryError(error, path);
    }
  }

  /** Lets others have it. The directory stays: another user may own its parent. */
  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }
}

function make(path: string): void {
  const isNew = mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE }) !== undefined;
  const { uid, mode } = lstatOf(path);
  if (isNew) {
    // The umask may have taken away what readers need.
    chmodSync(path, DIRECTORY_MODE);
    return;
  }
  const isOwn = uid === process.geteuid?.() || uid === 0;
  if (isOwn && (mode & WRITABLE_BY_OTHERS) === 0) return;
  // Most likely that of a service which runs as a user of its own, beside which root wants to try something.
  const what = isOwn
    ? `others may put files into ${path}`
    : `${path} belongs to the user with uid ${uid}, as whom another virtstatd may serve it`;
  const hint = "make it the daemon's own, with mode 0755, or choose another --runtime-dir";
  throw new VirtstatError('ACCESS_DENIED', `${what}; ${hint}`);
}

function lstatOf(path: string): Stats {
  const found = lstatSync(path);
  if (found.isDirectory()) return found;
  throw new VirtstatError('PATH_NOT_FOUND', `${path} is no directory; choose another --runtime-dir`);
}

function directoryError(error: unknown, path: string): VirtstatError {
  const code = systemErrorCode(error);
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    const hint = 'run as its owner, or choose another --runtime-dir';
    return new VirtstatError('ACCESS_DENIED', `${path} cannot be used (${code}); ${hint}`, { cause: error });
  }
  if (code === 'ENOTDIR' || code === 'EEXIST' || code === 'ELOOP') {
    return new VirtstatError('PATH_NOT_FOUND', `${path} is no directory; choose another --runtime-dir`, {
      cause: error,
    });
  }
  return VirtstatError.from(error, 'INTERNAL', `the runtime directory ${path} cannot be used`);
}
