/** How long work goes on before others have their turn, in milliseconds. */
const TURN_MS = 5;

/** Has long work let others have their turn. */
export class Pace {
  #sinceMs = performance.now();

  /** Resolves at once, or after everybody else where this has gone on for long. */
  async rest(): Promise<void> {
    if (performance.now() - this.#sinceMs < TURN_MS) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#sinceMs = performance.now();
  }
}
