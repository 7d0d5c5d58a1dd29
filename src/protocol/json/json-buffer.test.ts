import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type JsonInput, JsonText, stringifyJson } from './json.ts';
import { JsonBuffer, JsonList, writeJson } from './json-buffer.ts';
import { MIN_SPARE_BYTES, SpareMemory } from './spare-memory.ts';

function written(value: JsonInput, spare?: SpareMemory): string {
  const buffer = new JsonBuffer(spare);
  writeJson(value, buffer);
  const text = Buffer.from(buffer.finish()).toString();
  buffer.giveBack();
  return text;
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

it('writes what a text would be', () => {
  fc.assert(
    fc.property(json, (value) => {
      expect(written(value)).toBe(stringifyJson(value));
    }),
  );
});

it('writes to spare memory, whatever was there before', () => {
  const spare = new SpareMemory();
  const memory = Buffer.alloc(4 * MIN_SPARE_BYTES, 'x');
  spare.give(memory);
  for (const length of [MIN_SPARE_BYTES, 10, MIN_SPARE_BYTES + 1]) {
    expect(written(['a'.repeat(length)], spare)).toBe(`["${'a'.repeat(length)}"]`);
  }
  expect(spare.take()).toBe(memory);
  // What is too short is left.
  spare.give(Buffer.alloc(MIN_SPARE_BYTES));
  expect(written(['a'.repeat(5 * MIN_SPARE_BYTES)], spare)).toHaveLength(5 * MIN_SPARE_BYTES + 4);
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
