import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../json/json.ts';
import { encodeMessage, MAX_MESSAGE_BYTES, MAX_MESSAGE_DEPTH, MessageReader } from './framing.ts';

const integers = fc.oneof(fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }), fc.integer());
const leaves = fc.oneof(fc.string({ unit: 'binary' }), fc.boolean(), fc.constant(null), integers);
const messages = fc.dictionary(fc.string(), fc.oneof(leaves, fc.array(leaves), fc.dictionary(fc.string(), leaves)));

/** What the reader makes of a literal: a `number` where that is exact. */
function asRead(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(asRead);
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? 0 : value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, asRead(member)]));
}

function readAll(chunks: readonly Uint8Array[], reader: MessageReader = new MessageReader()): readonly JsonValue[] {
  return chunks.flatMap((chunk) => {
    reader.push(chunk);
    return [...rest(reader)];
  });
}

function* rest(reader: MessageReader): Generator<JsonValue> {
  for (let message = reader.next(); message !== undefined; message = reader.next()) yield message;
}

function cut(bytes: Uint8Array, sizes: readonly number[]): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] as number;
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  return chunks;
}

const text = (string: string): Uint8Array => Buffer.from(string);

describe('messages on the wire', () => {
  it('end with one NUL, also where a string has one', () => {
    expect(Buffer.from(encodeMessage({ method: 'a.B', parameters: { x: 2n ** 64n - 1n, y: '\0' } })).toString()).toBe(
      '{"method":"a.B","parameters":{"x":18446744073709551615,"y":"\\u0000"}}\0',
    );
  });

  it('are read as they were written, whole, byte by byte, and however they are cut', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(messages, { maxLength: 6 }), cuts, (sent, sizes) => {
        const bytes = Buffer.concat(sent.map((message) => encodeMessage(message)));
        const expected = sent.map(asRead);
        expect(readAll([bytes])).toEqual(expected);
        expect(readAll(cut(bytes, [1]))).toEqual(expected);
        expect(readAll(cut(bytes, sizes))).toEqual(expected);
      }),
    );
  });

  it('can be taken later than they come', () => {
    const reader = new MessageReader();
    for (const chunk of cut(text('{"a":1}\0{"b":2}\0{"c"'), [3])) reader.push(chunk);
    expect(reader.heldBytes).toBe(20);
    expect([...rest(reader)]).toEqual([{ a: 1 }, { b: 2 }]);
    expect(reader.sizeBytes).toBe(7);
    expect(readAll([text(':3}\0')], reader)).toEqual([{ c: 3 }]);
    expect(reader.heldBytes).toBe(0);
  });
});

describe('broken input', () => {
  const code = (chunks: readonly Uint8Array[], maxMessageBytes = MAX_MESSAGE_BYTES): string => {
    try {
      return String(readAll(chunks, new MessageReader({ maxMessageBytes })));
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  it.each([
    ['no JSON', '{"a"\0'],
    ['nothing', '\0'],
    ['two texts', '{}{}\0'],
  ])('is refused: %s', (_, bytes) => {
    expect(code([text(bytes)])).toBe('JSON_INVALID');
  });

  it('is refused where it is not UTF-8', () => {
    expect(code([Uint8Array.of(0x22, 0xff, 0x22, 0)])).toBe('JSON_INVALID');
  });

  it('is refused at the bound of its size, and not below it, however it is cut', () => {
    const fits = text(`${JSON.stringify('x'.repeat(98))}\0`);
    const tooLong = text(`${JSON.stringify('x'.repeat(99))}\0`);
    for (const size of [1, 7, 200]) {
      expect(code(cut(fits, [size]), 100)).toBe('x'.repeat(98));
      expect(code(cut(tooLong, [size]), 100)).toBe('FRAME_TOO_LARGE');
    }
    expect(code([new Uint8Array(101).fill(0x20)], 100)).toBe('FRAME_TOO_LARGE');
  });

  it('is refused at the bound of its depth, and not below it', () => {
    const nested = (depth: number): Uint8Array => text(`${'['.repeat(depth)}"]["${']'.repeat(depth)}\0`);
    expect(code([nested(MAX_MESSAGE_DEPTH)])).toBe('][');
    expect(code([nested(MAX_MESSAGE_DEPTH + 1)])).toBe('NESTING_TOO_DEEP');
    expect(code([text(`"${'['.repeat(1000)}\\"[["\0`)])).toMatch(/^\[+"\[\[$/);
  });

  it('is final', () => {
    const reader = new MessageReader();
    reader.push(text('nope\0{}\0'));
    expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'JSON_INVALID' }));
    expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'JSON_INVALID' }));
  });
});
