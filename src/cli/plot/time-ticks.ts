import type { TimeSpan } from './panel.ts';

/** A moment that an axis of time names. */
export interface TimeTick {
  readonly atMs: number;
  readonly text: string;
}

const [SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS] = [1000, 60_000, 3_600_000, 86_400_000];

/** From one moment to the next, in milliseconds: what people count in. */
const STEPS_MS: readonly number[] = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND_MS),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_MS),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_MS),
  ...[1, 2, 7, 14, 30, 60, 90, 180, 365].map((days) => days * DAY_MS),
];

/**
 * The round moments of a span that an axis has room for, ascending: `room` in characters, `gap` of them between two at least. A span
 * without a round moment has its beginning named. UTC, as short as the steps allow: `22:01`, `22:01:03`, `2026-11-25 22:01`.
 */
export function timeTicks({ startMs, endMs }: TimeSpan, room: number, gap: number): readonly TimeTick[] {
  const withDay = spansDays(startMs, endMs);
  for (const stepMs of STEPS_MS) {
    const width = tickText(startMs, stepMs, withDay).length + gap;
    const first = Math.ceil(startMs / stepMs) * stepMs;
    const count = Math.floor((endMs - first) / stepMs) + 1;
    // A step must have room, and so must all texts together, those at the ends too.
    if (Math.max((endMs - startMs) / stepMs, count) * width > room) continue;
    if (count < 1 || startMs === endMs) break;
    return Array.from({ length: count }, (_, index) => first + index * stepMs).map((atMs) => ({
      atMs,
      text: tickText(atMs, stepMs, withDay),
    }));
  }
  return [{ atMs: startMs, text: timeText(startMs, withDay) }];
}

function tickText(atMs: number, stepMs: number, withDay: boolean): string {
  const text = new Date(atMs).toISOString();
  const day = text.slice(0, 10);
  if (stepMs >= DAY_MS) return day;
  const time = text.slice(11, endOfTime(stepMs));
  return withDay ? `${day} ${time}` : time;
}

/** Where the time ends in `2026-11-25T22:01:03.000Z`, by what changes from step to step. */
function endOfTime(stepMs: number): number {
  if (stepMs >= MINUTE_MS) return 16;
  if (stepMs >= SECOND_MS) return 19;
  return stepMs % 100 === 0 ? 21 : stepMs % 10 === 0 ? 22 : 23;
}

/** `22:01:03`, with the day before it where the plot shows several; UTC. */
export function timeText(atMs: number, withDay: boolean): string {
  return tickText(atMs, SECOND_MS, withDay);
}

/** Whether two moments are on different days, UTC. */
export function spansDays(startMs: number, endMs: number): boolean {
  return new Date(startMs).toISOString().slice(0, 10) !== new Date(endMs).toISOString().slice(0, 10);
}
