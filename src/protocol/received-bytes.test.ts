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

it('doubles up to its bound, and again where more waits than a message may have', () => {
  const received = new ReceivedBytes(10_000);
  const sizes = [4000, 4000, 2000, 1, 1, 10_000, 1].map((sizeBytes) => {
    received.push(new Uint8Array(sizeBytes));
    return received.bytes.length;
  });
  expect(sizes).toEqual([4000, 8000, 10_001, 10_001, 20_002, 20_002, 40_004]);
  received.clear();
  expect([received.bytes.length, received.sizeBytes]).toEqual([0, 0]);
});

it.each([100, 10_000, 1_000_000])('copies in proportion to what comes byte by byte, with a bound of %d', (maxBytes) => {
  const received = new ReceivedBytes(maxBytes);
  const memories = new Set<Uint8Array>();
  for (let count = 0; count < 100_000; count++) {
    received.push(Uint8Array.of(1));
    memories.add(received.bytes);
  }
  expect(received.sizeBytes).toBe(100_000);
  // From 4 KiB on it doubles: one for the first byte, six for the rest, and one that ends at the bound.
  expect(memories.size).toBeLessThanOrEqual(8);
});
