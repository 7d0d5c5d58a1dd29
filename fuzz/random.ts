/** Numbers that look random and that a seed decides: the same seed, the same numbers (sfc32 by Chris Doty-Humphrey). */
export class Random {
  #a = 0x9e3779b9;
  #b: number;
  #c = 0x243f6a88;
  #counter = 1;

  /** Any integer; its 32 lowest bits count. */
  constructor(seed: number) {
    this.#b = seed | 0;
    for (let turn = 0; turn < 15; turn++) this.next();
  }

  /** 0 to 2^32-1. */
  next(): number {
    const result = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** 0 to `limit`-1; 0 where there is nothing between. */
  below(limit: number): number {
    return limit <= 1 ? 0 : this.next() % limit;
  }

  /** One of at least one. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

/** A seed for what depends on nothing but these bytes (FNV-1a). */
export function seedOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < bytes.length; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return hash >>> 0;
}
