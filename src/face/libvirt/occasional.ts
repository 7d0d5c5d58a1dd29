import type { CallOptions } from '../../model/provider.ts';

/** How long what a monitor tells of devices stays good, in milliseconds: somebody has to change it by hand. */
const MAX_AGE_MS = 10_000;

/** What many share ends with none of them; the monitor's own limit bounds it. */
export const NEVER: CallOptions = { signal: new AbortController().signal };

/** How long to wait for what a monitor tells of devices. */
export interface DevicesOptions extends CallOptions {
  /** In milliseconds; may be infinite: the monitor's own limit bounds it. */
  readonly patienceMs: number;
}

/** Asks now and then, for all who want to know. */
export class Occasional {
  #asking: Promise<void> | undefined;
  #askedMs = -Infinity;

  /** Asks where that was some time ago; waits no longer than `patienceMs`, and not when the signal fires. `ask` must not reject. */
  async refresh(ask: () => Promise<void>, { patienceMs, signal }: DevicesOptions): Promise<void> {
    if (performance.now() - this.#askedMs >= MAX_AGE_MS) {
      this.#askedMs = performance.now();
      this.#asking = ask().finally(() => {
        this.#asking = undefined;
      });
    }
    if (this.#asking !== undefined) await atMost(patienceMs, signal, this.#asking);
  }
}

/** Resolves when the work is done, after that long, or with the signal. */
function atMost(ms: number, signal: AbortSignal, work: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = Number.isFinite(ms) ? setTimeout(done, ms) : undefined;
    signal.addEventListener('abort', done, { once: true });
    void work.finally(done);
    if (signal.aborted) done();
  });
}
