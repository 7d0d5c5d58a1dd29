import { VirtstatError } from '../../model/errors.ts';
import type { JsonObject, JsonValue } from '../json/json.ts';

/**
 * Reads members out of replies that may have any shape. `where` says which place of which reply is read, for the error:
 * `query-status.running`.
 */

/** The error for a place that is not what it should be. */
export function invalidReply(where: string, expected: string): VirtstatError {
  return new VirtstatError('QMP_REPLY_INVALID', `QEMU's reply is not understood: ${where} should be ${expected}`);
}

/** @throws QMP_REPLY_INVALID where it is no object */
export function asObject(value: JsonValue | undefined, where: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidReply(where, 'an object');
  return value;
}

/** @throws QMP_REPLY_INVALID where it is no array */
export function asArray(value: JsonValue | undefined, where: string): readonly JsonValue[] {
  if (!Array.isArray(value)) throw invalidReply(where, 'an array');
  return value;
}

/** @throws QMP_REPLY_INVALID where it is no string */
export function asString(value: JsonValue | undefined, where: string): string {
  if (typeof value !== 'string') throw invalidReply(where, 'a string');
  return value;
}

/** @throws QMP_REPLY_INVALID where it is no boolean */
export function asBoolean(value: JsonValue | undefined, where: string): boolean {
  if (typeof value !== 'boolean') throw invalidReply(where, 'a boolean');
  return value;
}

/** An integer that a `number` holds exactly: for small things, never for counters. @throws QMP_REPLY_INVALID */
export function asSmallInteger(value: JsonValue | undefined, where: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw invalidReply(where, 'a small integer');
  return value;
}

/** An object; undefined where it is none. */
export function objectOf(value: JsonValue | undefined): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
}

/** A text; undefined where there is none: QEMU says `""` then. */
export function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
