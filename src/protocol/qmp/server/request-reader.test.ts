import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Incoming, MAX_NESTING, type ReaderLimits, RequestReader } from './request-reader.ts';
import { writeValue } from './writer.ts';

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** What comes of pieces, each as QEMU would write it or the words of the error. */
function readPieces(pieces: readonly Uint8Array[], limits: ReaderLimits = {}): readonly string[] {
  const reader = new RequestReader(limits);
  const seen: string[] = [];
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      at = reader.feed(piece, at);
      for (let message = reader.next(); message !== undefined; message = reader.next()) seen.push(wordsOf(message));
    }
  }
  return seen;
}

function wordsOf(message: Incoming): string {
  return message.failure === undefined ? writeValue(message.value) : `! ${message.failure}`;
}

const read = (text: string, limits?: ReaderLimits) => readPieces([latin1(text)], limits);

describe('a message', () => {
  it('ends where its brackets balance, a bare number or keyword with the byte behind it', () => {
    expect(read('{"a":[1]}[]"x"')).toEqual(['{"a": [1]}', '[]', '"x"']);
    expect(read('12')).toEqual([]);
    expect(read('12 true\n')).toEqual(['12', 'true']);
    expect(read('1}')).toEqual(['1', '! JSON parse error, expecting value']);
  });

  it('keeps 64 bits, signed or unsigned, and makes a double of what is larger', () => {
    const numbers =
      '[-0,18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809,1.0,0.1,1e999]';
    expect(read(numbers)).toEqual([
      '[0, 18446744073709551615, 1.8446744073709552e+19, -9223372036854775808, -9.2233720368547758e+18, 1, 0.10000000000000001, inf]',
    ]);
  });

  it('may have strings in single quotes, with either quote escaped', () => {
    expect(read(String.raw`['it\'s "x"',"\"\/\b\f\n\r\t"]`)).toEqual([String.raw`["it's \"x\"", "\"/\b\f\n\r\t"]`]);
  });
});

describe('QEMU’s errors', () => {
  it.each([
    ['{"execute":}', ['expecting value']],
    ['{"a" "b"}', ['missing : in object pair']],
    ['{1:2}', ['key is not a string in object']],
    ['{execute:1}', ["invalid keyword 'execute'"]],
    ['[1 2]', ['expected separator in list']],
    ['{"a":1 "b":2}', ['expected separator in dict']],
    ['{"a":1,"b":{"c":1,"c":2}}', ['duplicate key']],
    ['0e1 ', ["invalid keyword 'e'"]],
    ['"\\q"', ['invalid escape sequence in string']],
    ['"\\u12"', ['\\u12" is not a valid Unicode character']],
    ['"\\ud83f\\udfff"', ['\\ud83f\\udfff is not a valid Unicode character']],
    ['"\xed\xa0\x80"', ['invalid UTF-8 sequence in string']],
    ['{"a":"\xff"}', ["stray '\"\ufffd'", 'expecting value']],
    ['-{"a":1}', ["stray '-{'", 'expecting value', 'expecting value']],
    ['\x00', ["stray ''"]],
    ['"\xc3\xa9\xe2\x82\x01', ["stray '\"\u00e9\ufffd\x01'"]],
  ])('for %j', (text, problems) => {
    const errors = read(text).filter((words) => words.startsWith('!'));
    expect(errors).toEqual(problems.map((problem) => `! JSON parse error, ${problem}`));
  });

  it.each(['\xff', '\xfe', '\x00', '\x01', '\x1b'])('leave nothing behind after %j', (resync) => {
    for (const broken of ['{"a":"b', '[[[', '{"a":', '"x', '%', "{'"]) {
      expect(read(`${broken}${resync}{"b":1}`).at(-1)).toBe('{"b": 1}');
    }
  });
});

