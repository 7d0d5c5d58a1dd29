import { describe, expect, it } from 'vitest';
import type { Sample } from '../model/sample.ts';
import type { SampleAnswer } from '../registry/answer.ts';
import { GrowthTracker, SchemaBook } from './schema-book.ts';

const schema = { provider: 'kvm', target: 'vcpu', stats: [{ name: 'exits', type: 'cumulative', exponent: 0 }] };

function answer(id: string, seconds: bigint, values: Readonly<Record<string, bigint>>): SampleAnswer {
  const items = Object.entries(values).map(
    ([path, value]): Sample => ({
      domain: 'same name',
      provider: 'kvm',
      target: 'vcpu',
      path,
      via: 'test',
      collectedAtNs: seconds * 1_000_000_000n,
      stats: [{ name: 'exits', value }],
    }),
  );
  return { domain: { id, name: 'same name', source: 'test:' }, items, errors: [] };
}

describe('the growth of samples', () => {
  const { domain } = answer('a', 0n, {});
  const book = new SchemaBook([{ domain, items: [schema], errors: [] }]);
  book.add([{ domain: { ...domain, id: 'b' }, items: [schema], errors: [] }]);

  it('tells objects and domains of the same name apart', () => {
    const tracker = new GrowthTracker();
    expect(tracker.update([answer('a', 1n, { x: 1n, y: 5n }), answer('b', 1n, { x: 100n })], book).size).toBe(0);
    const next = [answer('a', 3n, { y: 9n, x: 3n, new: 7n }), answer('b', 3n, { x: 100n })];
    const growths = tracker.update(next, book);
    const rates = next.flatMap(({ items }) => items.map((sample) => growths.get(sample)?.get('exits')?.rate));
    expect(rates).toEqual([2, 1, undefined, 0]);
  });

  it('forgets an object that was away', () => {
    const tracker = new GrowthTracker();
    tracker.update([answer('a', 1n, { x: 1n })], book);
    tracker.update([answer('a', 2n, {})], book);
    expect(tracker.update([answer('a', 3n, { x: 2n })], book).size).toBe(0);
  });

  it('needs a schema', () => {
    expect(book.covers([answer('a', 1n, { x: 1n })])).toBe(true);
    expect(book.covers([answer('c', 1n, { x: 1n })])).toBe(false);
    expect(book.covers([answer('c', 1n, {})])).toBe(true);
  });
});

describe('a book of schemas', () => {
  it('covers what has a descriptor for each of its values, also after a new one', () => {
    const told = answer('a', 0n, { x: 1n });
    const book = new SchemaBook();
    expect(book.covers([told])).toBe(false);
    book.add([{ domain: told.domain, items: [schema], errors: [] }]);
    expect(book.covers([told])).toBe(true);
    const more = told.items.map((sample) => ({ ...sample, stats: [...sample.stats, { name: 'new', value: 1n }] }));
    expect(book.covers([{ ...told, items: more }])).toBe(false);
  });
});
