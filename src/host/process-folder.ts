import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { VirtstatError } from '../model/errors.ts';
import { KernelFile, type OpenPlaces, sharedPlaces } from './kernel-files.ts';
import { PROC_ROOT, type Process, startTicksOf } from './processes.ts';

/** Choices of a {@link ProcessFolder}. */
export interface ProcessFolderOptions {
  /** Where processes are shown; `/proc` if absent. */
  readonly procRoot?: string;
  /** Bounds the open files; those of this process if absent. */
  readonly places?: OpenPlaces;
}

/**
 * The folder of one process in /proc. Its files are opened through a descriptor of the folder, which the kernel ties to the
 * process: whoever gets the same pid later has another folder, even where that happens between two calls.
 */
export class ProcessFolder {
  readonly #process: Pick<Process, 'pid' | 'startTicks'>;
  readonly #procRoot: string;
  readonly #places: OpenPlaces;
  readonly #files = new Set<KernelFile>();
  #fd = -1;

  constructor(process: Pick<Process, 'pid' | 'startTicks'>, options: ProcessFolderOptions = {}) {
    this.#process = process;
    this.#procRoot = options.procRoot ?? PROC_ROOT;
    this.#places = options.places ?? sharedPlaces();
  }

  /** A file in it, `task/12/stat`, that is opened when first read. Whoever no longer wants it has it {@link drop}ped. */
  file(name: string): KernelFile {
    return this.#add(() => this.#openFile(name));
  }

  /** A file elsewhere that is read for this process and closed together with the others. */
  fileAt(path: string): KernelFile {
    return this.#add(() => openSync(path, constants.O_RDONLY));
  }

  /** Closes a file for good. */
  drop(file: KernelFile): void {
    this.#files.delete(file);
    file.close();
  }

  /**
   * To be called after reading: the descriptor of the folder, which what is opened in one go shares, is closed. Until then a
   * process that takes over the pid would not be noticed, nor shown.
   */
  leave(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  /** Closes every file; those that are read later are opened anew. */
  close(): void {
    this.leave();
    for (const file of this.#files) file.close();
  }

  #add(open: () => number): KernelFile {
    const file = new KernelFile(open, this.#places);
    this.#files.add(file);
    return file;
  }

  /** @throws DOMAIN_GONE where another process has the pid; what the system raises */
  #openFile(name: string): number {
    if (this.#fd < 0) this.#enter();
    return openSync(`${PROC_ROOT}/self/fd/${this.#fd}/${name}`, constants.O_RDONLY);
  }

  #enter(): void {
    const { pid, startTicks } = this.#process;
    this.#fd = openSync(`${this.#procRoot}/${pid}`, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const stat = readFileSync(`${PROC_ROOT}/self/fd/${this.#fd}/stat`, 'latin1');
      if (startTicksOf(stat) === startTicks) return;
    } catch (error) {
      this.leave();
      throw error;
    }
    this.leave();
    throw new VirtstatError('DOMAIN_GONE', `process ${pid} has exited; another one has its pid`);
  }
}
