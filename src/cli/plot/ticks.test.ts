import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { humanize } from '../../model/scale.ts';
import { valueAxis } from './ticks.ts';

const BYTES = { unit: 'bytes', exponent: 0 } as const;
const NS = { unit: 'seconds', base: 10, exponent: -9 } as const;

/** From what a clock can tell to what a counter can hold, or nothing at all. */
const sizes = fc.double({ min: 0, max: 1e18, noNaN: true }).map((size) => (size < 1e-12 ? 0 : size));

describe('an axis of values', () => {
  it.each([
    [0, 97, { exponent: 0 }, ['0', '20', '40', '60', '80', '100']],
    [0, 3.9e6, NS, ['0 s', '1 ms', '2 ms', '3 ms', '4 ms']],
    [0, 900 * 2 ** 20, BYTES, ['0 B', '256 MiB', '512 MiB', '768 MiB', '1 GiB']],
    [5, 5, { exponent: 0 }, ['0', '1', '2', '3', '4', '5']],
    [0, 0, { exponent: 0 }, ['0', '0.2', '0.4', '0.6', '0.8', '1']],
  ] as const)('from %d to %d has round steps', (min, max, scale, texts) => {
    expect(valueAxis(min, max, 5, scale).ticks.map((tick) => humanize(tick, scale))).toEqual(texts);
  });

  it('between yes and no has these alone', () => {
    const scale = { unit: 'boolean', exponent: 0 };
    for (const max of [0, 1]) expect(valueAxis(0, max, 5, scale)).toEqual({ min: 0, max: 1, ticks: [0, 1] });
    // How often it changes may be more.
    expect(valueAxis(0, 2, 2, scale).ticks).toEqual([0, 1, 2]);
  });

  it('holds every value, with about as many steps as were asked for', () => {
    fc.assert(
      fc.property(
        sizes.map((size) => -size),
        sizes,
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom({ exponent: 0 }, BYTES, NS),
        (min, max, count, scale) => {
          const axis = valueAxis(min, max, count, scale);
          expect(axis.min).toBeLessThanOrEqual(Math.min(0, min));
          // A hair beyond the end is at the end.
          expect(axis.max).toBeGreaterThanOrEqual(max - (axis.max - axis.min) * 1e-6);
          expect(axis.ticks.length).toBeGreaterThan(1);
          expect(axis.ticks.length).toBeLessThanOrEqual(count + 3);
        },
      ),
    );
  });
});
