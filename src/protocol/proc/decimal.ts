import { U64_MAX } from '../../model/u64.ts';

/** Digits that fit into a `number` whatever they are. */
const EXACT_DIGITS = 15;

/** Digits of 2^64-1. */
const MAX_DIGITS = 20;

const ZERO = 0x30;

/**
 * The decimal number that begins at `start`; undefined where there is none, where it passes 2^64-1, and where nothing
 * follows it before `end`: it may have been cut.
 */
export function decimalAt(bytes: Uint8Array, start: number, end: number): bigint | undefined {
  let value = 0;
  let at = start;
  for (; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) break;
    if (at - start === EXACT_DIGITS) return longDecimalAt(bytes, start, end);
    value = value * 10 + digit;
  }
  return at === start || at === end ? undefined : BigInt(value);
}

function longDecimalAt(bytes: Uint8Array, start: number, end: number): bigint | undefined {
  let value = 0n;
  for (let at = start; at < end && at <= start + MAX_DIGITS; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return value <= U64_MAX ? value : undefined;
    value = value * 10n + BigInt(digit);
  }
  return undefined;
}
