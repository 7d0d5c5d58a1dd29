import { VirtstatError } from '../../model/errors.ts';
import { ReceivedBytes } from '../received-bytes.ts';

/** Longest message that is taken from a peer, in bytes: QEMU's own limit for what it takes (64 MiB). */
export const MAX_FRAME_BYTES: number = 64 * 2 ** 20;

/** Most brackets and braces that may be open at once in a message: QEMU's own limit. */
export const MAX_DEPTH = 1024;

/** Bounds of a {@link FrameScanner}; each is the module's constant if absent. */
export interface FrameLimits {
  readonly maxFrameBytes?: number;
  readonly maxDepth?: number;
}

/** What a byte means outside strings; {@link ENDS_RUN} has what matters inside them. */
const ORDINARY = 0;
const SPACE = 1;
const OPEN = 2;
const CLOSE = 3;
const QUOTE = 4;
const IMPOSSIBLE = 5;

const KIND: Uint8Array = new Uint8Array(256).map((_, byte) => {
  if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) return SPACE;
  if (byte === 0x7b || byte === 0x5b) return OPEN;
  if (byte === 0x7d || byte === 0x5d) return CLOSE;
  if (byte === 0x22) return QUOTE;
  return byte < 0x20 || byte >= 0x7f ? IMPOSSIBLE : ORDINARY;
});

/** 1 for the bytes that end a run of plain characters in a string: the quote, the backslash, and what no string may have. */
const ENDS_RUN: Uint8Array = new Uint8Array(256).map((_, byte) =>
  byte === 0x22 || byte === 0x5c || byte < 0x20 || byte === 0xff ? 1 : 0,
);

