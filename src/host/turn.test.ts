import { afterEach, expect, it, vi } from 'vitest';
import { nextTurnMs } from './turn.ts';

afterEach(() => void vi.restoreAllMocks());

it.each([
  ['in time', 1000, 1100],
  ['at the very moment of the next', 1100, 1100],
  ['a moment later', 1101, 1200],
  ['after several', 1450, 1500],
])('is the next one that is not over: done %s', (_, nowMs, next) => {
  vi.spyOn(performance, 'now').mockReturnValue(nowMs);
  expect(nextTurnMs(1000, 100)).toBe(next);
});
