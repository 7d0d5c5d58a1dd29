/**
 * Cuts bytes into the tokens that QEMU's monitor sees, one byte at a time, with its errors and its way to recover.
 *
 * | token          | form                                                                     |
 * | -------------- | ------------------------------------------------------------------------ |
 * | punctuation    | `{ } [ ] : ,`                                                            |
 * | integer, float | as JSON has them; `0` is complete before an `e`                          |
 * | keyword        | `[a-z]+`                                                                 |
 * | string         | in `"` or `'`, with any byte 20..FD after a backslash                    |
 * | error          | everything up to and with the byte that fits nowhere                     |
 *
 * After an error all bytes are skipped up to punctuation, a control byte, FE or FF, which are looked at again.
 */
export type TokenType =
  | '{'
  | '}'
  | '['
  | ']'
  | ':'
  | ','
  | 'integer'
  | 'float'
  | 'keyword'
  | 'string'
  | 'error'
  | 'oversized';

/** Who hears of tokens. `bytes` has one character for each byte of the token. */
export type TokenSink = (type: TokenType, bytes: string) => void;

const START = 0;
const RECOVERY = 1;
const DOUBLE_QUOTED = 2;
const DOUBLE_ESCAPE = 3;
const SINGLE_QUOTED = 4;
const SINGLE_ESCAPE = 5;
const MINUS = 6;
const ZERO = 7;
const DIGITS = 8;
const POINT = 9;
const FRACTION = 10;
const EXPONENT = 11;
const EXPONENT_SIGN = 12;
const EXPONENT_DIGITS = 13;
const KEYWORD = 14;
const STATES = 15;

/** A transition is a state, or one of the token types below counted from here; and perhaps the flag. */
const FIRST_TOKEN = 32;
const TOKENS: readonly TokenType[] = ['{', '}', '[', ']', ':', ',', 'integer', 'float', 'keyword', 'string', 'error'];
/** The byte is looked at again in the next state: it is no part of what ends here. */
const AGAIN = 128;

const token = (type: TokenType): number => FIRST_TOKEN + TOKENS.indexOf(type);
const ERROR = token('error');

/** Bytes as ranges of two characters each: `azAZ` for letters. */
type Rule = readonly [ranges: string, next: number];

const PUNCTUATION = '{{}}[[]]::,,';
const IN_STRING = ' \xfd';
const NUMBER_TAIL: readonly Rule[] = [
  ['..', POINT],
  ['eeEE', EXPONENT],
];

const TRANSITIONS: Uint8Array = tabulate([
  [
    START,
    ERROR,
    [
      ['\t\t\n\n\r\r  ', START],
      ['""', DOUBLE_QUOTED],
      ["''", SINGLE_QUOTED],
      ['--', MINUS],
      ['00', ZERO],
      ['19', DIGITS],
      ['az', KEYWORD],
      ...[...'{}[]:,'].map((mark): Rule => [mark + mark, token(mark as TokenType)]),
    ],
  ],
  [
    RECOVERY,
    START | AGAIN,
    [
      [IN_STRING, RECOVERY],
      [PUNCTUATION, START | AGAIN],
    ],
  ],
  [
    DOUBLE_QUOTED,
    ERROR,
    [
      [IN_STRING, DOUBLE_QUOTED],
      ['\\\\', DOUBLE_ESCAPE],
      ['""', token('string')],
    ],
  ],
  [DOUBLE_ESCAPE, ERROR, [[IN_STRING, DOUBLE_QUOTED]]],
  [
    SINGLE_QUOTED,
    ERROR,
    [
      [IN_STRING, SINGLE_QUOTED],
      ['\\\\', SINGLE_ESCAPE],
      ["''", token('string')],
    ],
  ],
  [SINGLE_ESCAPE, ERROR, [[IN_STRING, SINGLE_QUOTED]]],
  [
    MINUS,
    ERROR,
    [
      ['00', ZERO],
      ['19', DIGITS],
    ],
  ],
  [
    ZERO,
    token('integer') | AGAIN,
    [
      ['09', ERROR],
      ['..', POINT],
    ],
  ],
  [DIGITS, token('integer') | AGAIN, [['09', DIGITS], ...NUMBER_TAIL]],
  [POINT, ERROR, [['09', FRACTION]]],
  [
    FRACTION,
    token('float') | AGAIN,
    [
      ['09', FRACTION],
      ['eeEE', EXPONENT],
    ],
  ],
  [
    EXPONENT,
    ERROR,
    [
      ['++--', EXPONENT_SIGN],
      ['09', EXPONENT_DIGITS],
    ],
  ],
  [EXPONENT_SIGN, ERROR, [['09', EXPONENT_DIGITS]]],
  [EXPONENT_DIGITS, token('float') | AGAIN, [['09', EXPONENT_DIGITS]]],
  [KEYWORD, token('keyword') | AGAIN, [['az', KEYWORD]]],
]);

function tabulate(rows: readonly (readonly [state: number, otherwise: number, rules: readonly Rule[]])[]): Uint8Array {
  const table = new Uint8Array(STATES * 256);
  for (const [state, otherwise, rules] of rows) {
    table.fill(otherwise, state * 256, state * 256 + 256);
    for (const [ranges, next] of rules) {
      for (let at = 0; at < ranges.length; at += 2) {
        table.fill(next, state * 256 + ranges.charCodeAt(at), state * 256 + ranges.charCodeAt(at + 1) + 1);
      }
    }
  }
  return table;
}

/** The room that a token is given at first, and that is kept between tokens, in bytes. */
const USUAL_TOKEN_BYTES = 256;

/** One stream of bytes on its way to tokens. */
export class Lexer {
  readonly #sink: TokenSink;
  readonly #maxTokenBytes: number;
  #state = START;
  #token: Buffer = Buffer.alloc(USUAL_TOKEN_BYTES);
  #length = 0;

  /** A token of more than `maxTokenBytes` is given out as `oversized`, and what follows begins anew. */
  constructor(maxTokenBytes: number, sink: TokenSink) {
    this.#maxTokenBytes = maxTokenBytes;
    this.#sink = sink;
  }

  /** Bytes held for a token that is not complete. */
  get heldBytes(): number {
    return this.#length;
  }

  /** Takes one byte. At most two tokens come of it: what it ends, and itself. */
  feed(byte: number): void {
    for (let isTaken = false; !isTaken; ) {
      const transition = TRANSITIONS[this.#state * 256 + byte] as number;
      isTaken = (transition & AGAIN) === 0;
      if (isTaken) this.#append(byte);
      this.#enter(transition & ~AGAIN);
    }
  }

  #enter(next: number): void {
    if (next >= FIRST_TOKEN) {
      this.#emit(TOKENS[next - FIRST_TOKEN] as TokenType);
      this.#state = next === ERROR ? RECOVERY : START;
      return;
    }
    this.#state = next;
    if (next === START || next === RECOVERY) this.#clear();
    else if (this.#length > this.#maxTokenBytes) {
      this.#emit('oversized');
      this.#state = START;
    }
  }

  #emit(type: TokenType): void {
    const bytes = this.#token.toString('latin1', 0, this.#length);
    this.#clear();
    this.#sink(type, type === 'oversized' ? '' : bytes);
  }

  #append(byte: number): void {
    if (this.#length === this.#token.length) this.#token = Buffer.concat([this.#token], this.#length * 2);
    this.#token[this.#length++] = byte;
  }

  #clear(): void {
    this.#length = 0;
    if (this.#token.length > USUAL_TOKEN_BYTES) this.#token = Buffer.alloc(USUAL_TOKEN_BYTES);
  }
}
