import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import { type JsonValue, parseJson } from '../json/json.ts';
import { type FrameLimits, FrameScanner } from './framing.ts';
import { JsonReader } from './json-reader.ts';

/** Everything that comes out: values, and the codes of errors. */
function read(chunks: readonly Uint8Array[], push: (chunk: Uint8Array) => void, next: () => JsonValue | undefined) {
  const out: (JsonValue | { readonly code: string })[] = [];
  for (const chunk of chunks) {
    push(chunk);
    for (let isDone = false; !isDone; ) {
      try {
        const value = next();
        if (value === undefined) isDone = true;
        else out.push(value);
      } catch (error) {
        if (!VirtstatError.is(error)) throw error;
        out.push({ code: error.code });
      }
    }
  }
  return out;
}

function byReader(chunks: readonly Uint8Array[], limits?: FrameLimits): unknown {
  const reader = new JsonReader(limits);
  return read(
    chunks,
    (chunk) => reader.push(chunk),
    () => reader.next(),
  );
}

function byScanner(chunks: readonly Uint8Array[], limits?: FrameLimits): unknown {
  const scanner = new FrameScanner(limits);
  const next = (): JsonValue | undefined => {
    const text = scanner.next();
    return text === undefined ? undefined : parseJson(text);
  };
  return read(chunks, (chunk) => scanner.push(chunk), next);
}

const pieces = fc.constantFrom(
  ...[
    '{"a":1}',
    '{"a":[{}]}',
    '{',
    '}',
    '[',
    ']',
    '"',
    '"}{"',
    '\\',
    ',',
    ':',
    ' ',
    '\r\n',
    '\n',
    '1',
    'x',
    '\u00a0',
    '\x01',
    '[[[[[[',
  ],
);

describe('JsonReader', () => {
  it('reads what the scanner and the parser read one after the other, however the stream is cut', () => {
    const limits = { maxFrameBytes: 30, maxDepth: 5 };
    fc.assert(
      fc.property(fc.array(fc.array(pieces, { maxLength: 8 }), { maxLength: 8 }), (parts) => {
        const chunks = parts.map((part) => new TextEncoder().encode(part.join('')));
        expect(byReader(chunks, limits)).toEqual(byScanner(chunks, limits));
      }),
      { numRuns: 3000 },
    );
  });

  it('reads several values on one line, one value on several lines, and lines of any length', () => {
    const long = `{"a":"${'x'.repeat(100_000)}"}`;
    const stream = new TextEncoder().encode(`{"a":1}{"b":2}\r\n{\n"c": [\n3]\n}\n${long}\n{"d":4}`);
    expect(byReader([stream])).toEqual([{ a: 1 }, { b: 2 }, { c: [3] }, JSON.parse(long), { d: 4 }]);
  });

  it('takes time in proportion to the bytes, also for many messages on one line', () => {
    const line = new TextEncoder().encode(`${'{}'.repeat(30_000)}\n`);
    const startMs = performance.now();
    expect(byReader(Array.from({ length: 10 }, () => line))).toHaveLength(300_000);
    // Looking at the whole line for each message would take more than a minute.
    expect(performance.now() - startMs).toBeLessThan(8000);
  });

  it('bounds the depth of a short line too', () => {
    const deep = (levels: number): Uint8Array =>
      new TextEncoder().encode(`{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}\n`);
    expect(byReader([deep(1024)])).not.toContainEqual({ code: 'NESTING_TOO_DEEP' });
    expect(byReader([deep(1025)])).toEqual([{ code: 'NESTING_TOO_DEEP' }]);
  });
});
