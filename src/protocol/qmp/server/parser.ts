import type { TokenType } from './lexer.ts';
import { decodeAt, isValidCodePoint, textForMessage } from './utf8.ts';
import type { QmpValue } from './value.ts';

/** The tokens of one message; `bytes` of punctuation are never looked at. */
export interface TokenList {
  readonly types: readonly TokenType[];
  readonly bytes: readonly string[];
}

/** What is wrong with a message, in QEMU's words, which begin `JSON parse error, `. */
export class ParseFailure {
  readonly desc: string;

  constructor(problem: string) {
    this.desc = `JSON parse error, ${problem}`;
  }
}

/**
 * The value of a message whose brackets balance, with QEMU's grammar and QEMU's order of errors: the first thing that is
 * wrong, from left to right, is the one that is told.
 */
export function parseTokens(tokens: TokenList): QmpValue | ParseFailure {
  try {
    return new Parser(tokens).value();
  } catch (error) {
    if (error instanceof ParseFailure) return error;
    throw error;
  }
}

/** Depth is bounded by whoever collects the tokens, so that the recursion is too. */
class Parser {
  readonly #types: readonly TokenType[];
  readonly #bytes: readonly string[];
  #at = 0;

  constructor({ types, bytes }: TokenList) {
    this.#types = types;
    this.#bytes = bytes;
  }

  value(): QmpValue {
    const bytes = this.#bytes[this.#at] ?? '';
    const type = this.#types[this.#at++];
    switch (type) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case 'string':
        return stringOf(bytes);
      case 'integer':
        return integerOf(bytes);
      case 'float':
        return Number(bytes);
      case 'keyword':
        return keywordOf(bytes);
      default:
        throw new ParseFailure('expecting value');
    }
  }

  #object(): QmpValue {
    const dict = new Map<string, QmpValue>();
    if (this.#skips('}')) return dict;
    for (;;) {
      this.#member(dict);
      if (this.#skips('}')) return dict;
      if (!this.#skips(',')) throw new ParseFailure('expected separator in dict');
    }
  }

  #member(dict: Map<string, QmpValue>): void {
    const key = this.value();
    if (typeof key !== 'string') throw new ParseFailure('key is not a string in object');
    if (!this.#skips(':')) throw new ParseFailure('missing : in object pair');
    const value = this.value();
    if (dict.has(key)) throw new ParseFailure('duplicate key');
    dict.set(key, value);
  }

  #array(): QmpValue {
    const items: QmpValue[] = [];
    if (this.#skips(']')) return items;
    for (;;) {
      items.push(this.value());
      if (this.#skips(']')) return items;
      if (!this.#skips(',')) throw new ParseFailure('expected separator in list');
    }
  }

  #skips(type: TokenType): boolean {
    if (this.#types[this.#at] !== type) return false;
    this.#at++;
    return true;
  }
}

const KEYWORDS: ReadonlyMap<string, QmpValue> = new Map<string, QmpValue>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

function keywordOf(bytes: string): QmpValue {
  const value = KEYWORDS.get(bytes);
  if (value === undefined) throw new ParseFailure(`invalid keyword '${bytes}'`);
  return value;
}

/** Digits that certainly are no integer of 64 bits: not worth a conversion that takes longer than its length. */
const MAX_INTEGER_DIGITS = 21;
const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

/** Of 64 bits, signed or unsigned; what does not fit becomes a double. */
function integerOf(literal: string): bigint | number {
  if (literal.length > MAX_INTEGER_DIGITS) return Number(literal);
  const value = BigInt(literal);
  return value >= INT64_MIN && value <= UINT64_MAX ? value : Number(literal);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/** The text of a string token, quotes included. */
function stringOf(token: string): string {
  const end = token.length - 1;
  let text = '';
  for (let at = 1; at < end; ) {
    const { codePoint, next } = token[at] === '\\' ? escapeAt(token, at) : decodeAt(token, at);
    if (codePoint < 0) throw new ParseFailure('invalid UTF-8 sequence in string');
    text += String.fromCodePoint(codePoint);
    at = next;
  }
  return text;
}

function escapeAt(token: string, at: number): { readonly codePoint: number; readonly next: number } {
  const letter = token.charAt(at + 1);
  const plain = ESCAPES[letter];
  if (plain !== undefined) return { codePoint: plain.charCodeAt(0), next: at + 2 };
  if (letter !== 'u') throw new ParseFailure('invalid escape sequence in string');
  let codePoint = hexAt(token, at + 2);
  let next = at + 6;
  if (codePoint >= 0xd800 && codePoint <= 0xdbff && token.startsWith('\\u', next)) {
    const trail = hexAt(token, next + 2);
    const isPair = trail >= 0xdc00 && trail <= 0xdfff;
    codePoint = isPair ? 0x10000 + ((codePoint & 0x3ff) << 10) + (trail & 0x3ff) : -1;
    if (isPair) next += 6;
  }
  if (!isValidCodePoint(codePoint)) {
    throw new ParseFailure(`${textForMessage(token.slice(at, next))} is not a valid Unicode character`);
  }
  return { codePoint, next };
}

/** Four hexadecimal digits as a number, -1 where they are not. */
function hexAt(token: string, at: number): number {
  const digits = token.slice(at, at + 4);
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : -1;
}
