import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ReceivedBytes } from './received-bytes.ts';

it('gives what came, in pieces of any size, and never changes what was taken', () => {
  const steps = fc.array(fc.oneof(fc.uint8Array({ maxLength: 3000 }), fc.nat(4000)), { maxLength: 40 });
  fc.assert(
    fc.property(steps, (all) => {
      const received = new ReceivedBytes(2000);
      const expected: number[] = [];
      const taken: { readonly view: Uint8Array; readonly copy: readonly number[] }[] = [];
      for (const step of all) {
        if (typeof step !== 'number') {
          // A place among them, as whoever looks for the end of a message keeps one.
          const mark = received.start + Math.min(10, received.sizeBytes);
          const before = mark - received.start;
          expect(mark - received.push(step) - received.start).toBe(before);
          expected.push(...step);
        } else {
          const view = received.take(Math.min(step, received.sizeBytes));
          const copy = expected.splice(0, view.length);
          expect([...view]).toEqual(copy);
          taken.push({ view, copy });
        }
        expect([...received.bytes.subarray(received.start, received.end)]).toEqual(expected);
      }
      for (const { view, copy } of taken) expect([...view]).toEqual(copy);
    }),
  );
});

it('uses a chunk that comes alone where it lies, and writes to none', () => {
  const received = new ReceivedBytes(100);
  const [first, second] = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  received.push(first);
  expect(received.bytes).toBe(first);
  received.push(second);
  expect(received.bytes).not.toBe(first);
  expect([...first, ...second]).toEqual([1, 2, 3]);
});

it('doubles up to its bound, and grows beyond it only by what comes', () => {
  const received = new ReceivedBytes(10_000);
  const chunk = new Uint8Array(4000);
  const sizes = Array.from({ length: 4 }, () => {
    received.push(chunk);
    return received.bytes.length;
  });
  expect(sizes).toEqual([4000, 8000, 12_000, 16_000]);
  received.clear();
  expect([received.bytes.length, received.sizeBytes]).toEqual([0, 0]);
});
