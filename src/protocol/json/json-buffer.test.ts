import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type JsonInput, JsonText, stringifyJson } from './json.ts';
import { JsonBuffer, JsonList, writeJson } from './json-buffer.ts';

function written(value: JsonInput, roomBytes: number): string {
  const buffer = new JsonBuffer(Buffer.alloc(roomBytes));
  writeJson(value, buffer);
  return Buffer.from(buffer.finish()).toString();
}

const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.double(),
    fc.bigInt(),
    fc.string({ unit: 'grapheme' }),
    fc.constant(new JsonText('[1,2]')),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => new JsonList(items, (item) => item as JsonInput)),
    fc.dictionary(fc.string(), fc.oneof(tie('value'), fc.constant(undefined)), { maxKeys: 4 }),
  ),
})).value as fc.Arbitrary<JsonInput>;

it('writes what a text would be, whatever room it began with', () => {
  fc.assert(
    fc.property(json, fc.nat(64), (value, roomBytes) => {
      expect(written(value, roomBytes)).toBe(stringifyJson(value));
    }),
  );
});

it('keeps bytes and texts in order, also where there are many', () => {
  const buffer = new JsonBuffer();
  const expected: string[] = [];
  for (let index = 0; index < 20_000; index++) {
    const text = `"\u00e9${index}",`;
    expected.push(text, '0');
    buffer.add(text);
    buffer.addBytes(1, (bytes, at) => {
      bytes[at] = 0x30;
      return at + 1;
    });
  }
  expect(Buffer.from(buffer.finish()).toString()).toBe(expected.join(''));
});
