import { isDeepStrictEqual } from 'node:util';
import type fc from 'fast-check';
import { type ErrorCode, VirtstatError } from '../src/model/errors.ts';
import { Random, seedOf } from './random.ts';

/** One parser of bytes from outside, with what may come in and what must hold whatever does. */
export interface FuzzTarget {
  /** Names the corpus folder too. */
  readonly name: string;
  /** Pieces that mean something in this format, a character for each byte: they are inserted and repeated. */
  readonly words: readonly string[];
  /** Inputs that are mostly right, so that what lies behind the first check is reached. */
  readonly inputs: fc.Arbitrary<Uint8Array>;
  /**
   * Gives the input to the parser in every way and throws where something does not hold. Returns what came out, in few words:
   * an input with a new outcome is kept and changed further. Must not depend on anything but the input.
   */
  check(input: Uint8Array): string | Promise<string>;
}

/** Something that must hold and does not. */
export class Defect extends Error {}

/** Throws a {@link Defect} unless the claim is true. */
export function must(claim: boolean, what: string | (() => string)): void {
  if (!claim) throw new Defect(typeof what === 'string' ? what : what());
}

/** Throws a {@link Defect} unless both are the same, into the depth. */
export function mustEqual(found: unknown, wanted: unknown, what: string): void {
  if (isDeepStrictEqual(found, wanted)) return;
  throw new Defect(`${what}: ${shown(found)} instead of ${shown(wanted)}`);
}

const MAX_SHOWN = 300;

function shown(value: unknown): string {
  const text =
    JSON.stringify(value, (_key, each: unknown) => {
      if (each instanceof Map) return Object.fromEntries(each);
      return typeof each === 'bigint' || (typeof each === 'number' && !Number.isFinite(each)) ? `${each}` : each;
    }) ?? 'nothing';
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** The error's code; a {@link Defect} for one that is none of `allowed`, and for what is no error of virtstat's. */
export function codeOf(error: unknown, allowed: readonly ErrorCode[]): ErrorCode {
  if (!VirtstatError.is(error)) throw error;
  must(allowed.includes(error.code), `raises ${error.code}: ${error.message}`);
  must(!/[\n\r]/.test(error.message), `a message has more than one line: ${JSON.stringify(error.message)}`);
  return error.code;
}

/** What `work` returns, or the code that it throws. */
export function attempt<T>(
  work: () => T,
  allowed: readonly ErrorCode[],
): { readonly value: T } | { readonly code: ErrorCode } {
  try {
    return { value: work() };
  } catch (error) {
    return { code: codeOf(error, allowed) };
  }
}

/** The input as a stream may bring it: whole, byte by byte, and cut at places that depend on nothing but itself. */
export function waysToCut(input: Uint8Array): readonly (readonly Uint8Array[])[] {
  const random = new Random(seedOf(input));
  const places = Array.from({ length: 1 + random.below(6) }, () => random.below(input.length)).sort((a, b) => a - b);
  const pieces = [0, ...places].map((place, index) => input.slice(place, places[index] ?? input.length));
  return [[input], Array.from(input, (byte) => Uint8Array.of(byte)), pieces];
}

/** Bytes as a text with a character for each. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** The reverse of {@link latin1}. */
export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

/** The words of an outcome, each once, in an order that does not depend on theirs. */
export function outcomeOf(words: Iterable<string>): string {
  return [...new Set(words)].sort().join(' | ');
}

/** Lets promises that wait for nothing settle, until `isDone`; false where it does not become true. */
export async function settle(isDone: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    if (isDone()) return true;
    await undefined;
  }
  return isDone();
}

const MAX_TURNS = 1_000_000;