/** 1 for the bytes that a number or keyword on the top level may begin with. */
const BEGINS_SCALAR: Uint8Array = new Uint8Array(256).map((_, byte) =>
  (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x66 || byte === 0x6e || byte === 0x74 ? 1 : 0,
);

type State = 'between' | 'scalar' | 'structure' | 'string' | 'escape' | 'skipping';

/** Longest line that {@link FrameScanner.peekLine} looks at, in bytes. */
const MAX_LINE_BYTES: number = 64 * 1024;

/**
 * Cuts a byte stream into JSON texts, one top-level value each, by the balance of brackets: a message may be one line, many
 * lines (`-qmp-pretty`), or have no line end at all. Looks at each byte once and copies each at most a few times, however
 * the stream is cut. It knows no grammar beyond that: the JSON parser refuses what is wrong inside a balanced text.
 *
 * A number or keyword on the top level is complete at the next delimiter. Bytes that no JSON text can have (control
 * bytes, 0xFF, text between messages) are an error at once; the scanner then skips to the next line and goes on.
 *
 * Spec: docs/interop/qmp-spec in QEMU; limits as QEMU's own for its input.
 */
export class FrameScanner {
  readonly #maxFrameBytes: number;
  readonly #maxDepth: number;
  readonly #maxLineBytes: number;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  readonly #received: ReceivedBytes;
  /** How far they were looked at. */
  #at = 0;
  /** The brackets that are open, outermost first. */
  readonly #open: Uint8Array;
  #depth = 0;
  #state: State = 'between';
  #isLineStart = true;

  constructor(limits: FrameLimits = {}) {
    this.#maxFrameBytes = limits.maxFrameBytes ?? MAX_FRAME_BYTES;
    this.#received = new ReceivedBytes(this.#maxFrameBytes);
    this.#maxDepth = limits.maxDepth ?? MAX_DEPTH;
    this.#open = new Uint8Array(this.#maxDepth);
    this.#maxLineBytes = Math.min(MAX_LINE_BYTES, this.#maxFrameBytes);
  }

  /** Bytes held for a message that is not complete yet. */
  get heldBytes(): number {
    return this.#received.sizeBytes;
  }

  /** Takes the next bytes of the stream. The chunk must not change until {@link next} has returned undefined. */
  push(chunk: Uint8Array): void {
    this.#at -= this.#received.push(chunk);
  }

  /**
   * The next complete JSON text, or undefined until more bytes come. After an error the call can be repeated: it goes on
   * behind the next line end.
   * @throws FRAME_TOO_LARGE, NESTING_TOO_DEEP; JSON_INVALID for bytes that no JSON text has
   */
  next(): string | undefined {
    if ((this.#state === 'skipping' && !this.#skipLine()) || (this.#state === 'between' && !this.#beginFrame())) {
      this.#received.clear();
      this.#at = 0;
      return undefined;
    }
    const isComplete = this.#state === 'scalar' ? this.#scanScalar() : this.#scanStructure();
    if (this.#at - this.#received.start > this.#maxFrameBytes) {
      this.#fail('FRAME_TOO_LARGE', `a message is longer than ${this.#maxFrameBytes} bytes`);
    }
    return isComplete ? this.#takeFrame() : undefined;
  }

  /** No byte behind the bound is looked at, so that the same is wrong with a message however it is cut. */
  get #scanEnd(): number {
    return Math.min(this.#received.end, this.#received.start + this.#maxFrameBytes + 1);
  }

  /**
   * The line at which the stream stands, without its end, where it is complete, might be one whole message, and cannot
   * nest too deep; else undefined. Takes nothing: {@link dropLine} does.
   */
  peekLine(): string | undefined {
    if (this.#state !== 'between') return undefined;
    this.#skipSpace();
    if (!this.#isLineStart || this.#at === this.#received.end || this.#received.bytes[this.#at] !== 0x7b)
      return undefined;
    // Many messages on one line would each look at all of it.
    this.#isLineStart = false;
    const lineEnd = this.#received.bytes
      .subarray(0, Math.min(this.#received.end, this.#at + this.#maxLineBytes))
      .indexOf(0x0a, this.#at);
    if (lineEnd < 0) return undefined;
    try {
      const line = this.#decoder.decode(this.#received.bytes.subarray(this.#at, lineEnd));
      const brackets = line.split('{').length + line.split('[').length - 2;
      return brackets <= this.#maxDepth ? line : undefined;
    } catch {
      return undefined;
    }
  }

  /** Goes behind the line that {@link peekLine} gave. */
  dropLine(): void {
    this.#received.start = this.#at = this.#received.bytes.indexOf(0x0a, this.#at) + 1;
    this.#isLineStart = true;
  }

  #skipLine(): boolean {
    const lineEnd = this.#received.bytes.subarray(0, this.#received.end).indexOf(0x0a, this.#at);
    this.#received.start = this.#at = lineEnd < 0 ? this.#received.end : lineEnd + 1;
    if (lineEnd < 0) return false;
    this.#state = 'between';
    this.#isLineStart = true;
    return true;
  }

  #beginFrame(): boolean {
    this.#skipSpace();
    if (this.#at === this.#received.end) return false;
    const byte = this.#received.bytes[this.#at] as number;
    const kind = KIND[byte];
    if (kind === OPEN) this.#state = 'structure';
    else if (kind === QUOTE) {
      this.#state = 'string';
      this.#at++;
    } else if (BEGINS_SCALAR[byte] === 1) this.#state = 'scalar';
    else this.#fail('JSON_INVALID', `byte ${hex(byte)} begins no JSON value`);
    return true;
  }

  #skipSpace(): void {
    const { bytes, end } = this.#received;
    let at = this.#at;
    while (at < end && KIND[bytes[at] as number] === SPACE) {
      if (bytes[at++] === 0x0a) this.#isLineStart = true;
    }
    this.#received.start = this.#at = at;
  }

  #scanScalar(): boolean {
    const buffer = this.#received.bytes;
    const end = this.#scanEnd;
    let at = this.#at;
    while (at < end && KIND[buffer[at] as number] === ORDINARY && buffer[at] !== 0x2c) at++;
    this.#at = at;
    return at < end;
  }

  /** Goes on to the end of the value, or of the bytes. The hot loop: most bytes pass one comparison. */
  #scanStructure(): boolean {
    const buffer = this.#received.bytes;
    const end = this.#scanEnd;
    const open = this.#open;
    let depth = this.#depth;
    let at = this.#state === 'structure' ? this.#at : this.#scanString(this.#at);
    let isComplete = this.#state === 'structure' && depth === 0 && at > this.#received.start;
    while (at < end && !isComplete) {
      const kind = KIND[buffer[at++] as number] as number;
      if (kind <= SPACE) continue;
      if (kind === QUOTE) at = this.#scanString(at);
      else if (kind === OPEN && depth < this.#maxDepth) open[depth++] = buffer[at - 1] as number;
      else if (kind === CLOSE) {
        // Both kinds of brackets stand two places apart in ASCII. A pair that does not match would be waited for in vain.
        if ((buffer[at - 1] as number) - (open[--depth] as number) !== 2) this.#refuse(at - 1);
        isComplete = depth === 0;
      } else if (kind === IMPOSSIBLE) this.#refuse(at - 1);
      else this.#fail('NESTING_TOO_DEEP', `a message nests brackets deeper than ${this.#maxDepth}`, at);
    }
    this.#at = at;
    this.#depth = depth;
    return isComplete;
  }

  /** Goes on behind the closing quote, or to the end of the bytes. */
  #scanString(from: number): number {
    const buffer = this.#received.bytes;
    const end = this.#scanEnd;
    let at = from;
    if (this.#state === 'escape' && at < end) at = this.#scanEscape(at);
    while (at < end) {
      const byte = buffer[at] as number;
      if (ENDS_RUN[byte] === 0) at++;
      else if (byte === 0x22) {
        this.#state = 'structure';
        return at + 1;
      } else if (byte !== 0x5c) this.#refuse(at);
      else if (++at === end) {
        this.#state = 'escape';
        return at;
      } else at = this.#scanEscape(at);
    }
    if (this.#state !== 'escape') this.#state = 'string';
    return at;
  }

  /** Only a quote must not be taken for the end; which escapes there are is the parser's business. */
  #scanEscape(at: number): number {
    if ((this.#received.bytes[at] as number) < 0x20) this.#refuse(at);
    this.#state = 'string';
    return at + 1;
  }

  #refuse(at: number): never {
    return this.#fail(
      'JSON_INVALID',
      `a message has byte ${hex(this.#received.bytes[at] as number)}, which is no JSON`,
      at,
    );
  }

  #takeFrame(): string {
    const bytes = this.#received.bytes.subarray(this.#received.start, this.#at);
    this.#received.start = this.#at;
    this.#depth = 0;
    this.#state = 'between';
    try {
      return this.#decoder.decode(bytes);
    } catch (error) {
      throw new VirtstatError('JSON_INVALID', 'a message is not UTF-8', { cause: error });
    }
  }

  /** Gives up the message at `at`, where the next line is looked for. */
  #fail(code: 'FRAME_TOO_LARGE' | 'NESTING_TOO_DEEP' | 'JSON_INVALID', message: string, at = this.#at): never {
    this.#received.start = this.#at = at;
    this.#depth = 0;
    this.#state = 'skipping';
    throw new VirtstatError(code, message);
  }
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0').toUpperCase()}`;
}
