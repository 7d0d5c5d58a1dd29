import type { PackedForm, PackedStats } from '../../../model/sample.ts';
import { wordsToBigint } from '../../../model/u64.ts';
import { quoteJson } from '../../json/json.ts';
import { type JsonBuffer, JsonBytes } from '../../json/json-buffer.ts';

/**
 * `[]StatsValue` straight from the words of a data block. A reader of a whole host gets a hundred thousand values each second:
 * none of them becomes an object, or a text of its own, on the way.
 */
export class PackedValues extends JsonBytes {
  readonly #packed: PackedStats;

  constructor(packed: PackedStats) {
    super();
    this.#packed = packed;
  }

  writeTo(buffer: JsonBuffer): void {
    const { form, bytes } = this.#packed;
    const plan = planOf(form);
    const words = wordsOf(bytes);
    buffer.addBytes(plan.maxBytes, (out, at) => writeStats(plan, words, out, at));
  }
}

/**
 * What is written around the values of each statistic, and where those stand. Most statistics of most VMs are 0 for ever, and most
 * buckets of the others: as long as nothing else comes, the text is copied as it was written once.
 */
interface Plan {
  /** What is written where all values are 0, without the brackets. */
  readonly zeros: Buffer;
  /** Where the text of each ends in {@link zeros}. */
  readonly zeroEnds: Int32Array;
  /** Everything that stands before the first value of each, one behind the other. */
  readonly heads: Uint8Array;
  /** Where the head of each ends in {@link heads}. */
  readonly headEnds: Int32Array;
  /** First 32-bit word of each. */
  readonly firstWords: Int32Array;
  readonly sizes: Int32Array;
  readonly kinds: Uint8Array;
  /** No statistics take more than that. */
  readonly maxBytes: number;
}

const BOOLEAN = 0;
const NUMBER = 1;
const LIST = 2;

/** Members of `StatsValue` by kind, and how the member for what is beyond 2^63-1 begins: its name has no other capital letter. */
const MEMBERS = ['"boolean":', '"number":', '"numbers":['] as const;
const BIG_MEMBERS = ['', '"bigNumber":', '"bigNumbers":['] as const;

/** A number of 64 bits, its quotes, and a comma. */
const MAX_VALUE_BYTES = 23;

const encoder = new TextEncoder();
const bigHeads = BIG_MEMBERS.map((member) => encoder.encode(member));
const heads = MEMBERS.map((member) => encoder.encode(member));
const TRUE = encoder.encode('true');
const FALSE = encoder.encode('false');

const COMMA = 0x2c;
const ZERO = 0x30;
const QUOTE = 0x22;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const CLOSE_BRACE = 0x7d;

const plans = new WeakMap<PackedForm, Plan>();

function planOf(form: PackedForm): Plan {
  let plan = plans.get(form);
  if (plan === undefined) plans.set(form, (plan = makePlan(form)));
  return plan;
}

function makePlan({ stats, places }: PackedForm): Plan {
  const starts = stats.map(({ name }, index) => encoder.encode(`${index === 0 ? '' : ','}{"name":${quoteJson(name)},`));
  const headEnds = new Int32Array(stats.length);
  let end = 0;
  for (const [index, start] of starts.entries()) headEnds[index] = end += start.length;
  const values = places.reduce((sum, { size }) => sum + size, 0);
  const kinds = Uint8Array.from(stats, ({ unit }, index) => {
    if (places[index]!.size !== 1) return LIST;
    return unit === 'boolean' ? BOOLEAN : NUMBER;
  });
  const zeros = starts.map((start, index) => Buffer.concat([start, zeroOf(kinds[index]!, places[index]!.size)]));
  const zeroEnds = new Int32Array(stats.length);
  let zeroEnd = 0;
  for (const [index, zero] of zeros.entries()) zeroEnds[index] = zeroEnd += zero.length;
  return {
    zeros: Buffer.concat(zeros),
    zeroEnds,
    heads: Buffer.concat(starts),
    headEnds,
    firstWords: Int32Array.from(places, ({ offsetBytes }) => offsetBytes / 4),
    sizes: Int32Array.from(places, ({ size }) => size),
    kinds,
    // Around the values of each: the name of the member, two brackets, and the list's own.
    maxBytes: end + values * MAX_VALUE_BYTES + stats.length * 20 + 2,
  };
}

