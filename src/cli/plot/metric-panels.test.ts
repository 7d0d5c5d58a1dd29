import { expect, it } from 'vitest';
import { heatPanel } from './metric-panels.ts';

const RANGE = { startMs: 0, endMs: 10_000, stepMs: 1000 };

/** A bucket with a value at each of so many times, from one on. */
function bucket(le: string, firstMs: number, times: number) {
  return {
    labels: { le },
    points: Array.from({ length: times }, (_, time) => ({ atMs: firstMs + time, value: 1 })),
  };
}

it('a histogram of a server has as many times as were asked for, and a server that gives more is refused', () => {
  expect(heatPanel('x', 'x_bucket', [bucket('1', 0, 13), bucket('2', 0, 13)], RANGE).columns).toHaveLength(13);
  // Ten thousand buckets, each with times of its own, would take gigabytes.
  expect(() => heatPanel('x', 'x_bucket', [bucket('1', 0, 7), bucket('2', 7, 7)], RANGE)).toThrow(
    expect.objectContaining({ code: 'JSON_INVALID' }),
  );
});
