import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BOOL,
  chars,
  fixedChars,
  INT,
  list,
  NOTHING,
  optional,
  struct,
  text,
  UHYPER,
  UINT,
  type XdrCodec,
} from './xdr-codec.ts';
import { XdrReader } from './xdr-reader.ts';
import { XdrWriter } from './xdr-writer.ts';

const INVALID = { code: 'LIBVIRT_MESSAGE_INVALID' };
const USAGE = { code: 'USAGE' };

function encode<T>(codec: XdrCodec<T>, value: T): Uint8Array {
  const writer = new XdrWriter();
  codec.encode(writer, value);
  return Uint8Array.from(writer.take());
}

function decode<T>(codec: XdrCodec<T>, bytes: Uint8Array): T {
  const reader = new XdrReader(bytes);
  const value = codec.decode(reader);
  reader.end();
  return value;
}

const hex = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'));
const HYPER: XdrCodec<bigint> = {
  minBytes: 8,
  decode: (reader) => reader.hyper(),
  encode: (writer, value) => writer.hyper(value),
};
const DOUBLE: XdrCodec<number> = {
  minBytes: 8,
  decode: (reader) => reader.double(),
  encode: (writer, value) => writer.double(value),
};

/** Codecs, and values that each takes. */
const CASES: readonly (readonly [name: string, codec: XdrCodec<never>, values: fc.Arbitrary<unknown>])[] = [
  ['int', INT, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })],
  ['unsigned int', UINT, fc.integer({ min: 0, max: 2 ** 32 - 1 })],
  ['hyper', HYPER, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  ['unsigned hyper', UHYPER, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
  ['double', DOUBLE, fc.double()],
  ['bool', BOOL, fc.boolean()],
  ['string', text(400), fc.string({ unit: 'grapheme', maxLength: 40 })],
  ['chars', chars(40), fc.uint8Array({ maxLength: 40 })],
  ['optional', optional(UINT), fc.option(fc.nat(), { nil: undefined })],
  ['array', list(40, text(40)), fc.array(fc.string({ maxLength: 9 }), { maxLength: 40 })],
  ['structure', struct({ a: INT, b: text(9) }), fc.record({ a: fc.nat(9), b: fc.string({ maxLength: 2 }) })],
].map(([name, codec, values]) => [name as string, codec as XdrCodec<never>, values as fc.Arbitrary<unknown>] as const);

describe('XDR', () => {
  it.each(CASES)('reads every %s as it was written, in units of four bytes', (_, codec, values) => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = encode(codec, value as never);
        expect(bytes.length % 4).toBe(0);
        expect(bytes.length).toBeGreaterThanOrEqual(codec.minBytes);
        expect(decode(codec, bytes)).toEqual(value);
      }),
    );
  });

  it.each(CASES)('refuses every %s that ends early or goes on', (_, codec, values) => {
    fc.assert(
      fc.property(values, fc.nat(), (value, cut) => {
        const bytes = encode(codec, value as never);
        expect(() => decode(codec, bytes.subarray(0, cut % bytes.length))).toThrow(expect.objectContaining(INVALID));
        expect(() => decode(codec, Uint8Array.of(...bytes, 0, 0, 0, 0))).toThrow(expect.objectContaining(INVALID));
      }),
    );
  });

  it.each(CASES)('reads %s out of any bytes, or refuses them with its own error', (_, codec) => {
    const bytes = fc.array(fc.constantFrom(0, 1, 2, 3, 4, 5, 0x41, 0x80, 0xff), { maxLength: 40 });
    fc.assert(
      fc.property(bytes, (input) => {
        try {
          const value = decode(codec, Uint8Array.from(input));
          expect(decode(codec, encode(codec, value))).toEqual(value);
        } catch (error) {
          expect(error).toMatchObject(INVALID);
        }
      }),
    );
  });

  it.each([
    ['int', INT, -2, 'fffffffe'],
    ['unsigned hyper', UHYPER, 2n ** 64n - 2n, 'fffffffffffffffe'],
    ['hyper', HYPER, -2n, 'fffffffffffffffe'],
    ['double', DOUBLE, 0.1, '3fb999999999999a'],
    ['string', text(5), 'beta!', '00000005 6265746121 000000'],
    ['text beyond ASCII', text(2), 'é', '00000002 c3a9 0000'],
    ['chars', chars(2), Uint8Array.of(0x41, 0xff), '00000002 00000041 ffffffff'],
    ['an absent value', optional(INT), undefined, '00000000'],
    ['a present value', optional(INT), 5, '00000001 00000005'],
    ['nothing', NOTHING, undefined, ''],
  ] as const)('has the form of RFC 4506 for %s', (_, codec, value, form) => {
    expect(encode(codec as XdrCodec<unknown>, value)).toEqual(hex(form));
  });

  it.each([
    ['a length of 2^32-1', text(2 ** 32 - 1), 'ffffffff'],
    ['a length over the bound', text(3), '00000004 41414141'],
    ['a count of 2^32-1', list(2 ** 32 - 1, INT), 'ffffffff ffffffff'],
    ['a count over the bound', list(1, INT), '00000002 00000000 00000000'],
    ['a count that cannot be true', list(1000, UHYPER), '00000002 0000000000000000 00000000'],
    ['padding that is not zero', text(9), '00000001 41000001'],
    ['padding that is missing', text(9), '00000001 41'],
    ['a bool of 2', BOOL, '00000002'],
    ['an optional of 2', optional(NOTHING), '00000002'],
  ] as const)('refuses %s', (_, codec, bytes) => {
    expect(() => decode(codec as XdrCodec<unknown>, hex(bytes))).toThrow(expect.objectContaining(INVALID));
  });

  it('takes lengths and counts up to the bound', () => {
    expect(decode(text(4), hex('00000004 41414141'))).toBe('AAAA');
    expect(decode(list(2, INT), hex('00000002 00000000 00000001'))).toEqual([0, 1]);
  });

  it('keeps a place for the zero behind text of a fixed size', () => {
    const full = hex('00000041 00000042 00000043');
    expect(decode(fixedChars(3), full)).toBe('AB');
    expect(encode(fixedChars(3), 'ABC')).toEqual(hex('00000041 00000042 00000000'));
    expect(decode(fixedChars(3), hex('00000041 00000000 00000043'))).toBe('A');
  });

  it('refuses to write what has no form', () => {
    for (const value of [2 ** 31, -(2 ** 31) - 1, 0.5, Number.NaN]) {
      expect(() => encode(INT, value)).toThrow(expect.objectContaining(USAGE));
    }
    for (const value of [2 ** 32, -1, 0.5]) expect(() => encode(UINT, value)).toThrow(expect.objectContaining(USAGE));
    for (const value of [2n ** 64n, -1n]) expect(() => encode(UHYPER, value)).toThrow(expect.objectContaining(USAGE));
    for (const value of [2n ** 63n, -(2n ** 63n) - 1n]) {
      expect(() => encode(HYPER, value)).toThrow(expect.objectContaining(USAGE));
    }
    expect(() => encode(text(3), 'éé')).toThrow(expect.objectContaining(USAGE));
    expect(() => encode(list(1, INT), [1, 2])).toThrow(expect.objectContaining(USAGE));
    expect(() => new XdrWriter().opaque(new Uint8Array(3), 4)).toThrow(expect.objectContaining(USAGE));
  });

  it('reads what is no UTF-8 as the replacement character', () => {
    expect(decode(text(4), hex('00000002 41ff0000'))).toBe('A\ufffd');
  });
});
