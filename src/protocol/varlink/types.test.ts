import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonInput } from '../json/json.ts';
import type { IdlType } from './idl.ts';
import { defineInterface } from './interface.ts';
import { findMismatch, INT_MAX, INT_MIN } from './types.ts';

const { types } = defineInterface(`interface a.b
type T (
  bool: ?bool, int: ?int, float: ?float, string: ?string, object: ?object, any: ?any, enum: ?(one, two),
  struct: ?(a: int, b: ?string), array: ?[]int, dict: ?[string](c: bool), set: ?[string](), self: ?T
)`);
const T: IdlType = { kind: 'named', name: 'T' };

/** The place and what is expected there, `''` where nothing is wrong. */
function wrong(value: JsonInput, allowsUnknown = false): string {
  const mismatch = findMismatch(value, T, { types, allowsUnknown });
  return mismatch === undefined ? '' : `${mismatch.path}: ${mismatch.expected}`;
}

describe('values', () => {
  it.each<[JsonInput]>([
    [{}],
    [{ bool: false, int: 0, float: 1, string: '', object: {}, any: [null], enum: 'two' }],
    [{ bool: null, int: null, struct: null, array: null, self: undefined }],
    [{ struct: { a: 1 }, array: [], dict: {}, set: { one: {}, two: {} } }],
    [{ self: { self: { self: { int: 1 } } } }],
    [{ float: 2n ** 70n, any: false }],
    [{ int: INT_MAX, array: [INT_MIN] }],
  ])('that are right pass: %o', (value) => {
    expect(wrong(value)).toBe('');
  });

  it.each<[JsonInput, string]>([
    [[], ': an object'],
    [null, ': an object'],
    [{ bool: 1 }, 'bool: true or false'],
    [{ int: 1.5 }, 'int: an integer of 64 bits'],
    [{ int: '1' }, 'int: an integer of 64 bits'],
    [{ int: INT_MAX + 1n }, 'int: an integer of 64 bits'],
    [{ int: INT_MIN - 1n }, 'int: an integer of 64 bits'],
    [{ int: 2 ** 53 }, 'int: an integer of 64 bits'],
    [{ float: '1' }, 'float: a number'],
    [{ string: 1 }, 'string: a string'],
    [{ object: [] }, 'object: an object'],
    [{ enum: 'three' }, 'enum: one of one, two'],
    [{ struct: {} }, 'struct.a: an integer of 64 bits'],
    [{ struct: { a: null } }, 'struct.a: an integer of 64 bits'],
    [{ array: [1, 'x'] }, 'array[1]: an integer of 64 bits'],
    [{ dict: { 'a b': { c: 0 } } }, 'dict["a b"].c: true or false'],
    [{ set: { one: 1 } }, 'set["one"]: an object'],
    [{ self: { self: { bool: 0 } } }, 'self.self.bool: true or false'],
    [{ other: 1 }, 'other: absent: the interface does not have it'],
    [{ self: { constructor: 1 } }, 'self.constructor: absent: the interface does not have it'],
  ])('that are wrong are refused with their place: %o', (value, expected) => {
    expect(wrong(value)).toBe(expected);
  });

  it('may have unknown members where that is allowed', () => {
    expect(wrong({ other: 1, self: { more: 2 } }, true)).toBe('');
  });

  it('take every integer of 64 bits, and no other', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }), (value) => {
        expect(wrong({ int: value }) === '').toBe(BigInt.asIntN(64, value) === value);
      }),
    );
  });

  it('do not inherit fields', () => {
    const type: IdlType = { kind: 'struct', fields: [{ name: 'toString', type: { kind: 'any' }, comment: '' }] };
    expect(findMismatch({}, type, { types })).toEqual({ path: 'toString', expected: 'a value' });
  });
});
