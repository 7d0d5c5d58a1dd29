import { Lexer, type TokenType } from './lexer.ts';
import { ParseFailure, parseTokens } from './parser.ts';
import { textForMessage } from './utf8.ts';
import type { QmpValue } from './value.ts';

/** Longest token, and most bytes of all tokens of one message together, that QEMU takes. */
export const QEMU_MAX_TOKEN_BYTES: number = 64 * 2 ** 20;
/** Most tokens of one message that QEMU takes. */
export const QEMU_MAX_TOKENS: number = 2 * 2 ** 20;
/** Most brackets and braces that may be open at once. */
export const MAX_NESTING = 1024;

/** Bounds of a {@link RequestReader}. Nesting is bounded as in QEMU, always. */
export interface ReaderLimits {
  /** {@link QEMU_MAX_TOKEN_BYTES} if absent. */
  readonly maxTokenBytes?: number;
  /** {@link QEMU_MAX_TOKENS} if absent. */
  readonly maxTokens?: number;
}

/** One message as it was read: a value, or what QEMU says to bytes that are none. */
export type Incoming = { readonly value: QmpValue; readonly failure?: undefined } | { readonly failure: string };

/**
 * Reads requests out of a byte stream exactly as QEMU's monitor does: what it takes for JSON beyond the standard, what it
 * refuses, in which words, how many errors one broken message makes, and where it goes on.
 *
 * This is no general JSON parser, and `virtstat` parses replies with `JSON.parse`: it exists because a client must not be
 * able to tell virtstatd from QEMU by what it says to bad input, and no parser of the platform has QEMU's errors.
 *
 * A message ends where its brackets balance; a number or keyword outside of brackets with the byte behind it.
 */
export class RequestReader {
  readonly #lexer: Lexer;
  readonly #maxTokenBytes: number;
  readonly #maxTokens: number;
  readonly #ready: Incoming[] = [];
  #types: TokenType[] = [];
  #bytes: string[] = [];
  #tokenBytes = 0;
  #braces = 0;
  #brackets = 0;

  constructor(limits: ReaderLimits = {}) {
    this.#maxTokenBytes = limits.maxTokenBytes ?? QEMU_MAX_TOKEN_BYTES;
    this.#maxTokens = limits.maxTokens ?? QEMU_MAX_TOKENS;
    this.#lexer = new Lexer(this.#maxTokenBytes, (type, bytes) => this.#take(type, bytes));
  }

  /** Bytes of tokens held for a message that is not complete. */
  get heldBytes(): number {
    return this.#lexer.heldBytes + this.#tokenBytes;
  }

  /** Takes bytes from `from` on up to the one that completes a message, or all. Returns where the untaken ones begin. */
  feed(bytes: Uint8Array, from = 0): number {
    let at = from;
    while (at < bytes.length && this.#ready.length === 0) this.#lexer.feed(bytes[at++] as number);
    return at;
  }

  /** The next complete message; one byte may complete two. */
  next(): Incoming | undefined {
    return this.#ready.shift();
  }

  #take(type: TokenType, bytes: string): void {
    if (type !== 'error') this.#count(type);
    const failure = this.#objection(type, bytes);
    if (failure !== undefined) {
      this.#complete({ failure });
      return;
    }
    this.#types.push(type);
    this.#bytes.push(bytes);
    this.#tokenBytes += bytes.length;
    const isOpen = (this.#braces > 0 || this.#brackets > 0) && this.#braces >= 0 && this.#brackets >= 0;
    if (isOpen) return;
    const value = parseTokens({ types: this.#types, bytes: this.#bytes });
    this.#complete(value instanceof ParseFailure ? { failure: value.desc } : { value });
  }

  /** Why a token ends its message. */
  #objection(type: TokenType, bytes: string): string | undefined {
    if (type === 'error') return `JSON parse error, stray '${textForMessage(bytes)}'`;
    if (type === 'oversized' || this.#tokenBytes + bytes.length + 1 > this.#maxTokenBytes) {
      return 'JSON token size limit exceeded';
    }
    if (this.#types.length + 1 > this.#maxTokens) return 'JSON token count limit exceeded';
    if (this.#braces + this.#brackets > MAX_NESTING) return 'JSON nesting depth limit exceeded';
    return undefined;
  }

  #count(type: TokenType): void {
    if (type === '{') this.#braces++;
    else if (type === '}') this.#braces--;
    else if (type === '[') this.#brackets++;
    else if (type === ']') this.#brackets--;
  }

  #complete(message: Incoming): void {
    this.#ready.push(message);
    this.#types = [];
    this.#bytes = [];
    this.#tokenBytes = 0;
    this.#braces = 0;
    this.#brackets = 0;
  }
}
