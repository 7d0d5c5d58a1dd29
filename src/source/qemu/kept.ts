import { whileWanted } from '../../host/deadline.ts';
import type { CallOptions } from '../../model/provider.ts';
import type { Monitor } from './monitor.ts';

/** The monitor bounds what is asked of it; a shared question ends with no single caller. */
const NEVER: AbortSignal = new AbortController().signal;

/** For how long an answer stays true. */
export interface KeptOptions {
  /** Asked again when it is older than that, in milliseconds; never for its age if absent. */
  readonly maxAgeMs?: number;
  /** Asked again after one of these events of QEMU. Events are heard only while a connection is open: see {@link Kept}. */
  readonly events?: readonly string[];
  /** The same QEMU stands behind every connection, so that what it told stays true on the next one; false if absent. */
  readonly isOneProcess?: boolean;
}

/**
 * Something that QEMU tells and that stays true for a while: asked for when first wanted, shared by all who want it, and
 * asked again when it may have changed. On a new connection that is always so where events decide, since none was heard in
 * between, and where another QEMU may have taken the old one's place.
 */
export class Kept<T> {
  readonly #monitor: Monitor;
  readonly #options: KeptOptions;
  readonly #ask: (options: CallOptions) => Promise<T>;
  #held: { readonly connection: number | undefined; readonly askedMs: number; readonly value: T } | undefined;
  #asking: Promise<T> | undefined;
  /** Counts what was forgotten. */
  #generation = 0;

  constructor(monitor: Monitor, options: KeptOptions, ask: (options: CallOptions) => Promise<T>) {
    this.#monitor = monitor;
    this.#options = options;
    this.#ask = ask;
    const { events } = options;
    if (events !== undefined) {
      monitor.subscribe(({ name }) => {
        if (events.includes(name)) this.forget();
      });
    }
  }

  /** What was told, while it holds; undefined where it would have to be asked. */
  get known(): { readonly value: T } | undefined {
    return this.#held !== undefined && this.#holds(this.#held) ? this.#held : undefined;
  }

  /** What was told. @throws what asking raises; it is asked again next time */
  async get(options: CallOptions): Promise<T> {
    const { known } = this;
    if (known !== undefined) return known.value;
    if (this.#asking === undefined) {
      const asking = this.#learn().finally(() => {
        if (this.#asking === asking) this.#asking = undefined;
      });
      this.#asking = asking;
      // Whoever asked first may have gone by the time it fails.
      asking.catch(() => undefined);
    }
    return whileWanted(this.#asking, options.signal, `what ${this.#monitor.name} tells about itself`);
  }

  /** Whoever wants it next has it asked anew. */
  forget(): void {
    this.#generation++;
    this.#held = undefined;
    this.#asking = undefined;
  }

  /** An event that comes while the question is open makes its answer old before it is there: whoever waits has it all the same. */
  async #learn(): Promise<T> {
    const askedMs = performance.now();
    const generation = this.#generation;
    const value = await this.#ask({ signal: NEVER });
    if (generation === this.#generation) {
      this.#held = { connection: this.#monitor.connectionNumber, askedMs, value };
    }
    return value;
  }

  #holds({ connection, askedMs }: { readonly connection: number | undefined; readonly askedMs: number }): boolean {
    const { maxAgeMs = Number.POSITIVE_INFINITY, events = [], isOneProcess = false } = this.#options;
    if (performance.now() - askedMs > maxAgeMs) return false;
    if (isOneProcess && events.length === 0) return true;
    return connection !== undefined && connection === this.#monitor.connectionNumber;
  }
}
