/** Smallest and largest piece that is kept, in bytes: less is taken anew for little, and more is seldom needed twice. */
export const MIN_SPARE_BYTES: number = 64 * 1024;
/** See {@link MIN_SPARE_BYTES}. */
export const MAX_SPARE_BYTES: number = 8 * 2 ** 20;

/** Most pieces that are kept: as many messages are written before the first of them is sent. */
export const MAX_SPARES = 4;

/**
 * Memory of messages that were sent, for those that follow: a whole host's values take megabytes each second, which would be
 * garbage long before its collector looks at what is not its own.
 */
export class SpareMemory {
  readonly #spares: Buffer[] = [];

  /** Some memory, whatever its size; undefined where there is none. */
  take(): Buffer | undefined {
    return this.#spares.pop();
  }

  /** Nobody else may read or write to it any more. */
  give(memory: Buffer): void {
    const isWorthIt = memory.length >= MIN_SPARE_BYTES && memory.length <= MAX_SPARE_BYTES;
    if (isWorthIt && this.#spares.length < MAX_SPARES) this.#spares.push(memory);
  }
}
