import { encodeModified } from './utf8.ts';

const MIN_SHIFT = 3;
/** The primes below the powers of two from 8 on: a name's first place is its hash modulo one of them. */
const PRIMES: readonly number[] = [7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071];
const MAX_SHIFT: number = MIN_SHIFT + PRIMES.length - 1;

type Slot = { readonly hash: number; readonly name: string } | 'empty' | 'removed';

/**
 * The names of an object's members in the table where QEMU strikes out those that it knows. Which of several unknown members
 * it complains about depends on nothing but this table's order (GLib's hash table: open addressing, quadratic probing, the
 * string hash `h = 33 h + byte` from 5381), so that it is kept here in the same way.
 */
export class NameTable {
  #slots: Slot[] = new Array(1 << MIN_SHIFT).fill('empty');
  #shift = MIN_SHIFT;
  #names = 0;
  /** Slots that are not empty. */
  #used = 0;

  constructor(names: Iterable<string>) {
    for (const name of names) this.#insert(hashOf(name), name);
  }

  /** Strikes a name out. */
  remove(name: string): void {
    const at = this.#place(hashOf(name), name);
    if (typeof this.#slots[at] === 'string') return;
    this.#slots[at] = 'removed';
    this.#names--;
    this.#fit();
  }

  /** The first name that is left. */
  first(): string | undefined {
    for (const slot of this.#slots) if (typeof slot !== 'string') return slot.name;
    return undefined;
  }

  #insert(hash: number, name: string): void {
    const at = this.#place(hash, name);
    const slot = this.#slots[at];
    if (slot === 'empty') this.#used++;
    if (typeof slot === 'string') this.#names++;
    this.#slots[at] = { hash, name };
    this.#fit();
  }

  /** Where a name is, or where it would go. */
  #place(hash: number, name: string): number {
    const mask = this.#slots.length - 1;
    let at = Number((BigInt(hash) * 11n) & 0xffffffffn) % (PRIMES[this.#shift - MIN_SHIFT] as number);
    let grave: number | undefined;
    for (let step = 1; this.#slots[at] !== 'empty'; step++) {
      const slot = this.#slots[at] as Slot;
      if (slot === 'removed') grave ??= at;
      else if (slot !== 'empty' && slot.name === name) return at;
      at = (at + step) & mask;
    }
    return grave ?? at;
  }

  /** Grows a table that is nearly full and shrinks one that is nearly empty. */
  #fit(): void {
    const size = this.#slots.length;
    const isSparse = size > Math.max(this.#names * 4, 1 << MIN_SHIFT);
    if (!isSparse && size > this.#used + Math.floor(this.#used / 16)) return;
    const shift = Math.max(32 - Math.clz32(this.#names * 1.333), MIN_SHIFT);
    const entries = this.#slots.filter((slot) => typeof slot !== 'string');
    this.#shift = Math.min(shift, MAX_SHIFT);
    this.#slots = new Array(1 << this.#shift).fill('empty');
    this.#used = entries.length;
    for (const entry of entries) this.#slots[this.#place(entry.hash, entry.name)] = entry;
  }
}

function hashOf(name: string): number {
  let hash = 5381;
  for (const byte of encodeModified(name)) hash = (Math.imul(hash, 33) + ((byte << 24) >> 24)) >>> 0;
  return Math.max(hash, 2);
}
