import { whileWanted } from '../../host/deadline.ts';
import type { CallOptions } from '../../model/provider.ts';
import type { Monitor } from './monitor.ts';

/** The monitor bounds what is asked of it; a shared question ends with no single caller. */
const NEVER: AbortSignal = new AbortController().signal;

/**
 * Something that QEMU tells once and that stays true while that QEMU runs: asked for when first wanted, shared by all who
 * want it, asked again on a new connection, behind which another QEMU may stand.
 */
export class Learned<T> {
  readonly #monitor: Monitor;
  readonly #ask: (options: CallOptions) => Promise<T>;
  readonly #isOneProcess: boolean;
  #held: { readonly connection: number | undefined; readonly value: T } | undefined;
  #asking: Promise<T> | undefined;

  /** `isOneProcess` says that the same QEMU stands behind every connection. */
  constructor(monitor: Monitor, isOneProcess: boolean, ask: (options: CallOptions) => Promise<T>) {
    this.#monitor = monitor;
    this.#isOneProcess = isOneProcess;
    this.#ask = ask;
  }

  /** What was learned. @throws what asking raises; it is asked again next time */
  async get(options: CallOptions): Promise<T> {
    const held = this.#held;
    if (held !== undefined && this.#holds(held.connection)) return held.value;
    if (this.#asking === undefined) {
      this.#asking = this.#learn().finally(() => {
        this.#asking = undefined;
      });
      // Whoever asked first may have gone by the time it fails.
      this.#asking.catch(() => undefined);
    }
    return whileWanted(this.#asking, options.signal, `what ${this.#monitor.name} tells about itself`);
  }

  async #learn(): Promise<T> {
    const value = await this.#ask({ signal: NEVER });
    this.#held = { connection: this.#monitor.connectionNumber, value };
    return value;
  }

  #holds(connection: number | undefined): boolean {
    return this.#isOneProcess || (connection !== undefined && connection === this.#monitor.connectionNumber);
  }
}
