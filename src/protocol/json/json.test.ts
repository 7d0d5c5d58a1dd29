import fc from 'fast-check';
import { isSafeNumber, parse as oracle } from 'lossless-json';
import { describe, expect, it } from 'vitest';
import { type JsonInput, type JsonValue, MAX_INTEGER_LENGTH, parseJson, stringifyJson } from './json.ts';

/** The types of this module, by another parser. */
function parseByOracle(text: string): unknown {
  return oracle(text, undefined, (literal) =>
    /^-?\d+$/.test(literal) && !isSafeNumber(literal, { approx: false }) ? BigInt(literal) : Number(literal),
  );
}

const integers = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.constantFrom(2n ** 53n, 2n ** 53n - 1n, -(2n ** 53n), 1n - 2n ** 53n, 10n ** 15n, 10n ** 16n),
);

/** Strings that look like what the parser wraps. */
const misleading = fc.oneof(
  fc.string(),
  integers.map(String),
  integers.map((integer) => `:${integer},`),
  integers.map((integer) => `[ ${integer} ]`),
  integers.map((integer) => `\\" ${integer},`),
  integers.map((integer) => `\x7f${integer}`),
);

const { value: values } = fc.letrec<{ value: JsonInput }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.double({ noDefaultInfinity: true, noNaN: true }),
    integers,
    misleading,
    fc.array(tie('value')),
    fc.dictionary(fc.oneof(misleading, fc.constant('__proto__')), tie('value'), { noNullPrototype: true }),
  ),
}));

describe('parseJson', () => {
  it('agrees with another lossless parser', () => {
    fc.assert(
      fc.property(values, (value) => {
        const text = stringifyJson(value);
        expect(parseJson(text)).toEqual(parseByOracle(text));
      }),
      { numRuns: 500 },
    );
  });

  it('reads back what was written', () => {
    fc.assert(
      fc.property(values, (value) => {
        const again = stringifyJson(parseJson(stringifyJson(value)));
        expect(again).toBe(stringifyJson(value));
      }),
    );
  });

  it('keeps every digit of integers and the type of what is no integer', () => {
    expect(parseJson('18446744073709551615')).toBe(18446744073709551615n);
    expect(parseJson('[ 9007199254740991 , 9007199254740992,-9007199254740993 ]')).toEqual([
      9007199254740991,
      9007199254740992n,
      -9007199254740993n,
    ]);
    expect(parseJson('{"a":12345678901234567.5,"b":12345678901234567e1,"c":1.2345678901234567}')).toEqual({
      a: Number('12345678901234567.5'),
      b: Number('123456789012345670'),
      c: 1.2345678901234567,
    });
  });

  it('leaves digits in strings and names alone', () => {
    const text =
      '{"18446744073709551615":":18446744073709551615,","b":"[18446744073709551615]","c":18446744073709551615}';
    expect(parseJson(text)).toEqual({
      '18446744073709551615': ':18446744073709551615,',
      b: '[18446744073709551615]',
      c: 18446744073709551615n,
    });
  });

  it.each([
    '{18446744073709551615:1}',
    '{ 18446744073709551615 :1}',
    '{"a":1, 18446744073709551615}',
    '[00018446744073709551615]',
    '[-018446744073709551615]',
    '[- 18446744073709551615]',
    '[+18446744073709551615]',
    '[18446744073709551615 1]',
    '["a" 18446744073709551615]',
    '[18446744073709551615\u00a0]',
    '18446744073709551615 "',
    '18446744073709551615.',
    '{"a":18446744073709551615,}',
    '"a\\" 18446744073709551615,',
  ])('refuses %s, as JSON.parse does', (text) => {
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
    expect(() => parseJson(text)).toThrow(expect.objectContaining({ code: 'JSON_INVALID' }));
  });

  it('takes any text that JSON.parse takes, and no other', () => {
    const pieces = fc.array(
      fc.constantFrom(
        '18446744073709551615',
        '-9007199254740993',
        '"',
        '\\',
        ',',
        ':',
        '[',
        ']',
        '{',
        '}',
        ' ',
        '"a"',
        '0',
        'e',
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        const text = parts.join('');
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(() => parseJson(text)).toThrow(expect.objectContaining({ code: 'JSON_INVALID' }));
          return;
        }
        expect(toNumbers(parseJson(text))).toEqual(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('makes an own property of __proto__, also where its value is a long integer', () => {
    for (const text of ['{"__proto__":{"polluted":1}}', '{"__proto__":18446744073709551615}']) {
      const parsed = parseJson(text) as object;
      expect(Object.hasOwn(parsed, '__proto__')).toBe(true);
      expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype);
      expect(stringifyJson(parsed as JsonInput)).toBe(text);
    }
    expect('polluted' in {}).toBe(false);
  });

  it('bounds the length of an integer', () => {
    expect(parseJson('9'.repeat(MAX_INTEGER_LENGTH))).toBe(BigInt('9'.repeat(MAX_INTEGER_LENGTH)));
    expect(() => parseJson('9'.repeat(MAX_INTEGER_LENGTH + 1))).toThrow(
      expect.objectContaining({ code: 'JSON_INVALID' }),
    );
  });

  it('takes time in proportion to the text, also for digits without end', () => {
    const startMs = performance.now();
    expect(() => parseJson(`[${'1'.repeat(4_000_000)}]`)).toThrow(expect.objectContaining({ code: 'JSON_INVALID' }));
    expect(parseJson(`["${':18446744073709551615,'.repeat(200_000)}"]`)).toHaveLength(1);
    expect(performance.now() - startMs).toBeLessThan(8000);
  });

  it('keeps integers at any depth', () => {
    const depth = 200_000;
    let parsed = parseJson(`${'['.repeat(depth)}18446744073709551615${']'.repeat(depth)}`);
    while (Array.isArray(parsed)) parsed = parsed[0] as JsonValue;
    expect(parsed).toBe(18446744073709551615n);
  });

  it('says on one short line what it refused', () => {
    const text = `{\n\x1b[31m\x9b31m${'x'.repeat(1000)}`;
    expect(() => parseJson(text)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^[ -~…]{1,120}$/) }),
    );
  });
});

describe('stringifyJson', () => {
  it('writes integers of any size as literals and leaves out what is undefined', () => {
    expect(stringifyJson({ a: 18446744073709551615n, b: undefined, c: [-1n, 0.5, 'x'] })).toBe(
      '{"a":18446744073709551615,"c":[-1,0.5,"x"]}',
    );
  });
});

/** What JSON.parse makes of the same. */
function toNumbers(value: JsonValue): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(toNumbers);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toNumbers(member)]));
}