/** What follows the start of a statistic all of whose values are 0. */
function zeroOf(kind: number, size: number): Buffer {
  const words = new Uint32Array(2 * size);
  const out = Buffer.alloc(size * MAX_VALUE_BYTES + 20);
  const end = writeValue(kind, words, 0, size, out, 0);
  out[end] = CLOSE_BRACE;
  return out.subarray(0, end + 1);
}

/** The words where they lie; a block that lies askew is copied. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const whole = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Uint32Array(whole.buffer, whole.byteOffset, whole.length >> 2);
}

function writeStats(plan: Plan, words: Uint32Array, out: Uint8Array, start: number): number {
  const { heads: names, headEnds, firstWords, sizes, kinds } = plan;
  let at = start;
  /** From there on there were zeros only. */
  let firstZero = 0;
  out[at++] = OPEN_BRACKET;
  for (let index = 0; index < kinds.length; index++) {
    if (isZero(words, firstWords[index]!, sizes[index]!)) continue;
    at = writeZeros(plan, firstZero, index, out, at);
    firstZero = index + 1;
    for (let from = index === 0 ? 0 : headEnds[index - 1]!; from < headEnds[index]!; from++) out[at++] = names[from]!;
    at = writeValue(kinds[index]!, words, firstWords[index]!, sizes[index]!, out, at);
    out[at++] = CLOSE_BRACE;
  }
  at = writeZeros(plan, firstZero, kinds.length, out, at);
  out[at++] = CLOSE_BRACKET;
  return at;
}

function isZero(words: Uint32Array, first: number, size: number): boolean {
  for (let word = first, end = first + 2 * size; word < end; word++) if (words[word] !== 0) return false;
  return true;
}

/** The statistics from one to before another. */
function writeZeros({ zeros, zeroEnds }: Plan, first: number, end: number, out: Uint8Array, at: number): number {
  if (first === end) return at;
  return at + zeros.copy(out, at, first === 0 ? 0 : zeroEnds[first - 1], zeroEnds[end - 1]);
}

function writeValue(
  kind: number,
  words: Uint32Array,
  first: number,
  size: number,
  out: Uint8Array,
  start: number,
): number {
  if (kind === BOOLEAN) {
    const isTrue = words[first] !== 0 || words[first + 1] !== 0;
    return copy(isTrue ? TRUE : FALSE, out, copy(heads[BOOLEAN]!, out, start));
  }
  const end = first + 2 * size;
  let isBig = false;
  for (let high = first + 1; high < end; high += 2) if (words[high]! > 0x7fff_ffff) isBig = true;
  let at = copy((isBig ? bigHeads : heads)[kind]!, out, start);
  for (let word = first; word < end; word += 2) {
    if (word > first) out[at++] = COMMA;
    if (isBig) out[at++] = QUOTE;
    at = writeNumber(words[word]!, words[word + 1]!, out, at);
    if (isBig) out[at++] = QUOTE;
  }
  if (kind === LIST) out[at++] = CLOSE_BRACKET;
  return at;
}

function copy(bytes: Uint8Array, out: Uint8Array, start: number): number {
  for (let index = 0; index < bytes.length; index++) out[start + index] = bytes[index]!;
  return start + bytes.length;
}

/** High words below this make numbers below 2^53, which a double has exactly. */
const EXACT_HIGH = 0x20_0000;

/** As many digits as {@link writeLow} takes at once. */
const DIGITS = 9;
const POWER = 1e9;

function writeNumber(low: number, high: number, out: Uint8Array, at: number): number {
  if (high === 0) return writeLow(low, out, at);
  if (high >= EXACT_HIGH) return copy(encoder.encode(`${wordsToBigint(low, high)}`), out, at);
  const number = high * 0x1_0000_0000 + low;
  const upper = Math.floor(number / POWER);
  return writePadded(number - upper * POWER, out, writeLow(upper, out, at));
}

/** A number below 2^32. */
function writeLow(number: number, out: Uint8Array, start: number): number {
  if (number < 10) {
    out[start] = ZERO + number;
    return start + 1;
  }
  let end = start + 2;
  for (let rest = (number / 100) >>> 0; rest > 0; rest = (rest / 10) >>> 0) end++;
  let rest = number;
  for (let at = end - 1; at >= start; at--) {
    const tenth = (rest / 10) >>> 0;
    out[at] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  return end;
}

/** A number below 10^9 with all its nine digits. */
function writePadded(number: number, out: Uint8Array, start: number): number {
  let rest = number;
  for (let at = start + DIGITS - 1; at >= start; at--) {
    const tenth = (rest / 10) >>> 0;
    out[at] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  return start + DIGITS;
}
