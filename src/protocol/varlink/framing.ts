import { VirtstatError } from '../../model/errors.ts';
import { type JsonInput, type JsonValue, parseJson } from '../json/json.ts';
import { JsonBuffer, writeJson } from '../json/json-buffer.ts';

/**
 * How messages lie in the byte stream of a varlink connection, both ways:
 *
 * | offset | size | field                             |
 * | ------ | ---- | --------------------------------- |
 * | 0      | n    | one JSON object in UTF-8, n >= 2  |
 * | n      | 1    | 0x00, which no JSON text contains |
 *
 * Spec: https://varlink.org/Method-Call
 */

/** Longest message, without its NUL, in bytes (16 MiB): what systemd's implementation takes. */
export const MAX_MESSAGE_BYTES: number = 16 * 2 ** 20;

/** Most brackets and braces that may be open at once in a message. */
export const MAX_MESSAGE_DEPTH = 256;

/** Bounds of a {@link MessageReader}. */
export interface MessageLimits {
  /** {@link MAX_MESSAGE_BYTES} if absent. */
  readonly maxMessageBytes?: number;
}

/** Smallest buffer for a message that comes in several chunks, in bytes. */
const MIN_BUFFER_BYTES = 4096;

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * A message as it is sent, its NUL included. Integers of any size are exact; numbers must be finite.
 * @param buffer - what it is written to
 */
export function encodeMessage(message: JsonInput, buffer: JsonBuffer = new JsonBuffer()): Uint8Array {
  writeJson(message, buffer);
  buffer.add('\0');
  return buffer.finish();
}

/**
 * Cuts a byte stream into messages and parses them. Looks for the NUL in each byte once, however the stream is cut. A
 * stream with a broken message cannot be trusted any more: the error is final.
 */
export class MessageReader {
  readonly #maxMessageBytes: number;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #buffer: Uint8Array = NOTHING;
  /** Only a buffer of our own may be written to; a message that comes in one chunk is read where it lies. */
  #isOwn = false;
  #start = 0;
  /** Bytes before this offset hold no NUL that was not taken yet. */
  #searched = 0;
  #end = 0;
  #sizeBytes = 0;
  #failure: VirtstatError | undefined;

  constructor(limits: MessageLimits = {}) {
    this.#maxMessageBytes = limits.maxMessageBytes ?? MAX_MESSAGE_BYTES;
  }

  /** Bytes that came and were not given out yet: whole messages, and the beginning of one. */
  get heldBytes(): number {
    return this.#end - this.#start;
  }

  /** Size of the message that {@link next} gave last, without its NUL, in bytes. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Takes the next bytes of the stream. The chunk must not change any more. */
  push(chunk: Uint8Array): void {
    const held = this.heldBytes;
    if (held === 0) {
      this.#buffer = chunk;
      this.#isOwn = false;
      this.#start = this.#searched = 0;
      this.#end = chunk.length;
      return;
    }
    if (!this.#isOwn || this.#end + chunk.length > this.#buffer.length) this.#grow(held, chunk.length);
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The next message, or undefined until more bytes come.
   * @throws FRAME_TOO_LARGE, NESTING_TOO_DEEP, JSON_INVALID; the same again when repeated
   */
  next(): JsonValue | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    // No byte behind the bound is looked at, so that the same is wrong with a message however it is cut.
    const scanEnd = Math.min(this.#end, this.#start + this.#maxMessageBytes + 1);
    const nul = this.#buffer.subarray(0, scanEnd).indexOf(0, this.#searched);
    if (nul >= 0) return this.#take(nul);
    this.#searched = scanEnd;
    if (this.heldBytes > this.#maxMessageBytes) {
      throw this.#fail('FRAME_TOO_LARGE', `a message is longer than ${this.#maxMessageBytes} bytes`);
    }
    // What a large message needed is not kept for the small ones that follow.
    if (this.heldBytes === 0) this.#buffer = NOTHING;
    return undefined;
  }

  /** Doubling keeps the cost of copying in proportion to the bytes, however small the chunks are. */
  #grow(held: number, more: number): void {
    const grown = new Uint8Array(Math.max(MIN_BUFFER_BYTES, 2 * held, held + more));
    grown.set(this.#buffer.subarray(this.#start, this.#end));
    this.#buffer = grown;
    this.#isOwn = true;
    this.#searched -= this.#start;
    this.#start = 0;
    this.#end = held;
  }

  #take(nul: number): JsonValue {
    const bytes = this.#buffer.subarray(this.#start, nul);
    this.#start = this.#searched = nul + 1;
    this.#sizeBytes = bytes.length;
    if (nestsTooDeep(bytes)) {
      throw this.#fail('NESTING_TOO_DEEP', `a message nests brackets deeper than ${MAX_MESSAGE_DEPTH}`);
    }
    try {
      return parseJson(this.#decoder.decode(bytes));
    } catch (error) {
      this.#failure = VirtstatError.from(error, 'JSON_INVALID', 'a message is not UTF-8');
      throw this.#failure;
    }
  }

  #fail(code: 'FRAME_TOO_LARGE' | 'NESTING_TOO_DEEP', message: string): VirtstatError {
    this.#failure = new VirtstatError(code, message);
    return this.#failure;
  }
}

/** Counts brackets outside strings. Each pair of brackets differs from the other in one bit only: 0x5B 0x5D, 0x7B 0x7D. */
function nestsTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === 0x22) at = endOfString(bytes, at + 1);
    else if ((byte | 0x20) === 0x7b && ++depth > MAX_MESSAGE_DEPTH) return true;
    else if ((byte | 0x20) === 0x7d) depth--;
  }
  return false;
}

/** Where the closing quote is, or the end of the bytes. */
function endOfString(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] !== 0x22) at += bytes[at] === 0x5c ? 2 : 1;
  return at;
}
