/** How long work goes on before others have their turn, in milliseconds. */
const TURN_MS = 5;

/** Has long work let others have their turn. */
export class Pace {
  #sinceMs = performance.now();

  /** True where it is time to {@link rest}: for loops whose steps are so short that waiting for nothing would be much. */
  get isDue(): boolean {
    return performance.now() - this.#sinceMs >= TURN_MS;
  }

  /** Resolves at once, or after everybody else where this has gone on for long. */
  async rest(): Promise<void> {
    if (!this.isDue) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#sinceMs = performance.now();
  }
}
