import { type JsonInput, JsonText, quoteJson, stringifyJson } from './json.ts';
import type { SpareMemory } from './spare-memory.ts';

/** Text that is kept until it is worth converting, in characters: to convert many short ones takes longer than one long. */
const MAX_PENDING_LENGTH = 16_384;

/** Most bytes that a character of a text (a UTF-16 unit) takes. */
const MAX_UNIT_BYTES = 3;

/** JSON that is bytes from the beginning: a message of megabytes is never one text that would have to be converted. */
export class JsonBuffer {
  readonly #spare: SpareMemory | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #end = 0;
  #pending = '';

  /** @param spare - where memory is taken from, as far as there is some; see {@link giveBack} */
  constructor(spare?: SpareMemory) {
    this.#spare = spare;
  }

  /** Adds JSON, or a part of it. */
  add(text: string): void {
    this.#pending += text;
    if (this.#pending.length > MAX_PENDING_LENGTH) this.#convert();
  }

  /** Has bytes written: `write` puts at most `maxBytes` of UTF-8 from `at` on, and returns where they end. */
  addBytes(maxBytes: number, write: (bytes: Uint8Array, at: number) => number): void {
    this.#convert();
    this.#makeRoom(maxBytes);
    this.#end = write(this.#bytes, this.#end);
  }

  /** Everything that was added. Nothing may be added any more. */
  finish(): Uint8Array {
    if (this.#end === 0) return Buffer.from(this.#pending);
    this.#convert();
    return this.#bytes.subarray(0, this.#end);
  }

  /** What {@link finish} returned is not needed any more. To be called once, or never. */
  giveBack(): void {
    this.#spare?.give(this.#bytes);
    this.#bytes = Buffer.alloc(0);
  }

  #convert(): void {
    if (this.#pending === '') return;
    this.#makeRoom(this.#pending.length * MAX_UNIT_BYTES);
    this.#end += this.#bytes.write(this.#pending, this.#end);
    this.#pending = '';
  }

  #makeRoom(sizeBytes: number): void {
    if (this.#end + sizeBytes <= this.#bytes.length) return;
    const needed = this.#end + sizeBytes;
    const spare = this.#bytes.length === 0 ? this.#spare?.take() : undefined;
    const grown = spare !== undefined && spare.length >= needed ? spare : Buffer.allocUnsafeSlow(2 * needed);
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }
}

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
    let before = '[';
    for (const item of this.#items) {
      buffer.add(before);
      writeJson(this.#make(item), buffer);
      before = ',';
    }
    buffer.add(before === '[' ? '[]' : ']');
  }
}

/** Adds what {@link stringifyJson} makes of the value. */
export function writeJson(value: JsonInput, buffer: JsonBuffer): void {
  if (value instanceof JsonBytes) value.writeTo(buffer);
  else if (Array.isArray(value)) writeArray(value, buffer);
  else if (typeof value !== 'object' || value === null || value instanceof JsonText) buffer.add(stringifyJson(value));
  else writeObject(value as { readonly [key: string]: JsonInput | undefined }, buffer);
}

function writeArray(items: readonly JsonInput[], buffer: JsonBuffer): void {
  if (typeof items[0] !== 'object') {
    buffer.add(stringifyJson(items));
    return;
  }
  let before = '[';
  for (const item of items) {
    buffer.add(before);
    writeJson(item, buffer);
    before = ',';
  }
  buffer.add(']');
}

function writeObject(object: { readonly [key: string]: JsonInput | undefined }, buffer: JsonBuffer): void {
  let before = '{';
  for (const key of Object.keys(object)) {
    const member = object[key];
    if (member === undefined) continue;
    buffer.add(`${before}${quoteJson(key)}:`);
    writeJson(member, buffer);
    before = ',';
  }
  buffer.add(before === '{' ? '{}' : '}');
}
