/**
 * Arithmetic on unsigned 64-bit counters as pairs of 32-bit words, so that a sampler needs no `bigint` and no memory.
 *
 * The difference of two counters is exact whenever it is below 2^53, also near 2^64 where the counters themselves are no
 * longer exact as a `number`: the subtraction happens word by word before anything is rounded.
 */

const WORD = 0x1_0000_0000;

/** The largest unsigned 64-bit number. */
export const U64_MAX: bigint = 0xffff_ffff_ffff_ffffn;

/** True on machines that store the low word of a 64-bit number first. */
export const IS_LITTLE_ENDIAN: boolean = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/**
 * Current minus previous, from their low and high words. Exact below 2^53 in size. A negative result is a counter that
 * was reset; see {@link increase}.
 */
export function deltaOfWords(
  currentLow: number,
  currentHigh: number,
  previousLow: number,
  previousHigh: number,
): number {
  return (currentHigh - previousHigh) * WORD + (currentLow - previousLow);
}

/** The number that two words make, as a `bigint`. */
export function wordsToBigint(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

/** The number that two words make, rounded to the nearest `number` above 2^53. */
export function wordsToNumber(low: number, high: number): number {
  return high * WORD + low;
}

/** How much a counter grew. A counter that decreased was reset: it grew by what it shows since then. */
export interface Increase {
  readonly delta: bigint;
  readonly reset: boolean;
}

/** What a cumulative value grew by between two readings, exactly. */
export function increase(current: bigint, previous: bigint): Increase {
  return current < previous ? { delta: current, reset: true } : { delta: current - previous, reset: false };
}

/**
 * Growth per second over an interval of nanoseconds; undefined where the interval is not positive. The division is the
 * only place that rounds.
 */
export function ratePerSecond(delta: bigint, intervalNs: bigint): number | undefined {
  if (intervalNs <= 0n) return undefined;
  return Number(delta) / (Number(intervalNs) / 1e9);
}
