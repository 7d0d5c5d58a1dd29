import { type JsonInput, JsonText } from '../json/json.ts';
import type { IdlStruct, IdlType, IdlTypeMember } from './idl.ts';

/**
 * Whether values are what an interface promises.
 *
 * | type | values |
 * | --- | --- |
 * | `bool` | true, false |
 * | `int` | whole numbers of -2^63 to 2^63-1; a `number` only where it is exact |
 * | `float` | finite numbers, whole ones too |
 * | `string`, enum | strings; of an enum, only its words |
 * | struct | objects with every field that is not `?T` |
 * | `object` | objects of any kind |
 * | `any` | everything |
 * | `?T` | T, null, absent |
 */

/** The range of `int`. The specification leaves the size open; every implementation has 64 bits. */
export const INT_MIN: bigint = -(2n ** 63n);
/** See {@link INT_MIN}. */
export const INT_MAX: bigint = 2n ** 63n - 1n;

/** What is wrong with a value. */
export interface Mismatch {
  /** Which part: `providers[0].names`; `''` for the value as a whole. */
  readonly path: string;
  /** What should be there, as the object of a sentence: `a string`. */
  readonly expected: string;
}

/** What a check needs besides the value. */
export interface CheckOptions {
  /** Named types of the interface. */
  readonly types: ReadonlyMap<string, IdlTypeMember>;
  /** Whether a struct may have members that its type does not; false if absent. */
  readonly allowsUnknown?: boolean;
}

/** The first place where `value` is not of `type`, undefined where there is none. What is text already passes unseen. */
export function findMismatch(value: JsonInput | undefined, type: IdlType, options: CheckOptions): Mismatch | undefined {
  if (value instanceof JsonText) return undefined;
  switch (type.kind) {
    case 'any':
      return value === undefined ? expected('a value') : undefined;
    case 'bool':
      return typeof value === 'boolean' ? undefined : expected('true or false');
    case 'int':
      return isInt(value) ? undefined : expected('an integer of 64 bits');
    case 'float':
      return isFloat(value) ? undefined : expected('a number');
    case 'string':
      return typeof value === 'string' ? undefined : expected('a string');
    case 'enum':
      return typeof value === 'string' && type.values.includes(value)
        ? undefined
        : expected(`one of ${type.values.join(', ')}`);
    case 'object':
      return isObject(value) ? undefined : expected('an object');
    case 'maybe':
      return value === null || value === undefined ? undefined : findMismatch(value, type.of, options);
    case 'named':
      return findMismatch(value, (options.types.get(type.name) as IdlTypeMember).type, options);
    case 'array':
      return inArray(value, type.of, options);
    case 'dict':
      return inDict(value, type.of, options);
    case 'struct':
      return inStruct(value, type, options);
  }
}

function inArray(value: JsonInput | undefined, of: IdlType, options: CheckOptions): Mismatch | undefined {
  if (!Array.isArray(value)) return expected('an array');
  for (let index = 0; index < value.length; index++) {
    const wrong = findMismatch(value[index], of, options);
    if (wrong !== undefined) return within(`[${index}]`, wrong);
  }
  return undefined;
}

function inDict(value: JsonInput | undefined, of: IdlType, options: CheckOptions): Mismatch | undefined {
  if (!isObject(value)) return expected('an object');
  for (const [key, member] of Object.entries(value)) {
    const wrong = member === undefined ? undefined : findMismatch(member, of, options);
    if (wrong !== undefined) return within(`[${JSON.stringify(key)}]`, wrong);
  }
  return undefined;
}

function inStruct(value: JsonInput | undefined, type: IdlStruct, options: CheckOptions): Mismatch | undefined {
  if (!isObject(value)) return expected('an object');
  for (const field of type.fields) {
    const member = Object.hasOwn(value, field.name) ? value[field.name] : undefined;
    const wrong = findMismatch(member, field.type, options);
    if (wrong !== undefined) return within(field.name, wrong);
  }
  if (options.allowsUnknown) return undefined;
  const unknown = Object.keys(value).find((name) => !type.fields.some((field) => field.name === name));
  return unknown === undefined ? undefined : { path: unknown, expected: 'absent: the interface does not have it' };
}

function expected(what: string): Mismatch {
  return { path: '', expected: what };
}

function within(part: string, { path, expected }: Mismatch): Mismatch {
  return { path: path === '' || path.startsWith('[') ? part + path : `${part}.${path}`, expected };
}

function isObject(value: JsonInput | undefined): value is { readonly [key: string]: JsonInput | undefined } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isInt(value: JsonInput | undefined): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  return typeof value === 'bigint' && value >= INT_MIN && value <= INT_MAX;
}

function isFloat(value: JsonInput | undefined): boolean {
  return typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value));
}
