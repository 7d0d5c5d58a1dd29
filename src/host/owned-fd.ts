import { closeSync } from 'node:fs';
import { VirtstatError } from '../model/errors.ts';
import { pread, systemError } from './syscalls.ts';

/**
 * A file descriptor that belongs to this process, and to this object alone: of a stats file that was inherited or made here,
 * for one, which `StatsFile.open` takes.
 */
export class OwnedFd implements Disposable {
  #fd: number;

  /** Takes over `fd`. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Its number; -1 once it is closed, so that it never names a file that got the same number later. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Fills `into` from `offsetBytes` of the file; the position of the file, which others may share, stays where it is.
   * Returns the number of bytes, less than asked only at the end of the file.
   * @throws CLOSED, STATS_FILE_UNREADABLE
   */
  read(into: Uint8Array, offsetBytes: number): number {
    if (this.#fd < 0) throw new VirtstatError('CLOSED', 'the stats file is closed; open it again');
    const count = pread(this.#fd, into, into.length, offsetBytes);
    if (count >= 0) return count;
    throw systemError(`reading stats file descriptor ${this.#fd} failed`, 'STATS_FILE_UNREADABLE');
  }

  /** Harmless when called twice. */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    closeSync(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
