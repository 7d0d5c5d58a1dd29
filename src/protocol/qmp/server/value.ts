/**
 * A JSON value as QEMU holds one that it read: an integer is a `bigint` (of 64 bits, signed or unsigned), a `number` is
 * always a double, and an object is a map in the order of reading, so that its members can be written in QEMU's order.
 * A character U+0000 is an ordinary character, as in QEMU, which encodes it as C0 80.
 */
export type QmpValue = null | boolean | bigint | number | string | readonly QmpValue[] | QmpDict;

/** A JSON object as it was read. */
export type QmpDict = ReadonlyMap<string, QmpValue>;

/** True for an object. */
export function isDict(value: QmpValue | undefined): value is QmpDict {
  return value instanceof Map;
}
