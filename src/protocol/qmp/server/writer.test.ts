import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { doubleText } from './double-text.ts';
import { NameTable } from './name-table.ts';
import type { QmpValue } from './value.ts';
import { MIN_SHARED_BYTES, WrittenValue, writeMessage, writeValue } from './writer.ts';

const textOf = (message: readonly Uint8Array[]): string => Buffer.concat(message).toString('latin1');

describe('the order of members', () => {
  it.each([
    [['id', 'return']],
    [['error', 'id']],
    [['desc', 'class']],
    [['data', 'event', 'timestamp']],
    [['qom-path', 'stats', 'provider']],
    [['target', 'stats', 'provider']],
    [['type', 'exponent', 'bucket-size', 'base', 'unit', 'name']],
    [['last-update', 'stats']],
  ])('is that of QEMU’s hash for %j', (names) => {
    const order = [...writeValue(new Map(names.map((name) => [name, 1n]))).matchAll(/"([^"]+)":/g)].map(
      ([, name]) => name,
    );
    const expected: Readonly<Record<string, readonly string[]>> = {
      id: ['return', 'id'],
      error: ['id', 'error'],
      desc: ['class', 'desc'],
      data: ['timestamp', 'event', 'data'],
      'qom-path': ['provider', 'stats', 'qom-path'],
      target: ['provider', 'stats', 'target'],
      type: ['name', 'unit', 'base', 'bucket-size', 'exponent', 'type'],
      'last-update': ['stats', 'last-update'],
    };
    expect(order).toEqual(expected[names[0] ?? '']);
  });

  it('does not depend on how names look to JavaScript', () => {
    const dict = new Map<string, QmpValue>([
      ['2', 1n],
      ['1', 2n],
      ['__proto__', 3n],
    ]);
    expect(writeValue(dict)).toBe('{"__proto__": 3, "1": 2, "2": 1}');
  });

  it('leaves out what is undefined', () => {
    expect(writeValue({ b: undefined, a: [true, null] })).toBe('{"a": [true, null]}');
  });
});

describe('text', () => {
  it('is ASCII with capitals in escapes', () => {
    expect(writeValue('\u0000\u001f\u007f\u00e9\u20ac😀/"\\\b\f\n\r\t')).toBe(
      String.raw`"\u0000\u001F\u007F\u00E9\u20AC\uD83D\uDE00/\"\\\b\f\n\r\t"`,
    );
  });

  it('is taken over where it was written before, and ends with CRLF', () => {
    const value = { return: new WrittenValue([{ value: 2n ** 64n - 1n }]) };
    expect(textOf(writeMessage(value))).toBe('{"return": [{"value": 18446744073709551615}]}\r\n');
    expect(writeValue(value)).toBe('{"return": [{"value": 18446744073709551615}]}');
  });

  it('is sent as the same bytes in every message where it is long', () => {
    const value = 'x'.repeat(5000);
    const written = new WrittenValue([value]);
    const messages = ['a', 'b'].map((id) => writeMessage({ return: written, id }));
    expect(messages.map(textOf)).toEqual(['a', 'b'].map((id) => `{"return": ["${value}"], "id": "${id}"}\r\n`));
    for (const message of messages) expect(message.filter((piece) => piece === written.bytes)).toHaveLength(1);
    expect(textOf(writeMessage([written, '\0', written]))).toBe(`[["${value}"], "\\u0000", ["${value}"]]\r\n`);
    expect(writeValue({ return: written })).toBe(`{"return": ["${value}"]}`);
  });

  it.each([
    [MIN_SHARED_BYTES - 1, 1],
    [MIN_SHARED_BYTES, 3],
  ])('of %i bytes makes a message of %i pieces', (sizeBytes, pieces) => {
    const written = new WrittenValue('x'.repeat(sizeBytes - 2));
    expect(writeMessage({ return: written })).toHaveLength(pieces);
  });

  it('says what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // Not what JSON.stringify writes: that loses the sign of zero.
        expect(JSON.parse(writeValue(value as QmpValue))).toEqual(value);
      }),
    );
  });
});

describe('a double', () => {
  it.each([
    [0.1, '0.10000000000000001'],
    [100, '100'],
    [-0, '-0'],
    [1.5, '1.5'],
    [1e16, '10000000000000000'],
    [1e17, '1e+17'],
    [1.8446744073709552e19, '1.8446744073709552e+19'],
    [0.0001, '0.0001'],
    [0.00001, '1.0000000000000001e-05'],
    [5e-324, '4.9406564584124654e-324'],
    [Number.MAX_VALUE, '1.7976931348623157e+308'],
    // Ties: C takes the even neighbour.
    [1234567890123456.25, '1234567890123456.2'],
    [1234567890123456.75, '1234567890123456.8'],
    [Number.NEGATIVE_INFINITY, '-inf'],
    [Number.NaN, 'nan'],
  ])('%d is %s', (value, text) => {
    expect(doubleText(value)).toBe(text);
  });

  it('reads back as itself', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Number(doubleText(value))).toBe(value);
      }),
    );
  });
});

describe('the table of names', () => {
  it('names the member that QEMU complains about', () => {
    expect(new NameTable(['zz', 'a', 'b']).first()).toBe('b');
    expect(new NameTable([]).first()).toBeUndefined();
  });

  it('has what was put in and not struck out', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { maxLength: 200 }), fc.nat(200), (names, struck) => {
        const table = new NameTable(names);
        const left = new Set(names);
        for (const name of names.slice(0, struck)) {
          table.remove(name);
          left.delete(name);
        }
        for (let first = table.first(); first !== undefined; first = table.first()) {
          expect(left.delete(first)).toBe(true);
          table.remove(first);
        }
        expect(left.size).toBe(0);
      }),
    );
  });
});
