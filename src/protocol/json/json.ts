import { VirtstatError } from '../../model/errors.ts';

/**
 * What a JSON text means, with nothing lost: an integer beyond ±(2^53-1) is a `bigint`, every other number a `number`.
 * Typed decoders make one type of the two, so that no counter changes its type as it grows.
 */
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | JsonObject;

/** A JSON object. A member named `__proto__` is an ordinary own property. */
export interface JsonObject {
  [key: string]: JsonValue;
}

/** What can be written: a {@link JsonValue} that may be read-only, leave members out by `undefined`, and have parts as text. */
export type JsonInput =
  | JsonText
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonInput[]
  | { readonly [key: string]: JsonInput | undefined };

/**
 * JSON that is written already, and goes into a larger text as it is. What comes in thousands is written at once, without an
 * object for each value first; whoever makes it answers for its being JSON, and what its reader expects.
 */
export class JsonText {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get text(): string {
    return this.#text;
  }
}

/** Literals of fewer digits are exact as a `number`. */
const LONG_LITERAL = /-?[1-9]\d{15,}/g;
const MAY_BE_LONG = /\d{16}/;

/** Longest integer that is taken, in characters: the time to convert one grows faster than its length. */
export const MAX_INTEGER_LENGTH = 1024;

/** Characters of a JSON text that {@link findLongIntegers} looks at. */
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const CLOSE_BRACE = 0x7d;

/**
 * Parses JSON without losing digits, with exactly the grammar of `JSON.parse`, which does the work.
 *
 * A text without sixteen digits in a row goes straight to `JSON.parse`. In others each long integer is first wrapped into
 * a string with a mark in front, and unwrapped afterwards. Whether a literal stands inside a string is not looked at
 * first: there, the wrapping quote would end the string and the mark behind it is no JSON, so that `JSON.parse` is
 * certain to refuse the text, and only then the strings are searched for. The mark has random digits, so that no peer
 * can send a string that looks like one of ours.
 * @throws JSON_INVALID
 */
export function parseJson(text: string): JsonValue {
  if (!MAY_BE_LONG.test(text)) return parsePlain(text);
  const mark = markOfProcess();
  const hits = findLongIntegers(text);
  if (hits.length === 0) return parsePlain(text);
  let parsed: JsonValue;
  try {
    parsed = JSON.parse(wrap(text, hits, mark));
  } catch {
    parsed = parsePlain(wrap(text, outsideStrings(text, hits), mark));
  }
  return unwrap(parsed, mark);
}

/** Writes compact JSON: a `bigint` as an integer literal, members that are undefined left out, a number that is not finite as null. */
export function stringifyJson(value: JsonInput): string {
  switch (typeof value) {
    case 'string':
      return quoteJson(value);
    case 'object':
      if (value === null) return 'null';
      if (value instanceof JsonText) return value.text;
      return Array.isArray(value) ? writeArray(value) : writeObject(value as { readonly [key: string]: JsonInput });
    case 'number':
      return Number.isFinite(value) ? `${value}` : 'null';
    default:
      return `${value}`;
  }
}

/** A long text of small pieces is slow to put together at its end: each list is one piece of its own. */
function writeArray(items: readonly JsonInput[]): string {
  return `[${(items.every(isNumeric) ? items : items.map(stringifyJson)).join(',')}]`;
}

function isNumeric(value: JsonInput): boolean {
  return typeof value === 'bigint' || Number.isFinite(value);
}

function writeObject(object: { readonly [key: string]: JsonInput | undefined }): string {
  let text = '{';
  for (const key of Object.keys(object)) {
    const member = object[key];
    if (member === undefined) continue;
    if (text.length > 1) text += ',';
    text += `${quoteJson(key)}:${stringifyJson(member)}`;
  }
  return `${text}}`;
}

/** Printable ASCII but for the quote and the backslash, which is what nearly every string has. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** Writes a string. */
export function quoteJson(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function parsePlain(text: string): JsonValue {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new VirtstatError('JSON_INVALID', `a message is not JSON: ${excerpt(text)}`, { cause: error });
  }
}

let processMark: string | undefined;

/** DEL keeps the text in one byte for each character, and 64 random bits cannot be guessed. */
function markOfProcess(): string {
  processMark ??= `\x7f${crypto.getRandomValues(new BigUint64Array(1))[0]?.toString(36)}:`;
  return processMark;
}

