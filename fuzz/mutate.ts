import type { Random } from './random.ts';
import { bytesOf } from './target.ts';

/** Longest input that is made, in bytes. */
export const MAX_INPUT_BYTES: number = 64 * 1024;

/** Most changes that are made to one input at once. */
const MAX_CHANGES = 6;

/** What is worth inserting into any format: bytes at the ends of ranges, broken and long UTF-8, numbers at their bounds. */
const WORDS: readonly string[] = [
  ...['\0', '\x01', '\t', '\n', '\r\n', '\x1b', ' ', '"', "'", '\\', '\x7f', '\x80', '\xff', '\xfe', '\xef\xbb\xbf'],
  ...['\xc0\x80', '\xed\xa0\x80', '\xf4\x90\x80\x80', '\xc3', '\xe2\x82', '\xef\xbf\xbf', '\xf0\x9f\x98\x80'],
  ...['0', '-0', '-1', '127', '255', '65535', '65536', '2147483648', '4294967295', '4294967296'],
  ...['9007199254740991', '9007199254740993', '9223372036854775807', '9223372036854775808', '-9223372036854775809'],
  ...['18446744073709551615', '18446744073709551616', '1e308', '1e999', '-1e-999', '0.1', '00', '1.', '1e', 'NaN'],
  ...['\xff\xff\xff\xff', '\0\0\0\x80', '\x7f\xff\xff\xff', '\0\0\0\0', '__proto__', 'constructor', '%s%n'],
];

type Change = (input: Uint8Array, context: Context) => Uint8Array;

interface Context {
  readonly random: Random;
  readonly words: readonly string[];
  /** Another input, to take pieces from. */
  readonly other: Uint8Array;
}

const CHANGES: readonly Change[] = [
  function flipBit(input, { random }) {
    const changed = input.slice();
    const at = random.below(input.length);
    if (at < changed.length) changed[at] = (changed[at] as number) ^ (1 << random.below(8));
    return changed;
  },
  function setByte(input, { random }) {
    const changed = input.slice();
    if (changed.length > 0) changed[random.below(changed.length)] = random.below(256);
    return changed;
  },
  function cutOut(input, { random }) {
    const [from, to] = range(input, random);
    return join(input.subarray(0, from), input.subarray(to));
  },
  function truncate(input, { random }) {
    return input.slice(0, random.below(input.length + 1));
  },
  function insertWord(input, { random, words }) {
    return insert(input, random, bytesOf(random.pick(random.below(3) === 0 ? WORDS : words)));
  },
  function overwriteWithWord(input, { random, words }) {
    const changed = input.slice();
    const word = bytesOf(random.pick(random.below(3) === 0 ? WORDS : words));
    if (changed.length >= word.length) changed.set(word, random.below(changed.length - word.length + 1));
    return changed;
  },
  function repeatPiece(input, { random }) {
    const [from, to] = range(input, random);
    return insert(input, random, repeated(input.subarray(from, to), 1 + random.below(8)));
  },
  function nestOrFlood(input, { random, words }) {
    // Rarely far beyond every bound: such inputs take long.
    const times = random.below(200) === 0 ? MAX_INPUT_BYTES : 2 << random.below(8);
    return insert(input, random, repeated(bytesOf(random.pick(words)), times));
  },
  function splice(input, { random, other }) {
    return join(input.subarray(0, random.below(input.length + 1)), other.subarray(random.below(other.length + 1)));
  },
  function insertPiece(input, { random, other }) {
    const [from, to] = range(other, random);
    return insert(input, random, other.subarray(from, to));
  },
  function swapPieces(input, { random }) {
    const [from, to] = range(input, random);
    return insert(join(input.subarray(0, from), input.subarray(to)), random, input.subarray(from, to));
  },
  function changeNumber(input, { random }) {
    const changed = input.slice();
    const at = random.below(input.length);
    if (at < changed.length) changed[at] = (changed[at] as number) + random.pick([-16, -1, 1, 16, 128]);
    return changed;
  },
];

/** The input with one to six changes, at most {@link MAX_INPUT_BYTES} long. */
export function mutate(input: Uint8Array, context: Context): Uint8Array {
  let changed = input;
  for (let left = 1 + context.random.below(MAX_CHANGES); left > 0; left--) {
    changed = context.random.pick(CHANGES)(changed, context);
    if (changed.length > MAX_INPUT_BYTES) changed = changed.slice(0, MAX_INPUT_BYTES);
  }
  return changed;
}

/** A piece, mostly short. */
function range(input: Uint8Array, random: Random): readonly [from: number, to: number] {
  const from = random.below(input.length + 1);
  const longest = input.length - from;
  return [from, from + random.below(1 + (random.below(4) === 0 ? longest : Math.min(longest, 16)))];
}

function insert(input: Uint8Array, random: Random, piece: Uint8Array): Uint8Array {
  const at = random.below(input.length + 1);
  return join(input.subarray(0, at), piece, input.subarray(at));
}

function repeated(piece: Uint8Array, times: number): Uint8Array {
  const fitting = Math.min(times, Math.floor(MAX_INPUT_BYTES / Math.max(1, piece.length)));
  return join(...Array.from({ length: fitting }, () => piece));
}

function join(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}