describe('the bounds', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

  it('let 1024 brackets be open at once, and not one more', () => {
    expect(read(nested(MAX_NESTING))).toEqual([nested(MAX_NESTING)]);
    const refused = read(nested(MAX_NESTING + 1));
    expect(refused[0]).toBe('! JSON nesting depth limit exceeded');
    // The rest is read as messages of their own.
    expect(refused).toHaveLength(MAX_NESTING + 2);
  });

  it('count the tokens of one message', () => {
    expect(read('[1,2,3]', { maxTokens: 7 })).toEqual(['[1, 2, 3]']);
    expect(read('[1,2,3]', { maxTokens: 6 })[0]).toBe('! JSON token count limit exceeded');
    expect(read('[1][2][3][4]', { maxTokens: 3 })).toHaveLength(4);
  });

  it('count the bytes of all tokens of one message', () => {
    expect(read('["abc"]', { maxTokenBytes: 8 })).toEqual(['["abc"]']);
    expect(read('["abc"]', { maxTokenBytes: 7 })[0]).toBe('! JSON token size limit exceeded');
    expect(read(`${' '.repeat(100)}[${' '.repeat(100)}]`, { maxTokenBytes: 8 })).toEqual(['[]']);
  });

  it('end a token that is too long before its end', () => {
    const reader = new RequestReader({ maxTokenBytes: 100 });
    const bytes = latin1(`"${'x'.repeat(10_000)}`);
    let failures = 0;
    let held = 0;
    for (let at = 0; at < bytes.length; ) {
      at = reader.feed(bytes, at);
      held = Math.max(held, reader.heldBytes);
      while (reader.next() !== undefined) failures++;
    }
    expect(failures).toBeGreaterThan(0);
    expect(held).toBeLessThanOrEqual(101);
  });
});

/** Bytes that are nearly requests: pieces of syntax, of strings, of numbers, and anything. */
const nearlyJson = fc
  .array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.constantFrom(...'{}[]:,"\'\\ \n', '"a"', 'true', 'null', '-1', '0', '1e5', '\\u00e9'),
      },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)) },
    ),
    { maxLength: 80 },
  )
  .map((parts) => latin1(parts.join('')));

describe('whatever the bytes are', () => {
  it('reads the same whole, byte by byte and at random cuts, and never throws', () => {
    fc.assert(
      fc.property(nearlyJson, fc.array(fc.nat(80), { maxLength: 6 }), (bytes, cuts) => {
        const whole = readPieces([bytes]);
        expect(readPieces([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
        const places = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        expect(readPieces(pieces)).toEqual(whole);
      }),
      { numRuns: 1000 },
    );
  });

  it('reads what JSON.stringify writes as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false, maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        // What QEMU does not take for characters.
        fc.pre(!/\\ud[89a-f]|[\ufdd0-\ufdef\ufffe\uffff]|[\ud83f-\udbff][\udffe\udfff]/u.test(text));
        const [words] = readPieces([Buffer.from(`${text} `)]);
        fc.pre(!words?.startsWith('! JSON parse error, invalid UTF-8'));
        expect(JSON.parse(words ?? '')).toEqual(JSON.parse(text));
      }),
    );
  });

  it('holds no more than the bounds allow', () => {
    fc.assert(
      fc.property(fc.array(nearlyJson, { maxLength: 20 }), (pieces) => {
        const reader = new RequestReader({ maxTokenBytes: 64, maxTokens: 16 });
        for (const piece of pieces) {
          for (let at = 0; at < piece.length; ) {
            at = reader.feed(piece, at);
            while (reader.next() !== undefined);
            expect(reader.heldBytes).toBeLessThanOrEqual(64 + 65);
          }
        }
      }),
    );
  });

  it('recovers with one byte 0xFF', () => {
    fc.assert(
      fc.property(nearlyJson, (bytes) => {
        const words = readPieces([bytes, latin1('\xff{"id":1}')]);
        expect(words.at(-1)).toBe('{"id": 1}');
        expect(words.at(-2)).toMatch(/^! JSON parse error, stray /);
      }),
    );
  });
});
