const NOTHING: Uint8Array = new Uint8Array(0);

/** Smallest piece of memory for what comes in several chunks, in bytes. */
const MIN_OWN_BYTES = 4096;

/**
 * The bytes of a stream that came and were not taken yet, in one piece. A chunk that comes alone is used where it lies; doubling
 * keeps the cost of copying in proportion to the bytes, however small the chunks are. Whoever cuts messages out of it bounds what
 * it holds.
 */
export class ReceivedBytes {
  /** Has them from {@link start} to {@link end}; {@link push} may put another in its place. */
  bytes: Uint8Array = NOTHING;
  /** Where they begin. What is taken is left behind by moving it on. */
  start = 0;
  #end = 0;
  /** Only memory of our own may be written to. */
  #isOwn = false;
  readonly #maxMessageBytes: number;

  /** More than that, and a byte, is taken from the machine only where more than one message waits, or a chunk is longer. */
  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  get end(): number {
    return this.#end;
  }

  /** How many there are. */
  get sizeBytes(): number {
    return this.#end - this.start;
  }

  /**
   * Adds the next chunk of the stream, which must not change while it is in use. Returns by how much every offset at or behind
   * {@link start} is smaller now.
   */
  push(chunk: Uint8Array): number {
    const { start, sizeBytes } = this;
    if (sizeBytes === 0) {
      this.bytes = chunk;
      this.#isOwn = false;
      this.start = 0;
      this.#end = chunk.length;
      return start;
    }
    const hasRoom = this.#isOwn && this.#end + chunk.length <= this.bytes.length;
    if (!hasRoom) this.#grow(chunk.length);
    this.bytes.set(chunk, this.#end);
    this.#end += chunk.length;
    return start - this.start;
  }

  /** Takes the next bytes: a view, over which nothing that comes later is written. */
  take(sizeBytes: number): Uint8Array {
    const taken = this.bytes.subarray(this.start, this.start + sizeBytes);
    this.start += sizeBytes;
    this.#isOwn = false;
    return taken;
  }

  /** Gives the memory back, with what is in it: what a large message needed is not kept for the small ones that follow. */
  clear(): void {
    this.bytes = NOTHING;
    this.start = this.#end = 0;
  }

  #grow(moreBytes: number): void {
    const { sizeBytes } = this;
    const neededBytes = sizeBytes + moreBytes;
    const enoughBytes = this.#maxMessageBytes + 1;
    // Where more waits than a message may have, its bound is none: with that every further chunk would be a copy of all.
    const doubledBytes = neededBytes > enoughBytes ? 2 * sizeBytes : Math.min(2 * sizeBytes, enoughBytes);
    const grown = new Uint8Array(Math.max(MIN_OWN_BYTES, doubledBytes, neededBytes));
    grown.set(this.bytes.subarray(this.start, this.#end));
    this.bytes = grown;
    this.#isOwn = true;
    this.start = 0;
    this.#end = sizeBytes;
  }
}
