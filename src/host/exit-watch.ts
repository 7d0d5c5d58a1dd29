import type { ProcessHandle } from './process-handle.ts';
import { exitedAmong } from './syscalls.ts';

/**
 * From one look at the processes to the next, in milliseconds, at least: how late an exit may be noticed. A look costs as much as
 * there are processes, so that with more than fifty of them it is a millisecond for each.
 */
export const EXIT_CHECK_INTERVAL_MS = 50;

/**
 * Calls back when processes exit. One system call looks at all of them, on a timer that does not keep this process
 * running: a wait that blocks would need a thread of its own, and would keep the process from ending.
 */
export class ExitWatch {
  readonly #callbacks = new Map<ProcessHandle, () => void>();
  /** Those of the callbacks; undefined where they are others by now. */
  #handles: readonly ProcessHandle[] | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * Calls `onExit` once, soon after the process exits. Returns the function that ends the watch. A handle that is closed
   * is no longer watched.
   */
  watch(handle: ProcessHandle, onExit: () => void): () => void {
    this.#callbacks.set(handle, onExit);
    this.#handles = undefined;
    if (this.#timer === undefined) this.#plan();
    return () => this.#forget(handle);
  }

  /** How many processes are watched. */
  get size(): number {
    return this.#callbacks.size;
  }

  /** Looks now. */
  check(): void {
    for (const handle of this.#callbacks.keys()) if (handle.pidfd < 0) this.#forget(handle);
    this.#handles ??= [...this.#callbacks.keys()];
    for (const handle of exitedAmong(this.#handles)) {
      const onExit = this.#callbacks.get(handle);
      this.#forget(handle);
      onExit?.();
    }
  }

  #plan(): void {
    this.#timer = setTimeout(
      () => {
        this.#plan();
        this.check();
      },
      Math.max(EXIT_CHECK_INTERVAL_MS, this.size),
    ).unref();
  }

  #forget(handle: ProcessHandle): void {
    this.#callbacks.delete(handle);
    this.#handles = undefined;
    if (this.#callbacks.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** The watch that all of this process shares. */
export const exitWatch: ExitWatch = new ExitWatch();