/** Where a long integer begins and ends. */
type Hit = readonly [start: number, end: number];

/** Long literals that stand where a value may stand: behind `:` `,` `[` or a space, before `,` `]` `}` or the end. */
function findLongIntegers(text: string): readonly Hit[] {
  const hits: Hit[] = [];
  LONG_LITERAL.lastIndex = 0;
  while (LONG_LITERAL.test(text)) {
    const end = LONG_LITERAL.lastIndex;
    // A run of digits that is not taken may be long: going on behind it keeps the search linear.
    const start = beginOfLiteral(text, end);
    if (mayPrecede(text, start) && mayFollow(text, end)) hits.push([start, end]);
  }
  return hits;
}

function beginOfLiteral(text: string, end: number): number {
  let start = end;
  while (start > 0 && isDigit(text.charCodeAt(start - 1))) start--;
  return text[start - 1] === '-' ? start - 1 : start;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function mayPrecede(text: string, start: number): boolean {
  if (text.charCodeAt(start) === 0x30 || (text[start] === '-' && text[start + 1] === '0')) return false;
  if (start === 0) return true;
  const code = text.charCodeAt(start - 1);
  return code === COLON || code === COMMA || code === OPEN_BRACKET || isSpace(code);
}

function mayFollow(text: string, end: number): boolean {
  let at = end;
  while (isSpace(text.charCodeAt(at))) at++;
  if (at === text.length) return true;
  const code = text.charCodeAt(at);
  return code === COMMA || code === CLOSE_BRACKET || code === CLOSE_BRACE;
}

/** The hits that stand in no string: counts quotes from one hit to the next. */
function outsideStrings(text: string, hits: readonly Hit[]): readonly Hit[] {
  let at = 0;
  let isInside = false;
  return hits.filter(([start]) => {
    for (; at < start; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) isInside = !isInside;
      else if (code === BACKSLASH && isInside) at++;
    }
    return !isInside;
  });
}

function wrap(text: string, hits: readonly Hit[], mark: string): string {
  let wrapped = '';
  let copied = 0;
  for (const [start, end] of hits) {
    wrapped += `${text.slice(copied, start)}"${mark}${text.slice(start, end)}"`;
    copied = end;
  }
  return wrapped + text.slice(copied);
}

/** Turns wrapped integers into numbers again, in place; without recursion, since JSON.parse takes any depth. */
function unwrap(value: JsonValue, mark: string): JsonValue {
  if (typeof value === 'string') return value.startsWith(mark) ? integerOf(value.slice(mark.length)) : value;
  const ahead: JsonValue[] = [value];
  while (ahead.length > 0) {
    const next = ahead.pop() as JsonValue;
    if (Array.isArray(next)) {
      for (let index = 0; index < next.length; index++) {
        const item = next[index] as JsonValue;
        if (typeof item === 'object') ahead.push(item);
        else if (typeof item === 'string' && item.startsWith(mark)) next[index] = integerOf(item.slice(mark.length));
      }
    } else if (typeof next === 'object' && next !== null) {
      for (const key in next) {
        const member = next[key] as JsonValue;
        if (typeof member === 'object') ahead.push(member);
        else if (typeof member === 'string' && member.startsWith(mark)) {
          setOwn(next, key, integerOf(member.slice(mark.length)));
        }
      }
    }
  }
  return value;
}

function integerOf(literal: string): number | bigint {
  if (literal.length > MAX_INTEGER_LENGTH) {
    throw new VirtstatError('JSON_INVALID', `a message has an integer of ${literal.length} characters`);
  }
  const number = Number(literal);
  return Number.isSafeInteger(number) ? number : BigInt(literal);
}

/** An assignment to `__proto__` would not make a property. */
function setOwn(object: JsonObject, key: string, value: JsonValue): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Longest piece of a peer's text that an error repeats, in characters. */
const MAX_EXCERPT = 60;

/** The beginning of a text that came from outside, fit to stand in a message of one line. */
export function excerpt(text: string, maxLength: number = MAX_EXCERPT): string {
  const short = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return short.replace(/[\s\x00-\x1f\x7f-\x9f]+/g, ' ').trim();
}
