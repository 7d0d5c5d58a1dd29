import { type JsonInput, JsonText, stringifyJson } from './json.ts';
import type { SpareMemory } from './spare-memory.ts';

/** Longer texts are converted by the platform: it is faster at that, and slower at beginning. */
const MAX_SHORT_LENGTH = 64;

/** Most bytes that a character of a text (a UTF-16 unit) takes. */
const MAX_UNIT_BYTES = 3;

/** Where a message begins: most need no more. */
const FIRST_BYTES = 1024;

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** The last character of ASCII that is printed. */
const TILDE = 0x7e;
const ASCII_END = 0x80;

/** JSON that is bytes from the beginning: a message of megabytes is never one text that would have to be converted. */
export class JsonBuffer {
  readonly #spare: SpareMemory | undefined;
  #bytes: Buffer = NO_BYTES;
  #end = 0;

  /** @param spare - where memory is taken from, as far as there is some; see {@link giveBack} */
  constructor(spare?: SpareMemory) {
    this.#spare = spare;
  }

  /** Adds JSON, or a part of it. */
  add(text: string): void {
    this.#makeRoom(text.length * MAX_UNIT_BYTES);
    const end = text.length <= MAX_SHORT_LENGTH ? this.#addAscii(text) : -1;
    this.#end = end >= 0 ? end : this.#end + this.#bytes.write(text, this.#end);
  }

  /** Adds a string, between quotes. */
  addQuoted(text: string): void {
    this.#makeRoom(text.length * MAX_UNIT_BYTES + 2);
    const bytes = this.#bytes;
    let at = this.#end;
    bytes[at++] = QUOTE;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit < SPACE || unit > TILDE || unit === QUOTE || unit === BACKSLASH) {
        this.add(JSON.stringify(text));
        return;
      }
      bytes[at++] = unit;
    }
    bytes[at++] = QUOTE;
    this.#end = at;
  }

  /** Has bytes written: `write` puts at most `maxBytes` of UTF-8 from `at` on, and returns where they end. */
  addBytes(maxBytes: number, write: (bytes: Uint8Array, at: number) => number): void {
    this.#makeRoom(maxBytes);
    this.#end = write(this.#bytes, this.#end);
  }

  /** Everything that was added. Nothing may be added any more. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#end);
  }

  /** What {@link finish} returned is not needed any more. To be called once, or never. */
  giveBack(): void {
    this.#spare?.give(this.#bytes);
    this.#bytes = NO_BYTES;
  }

  /** Where the text ends, or -1 where it has other characters than ASCII. */
  #addAscii(text: string): number {
    const bytes = this.#bytes;
    let at = this.#end;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= ASCII_END) return -1;
      bytes[at++] = unit;
    }
    return at;
  }

  #makeRoom(sizeBytes: number): void {
    if (this.#end + sizeBytes <= this.#bytes.length) return;
    const needed = this.#end + sizeBytes;
    const isFirst = this.#bytes.length === 0;
    const spare = isFirst ? this.#spare?.take() : undefined;
    const grown =
      spare !== undefined && spare.length >= needed
        ? spare
        : Buffer.allocUnsafeSlow(isFirst ? Math.max(needed, FIRST_BYTES) : 2 * needed);
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }
}

const NO_BYTES: Buffer = Buffer.alloc(0);

/** JSON that is written as bytes, without having been a text. */
export abstract class JsonBytes extends JsonText {
  constructor() {
    super('');
  }

  abstract writeTo(buffer: JsonBuffer): void;

  override get text(): string {
    const buffer = new JsonBuffer();
    this.writeTo(buffer);
    return Buffer.from(buffer.finish()).toString();
  }
}

/** A list whose items are made one after the other while it is written, and are garbage before the next is made. */
export class JsonList<T> extends JsonBytes {
  readonly #items: readonly T[];
  readonly #make: (item: T) => JsonInput;

  constructor(items: readonly T[], make: (item: T) => JsonInput) {
    super();
    this.#items = items;
    this.#make = make;
  }

  writeTo(buffer: JsonBuffer): void {
    writeList(this.#items, buffer, (item) => writeJson(this.#make(item), buffer));
  }
}

/** Adds what {@link stringifyJson} makes of the value. */
export function writeJson(value: JsonInput, buffer: JsonBuffer): void {
  if (typeof value === 'string') buffer.addQuoted(value);
  else if (value instanceof JsonBytes) value.writeTo(buffer);
  else if (Array.isArray(value)) writeArray(value, buffer);
  else if (typeof value !== 'object' || value === null || value instanceof JsonText) buffer.add(stringifyJson(value));
  else writeObject(value as { readonly [key: string]: JsonInput | undefined }, buffer);
}

function writeArray(items: readonly JsonInput[], buffer: JsonBuffer): void {
  if (typeof items[0] === 'object') writeList(items, buffer, (item) => writeJson(item, buffer));
  else buffer.add(stringifyJson(items));
}

function writeList<T>(items: readonly T[], buffer: JsonBuffer, write: (item: T) => void): void {
  buffer.add('[');
  let isFirst = true;
  for (const item of items) {
    if (!isFirst) buffer.add(',');
    isFirst = false;
    write(item);
  }
  buffer.add(']');
}

function writeObject(object: { readonly [key: string]: JsonInput | undefined }, buffer: JsonBuffer): void {
  buffer.add('{');
  let isFirst = true;
  for (const key of Object.keys(object)) {
    const member = object[key];
    if (member === undefined) continue;
    if (!isFirst) buffer.add(',');
    isFirst = false;
    buffer.addQuoted(key);
    buffer.add(':');
    writeJson(member, buffer);
  }
  buffer.add('}');
}
