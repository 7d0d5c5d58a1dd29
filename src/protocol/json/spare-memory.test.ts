import { expect, it } from 'vitest';
import { MAX_SPARE_BYTES, MAX_SPARES, MIN_SPARE_BYTES, SpareMemory } from './spare-memory.ts';

it('gives what it was given, once', () => {
  const spare = new SpareMemory();
  expect(spare.take()).toBeUndefined();
  const memory = Buffer.alloc(MIN_SPARE_BYTES);
  spare.give(memory);
  expect(spare.take()).toBe(memory);
  expect(spare.take()).toBeUndefined();
});

it('keeps neither little, nor much, nor many', () => {
  const spare = new SpareMemory();
  for (const sizeBytes of [0, MIN_SPARE_BYTES - 1, MAX_SPARE_BYTES + 1]) spare.give(Buffer.alloc(sizeBytes));
  expect(spare.take()).toBeUndefined();
  for (let count = 0; count <= MAX_SPARES; count++) spare.give(Buffer.alloc(MAX_SPARE_BYTES));
  for (let count = 0; count < MAX_SPARES; count++) expect(spare.take()).toHaveLength(MAX_SPARE_BYTES);
  expect(spare.take()).toBeUndefined();
});
