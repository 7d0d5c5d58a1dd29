import { closeSync, constants, fsyncSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import { OwnedFd } from './owned-fd.ts';
import { lockFile } from './syscalls.ts';

/** Name of the file that its owner keeps locked. */
const LOCK_NAME = 'lock';

/** Only its owner has to do with what is in it. */
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/** A regular file in a locked directory. Calls throw the system's error. */
export interface DirectoryFile {
  readonly name: string;
  readonly sizeBytes: number;
}

/** A directory of files that one process at a time works with, by a lock that the kernel gives back however that process ends. */
export class LockedDirectory implements Disposable {
  readonly path: string;
  readonly #lock: OwnedFd;

  private constructor(path: string, lock: OwnedFd) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Makes the directory where it is missing (its parents too), and locks it.
   * @throws ADDRESS_IN_USE where another process holds it; ACCESS_DENIED where it cannot be made or written
   */
  static open(path: string): LockedDirectory {
    let fd: number;
    try {
      mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE });
      fd = openSync(`${path}/${LOCK_NAME}`, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, FILE_MODE);
    } catch (error) {
      const reason = systemErrorCode(error) ?? String(error);
      throw new VirtstatError('ACCESS_DENIED', `${path} cannot be written (${reason}); choose another directory`, {
        cause: error,
      });
    }
    const lock = new OwnedFd(fd);
    if (lockFile(lock.fd)) return new LockedDirectory(path, lock);
    lock.close();
    throw new VirtstatError('ADDRESS_IN_USE', `another process works in ${path}; stop it, or choose another directory`);
  }

  /** Its regular files, in the order of their names. Throws the system's error. */
  list(): readonly DirectoryFile[] {
    const entries = readdirSync(this.path, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isFile() && entry.name !== LOCK_NAME).map(({ name }) => name);
    return names.sort().map((name) => ({ name, sizeBytes: statSync(`${this.path}/${name}`).size }));
  }

  /** Opens a file of it for reading and writing, and makes it where it is missing. Rejects with the system's error. */
  async openFile(name: string): Promise<PositionedFile> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    return new PositionedFile(await open(`${this.path}/${name}`, flags, FILE_MODE));
  }

  /** Removes a file, also one that is not there. Rejects with the system's error. */
  remove(name: string): Promise<void> {
    return rm(`${this.path}/${name}`, { force: true });
  }

  /** Has the disk remember which files there are. Throws the system's error. */
  sync(): void {
    const fd = openSync(this.path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Lets others have it. */
  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** A file in a locked directory, read and written where one says. Calls reject with the system's error. */
export class PositionedFile {
  readonly #file: FileHandle;

  /** Takes over `file`. */
  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Writes all of `bytes` at an offset; part of them may be written where that fails. */
  async write(bytes: Uint8Array, offsetBytes: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, offsetBytes + at);
      at += bytesWritten;
    }
  }

  /** Up to `sizeBytes` bytes from an offset; less only at the end of the file. */
  async read(offsetBytes: number, sizeBytes: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(sizeBytes);
    for (let at = 0; at < sizeBytes; ) {
      const { bytesRead } = await this.#file.read(buffer, at, sizeBytes - at, offsetBytes + at);
      if (bytesRead === 0) return buffer.subarray(0, at);
      at += bytesRead;
    }
    return buffer;
  }

  /** Cuts off what is behind the first `sizeBytes`. */
  truncate(sizeBytes: number): Promise<void> {
    return this.#file.truncate(sizeBytes);
  }

  /** Resolves when the disk has what was written. */
  sync(): Promise<void> {
    return this.#file.datasync();
  }

  /** Gives the file back. */
  close(): Promise<void> {
    return this.#file.close();
  }
}
