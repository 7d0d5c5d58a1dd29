import { VirtstatError } from '../../model/errors.ts';
import { type JsonInput, type JsonValue, parseJson } from '../json/json.ts';
import { JsonBuffer, writeJson } from '../json/json-buffer.ts';
import { ReceivedBytes } from '../received-bytes.ts';

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
  readonly #received: ReceivedBytes;
  /** Bytes before this offset hold no NUL that was not taken yet. */
  #searched = 0;
  #sizeBytes = 0;
  #failure: VirtstatError | undefined;

  constructor(limits: MessageLimits = {}) {
    this.#maxMessageBytes = limits.maxMessageBytes ?? MAX_MESSAGE_BYTES;
    this.#received = new ReceivedBytes(this.#maxMessageBytes);
  }

  /** Bytes that came and were not given out yet: whole messages, and the beginning of one. */
  get heldBytes(): number {
    return this.#received.sizeBytes;
  }

  /** Size of the message that {@link next} gave last, without its NUL, in bytes. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Takes the next bytes of the stream. The chunk must not change any more. */
  push(chunk: Uint8Array): void {
    this.#searched -= this.#received.push(chunk);
  }

  /**
   * The next message, or undefined until more bytes come.
   * @throws FRAME_TOO_LARGE, NESTING_TOO_DEEP, JSON_INVALID; the same again when repeated
   */
  next(): JsonValue | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    // No byte behind the bound is looked at, so that the same is wrong with a message however it is cut.
    const { bytes, start, end } = this.#received;
    const scanEnd = Math.min(end, start + this.#maxMessageBytes + 1);
    const nul = bytes.subarray(0, scanEnd).indexOf(0, this.#searched);
    if (nul >= 0) return this.#take(nul);
    this.#searched = scanEnd;
    if (this.heldBytes > this.#maxMessageBytes) {
      throw this.#fail('FRAME_TOO_LARGE', `a message is longer than ${this.#maxMessageBytes} bytes`);
    }
    if (this.heldBytes === 0) this.#clear();
    return undefined;
  }

  #clear(): void {
    this.#received.clear();
    this.#searched = 0;
  }

  #take(nul: number): JsonValue {
    const bytes = this.#received.bytes.subarray(this.#received.start, nul);
    this.#received.start = this.#searched = nul + 1;
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
