/** The first wait before something is tried again, in milliseconds. */
const FIRST_MS = 500;

/** The longest, in milliseconds. */
export const MAX_BACKOFF_MS = 60_000;

/**
 * How long to wait before the next attempt: twice as long each time, and somewhere in the upper half of that, so that a thousand
 * hosts do not come back at once.
 */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  /** `random` gives numbers from 0 to 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** After one more failure, in milliseconds; at least `leastMs`, where somebody asked for that. */
  nextMs(leastMs = 0): number {
    const wholeMs = Math.min(MAX_BACKOFF_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    const jitter = this.#random();
    return Math.max(wholeMs * (0.5 + jitter / 2), leastMs * (1 + jitter / 10));
  }

  /** It went well. */
  reset(): void {
    this.#failures = 0;
  }
}
