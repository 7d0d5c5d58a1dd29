import { expect, it } from 'vitest';
import { inTurns } from './in-turns.ts';

const hundred = Array.from({ length: 100 }, (_, index) => index);

it('keeps the order, and waits for nobody to begin with the next', async () => {
  let finish: (value: number) => void = () => undefined;
  const first = new Promise<number>((resolve) => (finish = resolve));
  const begun: number[] = [];
  const all = inTurns(hundred, (item) => {
    begun.push(item);
    if (item === 99) finish(-1);
    return item === 0 ? first : Promise.resolve(item);
  });
  expect(begun.length).toBeLessThan(100);
  expect(await all).toEqual([-1, ...hundred.slice(1)]);
  expect(begun).toEqual(hundred);
});

it('fails as one of them does, also where that is before the others begin', async () => {
  const failing = inTurns(hundred, async (item) => {
    if (item === 3) throw new RangeError('three');
  });
  await expect(failing).rejects.toThrow('three');
});
