import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import { type FrameLimits, FrameScanner, MAX_DEPTH } from './framing.ts';

/** Everything that comes out: texts, and the codes of errors. */
function scan(chunks: Iterable<Uint8Array>, limits?: FrameLimits): readonly string[] {
  const scanner = new FrameScanner(limits);
  const out: string[] = [];
  for (const chunk of chunks) {
    scanner.push(chunk);
    for (let isDone = false; !isDone; ) {
      try {
        const text = scanner.next();
        if (text === undefined) isDone = true;
        else out.push(text);
      } catch (error) {
        if (!VirtstatError.is(error)) throw error;
        out.push(error.code);
      }
    }
  }
  return out;
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function cut(all: Uint8Array, at: readonly number[]): readonly Uint8Array[] {
  const places = [0, ...at.map((place) => place % (all.length + 1)).sort((a, b) => a - b), all.length];
  return places.slice(1).map((end, index) => all.slice(places[index], end));
}

/** JSON values whose text has all the brackets, quotes and backslashes that might mislead. */
const frames = fc.array(
  fc.record({
    value: fc.oneof(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.array(fc.jsonValue()),
      fc.string({ unit: 'binary' }),
    ),
    indent: fc.constantFrom(0, 2),
    gap: fc.constantFrom('', '\r\n', '\n', ' \t'),
  }),
);

describe('FrameScanner', () => {
  it('finds the same messages whole, byte by byte, and at any cuts', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 20 }), (messages, cuts) => {
        const texts = messages.map(({ value, indent }) => JSON.stringify(value, null, indent));
        const stream = bytes(messages.map(({ gap }, index) => `${texts[index]}${gap}`).join(''));
        expect(scan([stream])).toEqual(texts);
        expect(scan(Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(texts);
        expect(scan(cut(stream, cuts))).toEqual(texts);
      }),
    );
  });

  it('gives the same for any bytes, however they are cut, and never anything but texts and its own errors', () => {
    const hostile = fc.array(fc.constantFrom(...bytes('{}[]"\\,: \r\n1tnx\xff\x00'), 0xff), { maxLength: 60 });
    fc.assert(
      fc.property(hostile, fc.array(fc.nat(), { maxLength: 9 }), (input, cuts) => {
        const limits = { maxFrameBytes: 20, maxDepth: 5 };
        const whole = scan([Uint8Array.from(input)], limits);
        expect(scan(cut(Uint8Array.from(input), cuts), limits)).toEqual(whole);
      }),
    );
  });

  it('takes brackets and quotes inside strings for text', () => {
    const texts = ['{"a":"}]\\"{["}', '["\\\\"]', '{"a":"\\\\\\""}'];
    expect(scan([bytes(texts.join(''))])).toEqual(texts);
  });

  it('completes a number or keyword at the next delimiter', () => {
    expect(scan([bytes('12')])).toEqual([]);
    expect(scan([bytes('12 true\nnull{"a":1}')])).toEqual(['12', 'true', 'null', '{"a":1}']);
  });

  it('detects what is no JSON between messages, and goes on behind the next line end', () => {
    expect(scan([bytes('HTTP/1.1 400 Bad Request\r\n{"a":1}\r\n')])).toEqual(['JSON_INVALID', '{"a":1}']);
    expect(scan([Uint8Array.of(0xff, 0x7b, 0x7d, 0x0a, 0x7b, 0x7d)])).toEqual(['JSON_INVALID', '{}']);
    expect(scan([bytes(']\n[]')])).toEqual(['JSON_INVALID', '[]']);
  });

  it('detects bytes that no message has in the middle of one', () => {
    expect(scan([Uint8Array.of(0x7b, 0xff, 0x0a, 0x5b, 0x5d)])).toEqual(['JSON_INVALID', '[]']);
    expect(scan([bytes('{"a\x1b"}\n[]')])).toEqual(['JSON_INVALID', '[]']);
    expect(scan([bytes('{"return":[}, oops\n[]')])).toEqual(['JSON_INVALID', '[]']);
    expect(scan([bytes('{"half\n[]')])).toEqual(['JSON_INVALID', '[]']);
    expect(scan([bytes('{"half\\\n[]')])).toEqual(['JSON_INVALID', '[]']);
  });

  it('refuses what is not UTF-8', () => {
    expect(scan([Uint8Array.of(0x22, 0xc3, 0x28, 0x22, 0x5b, 0x5d)])).toEqual(['JSON_INVALID', '[]']);
  });

  it('takes a message of the largest size, and none that is one byte larger', () => {
    const text = `{"a":"${'x'.repeat(92)}"}`;
    expect(scan([bytes(text)], { maxFrameBytes: 100 })).toEqual([text]);
    expect(scan([bytes(`${text}\n[]`)], { maxFrameBytes: 99 })).toEqual(['FRAME_TOO_LARGE', '[]']);
    expect(scan([bytes('9'.repeat(101)), bytes('\n[]')], { maxFrameBytes: 100 })).toEqual(['FRAME_TOO_LARGE', '[]']);
  });

  it('takes the deepest nesting, and none that is one level deeper', () => {
    const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    expect(scan([bytes(deep(MAX_DEPTH))])).toEqual([deep(MAX_DEPTH)]);
    expect(scan([bytes(`${deep(MAX_DEPTH + 1)}\n[]`)])).toEqual(['NESTING_TOO_DEEP', '[]']);
    expect(scan([bytes(`${deep(10_000)}\n[]`)])).toEqual(['NESTING_TOO_DEEP', '[]']);
  });

  it('fails on a line of 100 MB when it passes the bound, in time in proportion to it, and lets go of it', () => {
    const chunk = new Uint8Array(64 * 1024).fill(0x61);
    const scanner = new FrameScanner();
    scanner.push(bytes('{"a":"'));
    const startMs = performance.now();
    let refusedAt: number | undefined;
    for (let sent = 0; sent < 100 * 2 ** 20; sent += chunk.length) {
      scanner.push(chunk);
      try {
        scanner.next();
      } catch (error) {
        expect(error).toMatchObject({ code: 'FRAME_TOO_LARGE' });
        expect(refusedAt).toBeUndefined();
        refusedAt = sent;
      }
    }
    expect(refusedAt).toBe(64 * 2 ** 20 - chunk.length);
    expect(scanner.heldBytes).toBe(0);
    // Copying all that is held for each of 1600 chunks would move 35 GB.
    expect(performance.now() - startMs).toBeLessThan(8000);
    scanner.push(bytes('\n[]'));
    expect(scanner.next()).toBe('[]');
  });
});
