import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../model/u64.ts';
import { decimalAt } from './decimal.ts';
import { fieldsOfStat, words } from './words.ts';

const u64 = fc.bigInt({ min: 0n, max: U64_MAX });

/** The decoder's answer for a text that ends before other bytes, as in a buffer that is used again. */
function decoded(decode: ReturnType<typeof words>, text: string, behind = '77 88 99\n') {
  return decode(Buffer.from(text + behind, 'latin1'), Buffer.byteLength(text, 'latin1'));
}

describe('a decimal number', () => {
  it('is exact up to 2^64-1', () => {
    fc.assert(
      fc.property(u64, (value) => {
        const bytes = Buffer.from(`${value} `);
        expect(decimalAt(bytes, 0, bytes.length)).toBe(value);
      }),
    );
  });

  it.each(['18446744073709551616 ', '99999999999999999999 ', '184467440737095516150 ', `${'9'.repeat(4000)} `])(
    'is none beyond that: %s',
    (text) => expect(decimalAt(Buffer.from(text), 0, text.length)).toBeUndefined(),
  );

  it.each(['', ' ', '-1 ', 'x ', '12', '18446744073709551615'])('is none in %j, where it may have been cut', (text) => {
    expect(decimalAt(Buffer.from(text), 0, text.length)).toBeUndefined();
  });
});

describe('words', () => {
  it('are taken by their numbers, in the order that was asked for', () => {
    expect(decoded(words([3, 1]), '11 22 33\n')).toEqual([33n, 11n]);
    expect(decoded(words([1]), '  11\n')).toEqual([11n]);
  });

  it('cut anywhere are those that are whole', () => {
    const text = '5967741 18446744073709551615 5\n';
    const whole = decoded(words([1, 2, 3]), text);
    expect(whole).toEqual([5967741n, U64_MAX, 5n]);
    for (let length = 0; length < text.length; length++) {
      for (const [index, value] of decoded(words([1, 2, 3]), text.slice(0, length)).entries()) {
        expect([undefined, whole[index]]).toContain(value);
      }
    }
  });

  it('never end in an exception, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const decode of [words([1, 2, 3]), fieldsOfStat([10, 14, 43])]) {
          for (const value of decode(Buffer.from(bytes), bytes.length)) {
            expect(value === undefined || (value >= 0n && value <= U64_MAX)).toBe(true);
          }
        }
      }),
    );
  });
});

describe('the fields of stat', () => {
  const rest = Array.from({ length: 50 }, (_, index) => index + 4).join(' ');

  it.each(['qemu', 'a b', 'we)ird (x', ') S 1 2 3', '', '((('])('are counted behind a name of %j', (name) => {
    expect(decoded(fieldsOfStat([14, 4, 43]), `12 (${name}) S ${rest}\n`)).toEqual([14n, 4n, 43n]);
  });

  it('are none without a name', () => {
    expect(decoded(fieldsOfStat([4]), '12 34 56\n')).toEqual([undefined]);
    expect(decoded(fieldsOfStat([4]), '', '(x) S 4 5\n')).toEqual([undefined]);
  });

  it('that an older kernel lacks are left out', () => {
    expect(decoded(fieldsOfStat([5, 43]), '12 (x) S 4 5 6\n')).toEqual([5n, undefined]);
  });
});
