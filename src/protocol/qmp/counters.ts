import type { StatEntry } from '../../model/sample.ts';
import { U64_MAX } from '../../model/u64.ts';
import type { JsonObject, JsonValue } from '../json/json.ts';

/**
 * The members of a reply's object that have these names and are counters, in the order of the names. A member that is
 * missing, or is no integer of 0 to 2^64-1, is absent: QEMU says -1 where it does not know.
 */
export function countersOf(object: JsonObject, names: readonly string[]): readonly StatEntry[] {
  return names.flatMap((name) => {
    const value = counterOf(object[name]);
    return value === undefined ? [] : [{ name, value }];
  });
}

/** The value as a counter; undefined where it is no integer of 0 to 2^64-1. */
export function counterOf(value: JsonValue | undefined): bigint | undefined {
  if (typeof value === 'bigint') return value >= 0n && value <= U64_MAX ? value : undefined;
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined;
}
