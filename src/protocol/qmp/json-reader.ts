import { type JsonValue, parseJson } from '../json/json.ts';
import { type FrameLimits, FrameScanner } from './framing.ts';

/**
 * Reads the JSON values of a byte stream.
 *
 * Nearly every message of QEMU is one line. Such a line is given to the parser as it is: if the parser takes it, it was a
 * whole message, and no byte of it had to be looked at one by one, which a process that has just started does slowly. Only
 * what the parser refuses, and what is not one short line, goes through the scanner; the result is the same.
 */
export class JsonReader {
  readonly #scanner: FrameScanner;

  constructor(limits: FrameLimits = {}) {
    this.#scanner = new FrameScanner(limits);
  }

  /** Bytes held for a message that is not complete yet. */
  get heldBytes(): number {
    return this.#scanner.heldBytes;
  }

  /** Takes the next bytes of the stream. The chunk must not change until {@link next} has returned undefined. */
  push(chunk: Uint8Array): void {
    this.#scanner.push(chunk);
  }

  /**
   * The next value, or undefined until more bytes come. After an error the call can be repeated: it goes on behind what was
   * wrong.
   * @throws FRAME_TOO_LARGE, NESTING_TOO_DEEP, JSON_INVALID
   */
  next(): JsonValue | undefined {
    const line = this.#scanner.peekLine();
    const value = line === undefined ? undefined : parsed(line);
    if (value !== undefined) {
      this.#scanner.dropLine();
      return value;
    }
    const text = this.#scanner.next();
    return text === undefined ? undefined : parseJson(text);
  }
}

function parsed(line: string): JsonValue | undefined {
  try {
    return parseJson(line);
  } catch {
    return undefined;
  }
}
