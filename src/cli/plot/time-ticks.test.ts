import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { spansDays, timeText, timeTicks } from './time-ticks.ts';

const START_MS = Date.UTC(2026, 10, 25, 22, 1, 3);
const DAY_MS = 86_400_000;

const texts = (seconds: number, room = 80): readonly string[] =>
  timeTicks({ startMs: START_MS, endMs: START_MS + seconds * 1000 }, room, 4).map(({ text }) => text);

describe('times of an axis', () => {
  it.each([
    [0.2, ['22:01:03.00', '22:01:03.05', '22:01:03.10', '22:01:03.15', '22:01:03.20']],
    [5, ['22:01:03', '22:01:04', '22:01:05', '22:01:06', '22:01:07', '22:01:08']],
    [60, ['22:01:10', '22:01:20', '22:01:30', '22:01:40', '22:01:50', '22:02:00']],
    [600, ['22:02', '22:04', '22:06', '22:08', '22:10']],
    [3 * 86400, ['2026-11-26', '2026-11-27', '2026-11-28']],
    [0, ['22:01:03']],
  ])('over %d seconds are round, and as short as they can be', (seconds, expected) => {
    expect(texts(seconds)).toEqual(expected);
  });

  it('have the day where there are several', () => {
    expect(texts(4 * 3600)).toEqual(['2026-11-25 23:00', '2026-11-26 00:00', '2026-11-26 01:00', '2026-11-26 02:00']);
    expect([spansDays(START_MS, START_MS + DAY_MS), spansDays(START_MS, START_MS + 1000)]).toEqual([true, false]);
    expect(timeText(START_MS, true)).toBe('2026-11-25 22:01:03');
  });

  it('have room, and lie within their span, whatever it is', () => {
    const spans = fc.tuple(fc.integer({ min: 0, max: 1e12 }), fc.double({ min: 0, max: 1e12, noNaN: true }));
    fc.assert(
      fc.property(spans, fc.integer({ min: 1, max: 300 }), ([startMs, lastsMs], room) => {
        const ticks = timeTicks({ startMs, endMs: startMs + lastsMs }, room, 4);
        expect(ticks.length).toBeGreaterThan(0);
        const used = ticks.reduce((sum, { text }) => sum + text.length + 4, 0);
        expect(ticks.length === 1 || used <= room).toBe(true);
        for (const { atMs } of ticks) {
          expect(atMs).toBeGreaterThanOrEqual(startMs);
          expect(atMs).toBeLessThanOrEqual(startMs + lastsMs);
        }
        expect(new Set(ticks.map(({ text }) => text)).size).toBe(ticks.length);
      }),
    );
  });
});
