import { closeSync, readFileSync, readSync } from 'node:fs';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import { isLibcLoaded, libc } from './libc.ts';
import { PROC_ROOT } from './processes.ts';
import { pread } from './syscalls.ts';

/** Longest text of the kernel that is read: a page, which is what its files of figures fit into. */
export const MAX_KERNEL_TEXT_BYTES = 4096;

/** What was read last, by any {@link KernelFile}: reads are synchronous, so one place is enough for all. */
export const KERNEL_TEXT: Buffer = Buffer.alloc(MAX_KERNEL_TEXT_BYTES);

/** From one look for files that nobody reads any more to the next, in milliseconds. */
const IDLE_CHECK_MS = 10_000;

/** How long a refusal is believed, in milliseconds: to be refused costs more than to read. */
const REFUSAL_MS = 5000;

/** Reads after which the system call library is worth its loading. */
const READS_WITHOUT_LIBRARY = 2000;

/** Files that may stay open where the limit of this process is not known. */
const USUAL_LIMIT = 1024;

/**
 * Bounds how many files of the kernel stay open. A place is taken when a file is opened and free again when the file has
 * not been read for ten to twenty seconds; without a free place a file is opened for every read.
 */
export class OpenPlaces {
  readonly #maxCount: number;
  readonly #held = new Set<KernelFile>();
  #timer: NodeJS.Timeout | undefined;
  /** Counts the looks: a file that was read since the last one bears this number. */
  look = 0;

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  /** How many files are open. */
  get size(): number {
    return this.#held.size;
  }

  /** Takes a place; false where there is none. */
  take(file: KernelFile): boolean {
    if (this.#held.size >= this.#maxCount) return false;
    this.#held.add(file);
    this.#timer ??= setInterval(() => this.closeUnread(), IDLE_CHECK_MS).unref();
    return true;
  }

  free(file: KernelFile): void {
    this.#held.delete(file);
    if (this.#held.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Closes what was not read since the last look. */
  closeUnread(): void {
    for (const file of [...this.#held]) if (file.readAtLook !== this.look) file.close();
    this.look++;
  }
}

let places: OpenPlaces | undefined;

/** The places of this process: half of the descriptors that it may have, so that the rest of virtstat has the others. */
export function sharedPlaces(): OpenPlaces {
  places ??= new OpenPlaces(Math.floor(maxDescriptors() / 2));
  return places;
}

function maxDescriptors(): number {
  try {
    const limits = readFileSync(`${PROC_ROOT}/self/limits`, 'latin1');
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? USUAL_LIMIT);
  } catch {
    return USUAL_LIMIT;
  }
}

/**
 * A file of figures that the kernel writes anew for every reader: it is opened once and read again and again. What it shows
 * belongs to the process, thread or control group for which it was opened, never to a later one of the same number or name.
 */
export class KernelFile {
  readonly #open: () => number;
  readonly #places: OpenPlaces;
  #fd = -1;
  #refusal: { readonly error: VirtstatError; readonly atMs: number } | undefined;
  /** The look of {@link OpenPlaces} before which it was last read. */
  readAtLook = 0;

  /** `open` gives a new descriptor. */
  constructor(open: () => number, openPlaces: OpenPlaces) {
    this.#open = open;
    this.#places = openPlaces;
  }

  get isOpen(): boolean {
    return this.#fd >= 0;
  }

  /**
   * Reads it into the start of {@link KERNEL_TEXT}, and returns how many bytes there are.
   * @throws PATH_NOT_FOUND where what it is about is no longer there, ACCESS_DENIED, STATS_FILE_UNREADABLE; what opening raises
   */
  read(): number {
    const refusal = this.#refusal;
    if (refusal !== undefined && performance.now() - refusal.atMs < REFUSAL_MS) throw refusal.error;
    try {
      const isKept = this.#fd >= 0 || this.#openNow();
      this.readAtLook = this.#places.look;
      try {
        return readText(this.#fd);
      } finally {
        if (!isKept) this.close();
      }
    } catch (error) {
      const reason = fileError(error);
      this.close();
      this.#refusal = { error: reason, atMs: performance.now() };
      throw reason;
    }
  }

  /** It is opened anew by the next read. Harmless when called twice. */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    this.#places.free(this);
    closeSync(fd);
  }

  /** Whether it may stay open. */
  #openNow(): boolean {
    this.#fd = this.#open();
    this.#refusal = undefined;
    return this.#places.take(this);
  }
}

let readsWithoutLibrary = 0;

/** By the C library where it is there: Node's own way to read allocates, and takes a third longer. */
function readText(fd: number): number {
  if (!isLibraryWanted()) return readSync(fd, KERNEL_TEXT, 0, MAX_KERNEL_TEXT_BYTES, 0);
  const count = pread(fd, KERNEL_TEXT, MAX_KERNEL_TEXT_BYTES, 0);
  if (count >= 0) return count;
  throw Object.assign(new Error('reading failed'), { code: libc().errorName() });
}

function isLibraryWanted(): boolean {
  if (isLibcLoaded()) return true;
  if (++readsWithoutLibrary < READS_WITHOUT_LIBRARY) return false;
  try {
    libc();
    return true;
  } catch {
    // Not on this platform: to try again costs too much.
    readsWithoutLibrary = Number.NEGATIVE_INFINITY;
    return false;
  }
}

function fileError(error: unknown): VirtstatError {
  if (VirtstatError.is(error)) return error;
  const code = systemErrorCode(error) ?? '';
  if (GONE.has(code)) {
    return new VirtstatError('PATH_NOT_FOUND', 'what the file of the kernel is about is not there', { cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new VirtstatError('ACCESS_DENIED', `${code}; run as root, as the user of the VMM, or with CAP_SYS_PTRACE`, {
      cause: error,
    });
  }
  const hint = code === 'EMFILE' || code === 'ENFILE' ? '; raise the limit of open files (ulimit -n)' : '';
  return new VirtstatError('STATS_FILE_UNREADABLE', `a file of the kernel cannot be read: ${code}${hint}`, {
    cause: error,
  });
}

/** ENODEV is a control group that was removed. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ESRCH', 'ENODEV', 'ENOTDIR']);
