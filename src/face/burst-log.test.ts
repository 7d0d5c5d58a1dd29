import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { BurstLog } from './burst-log.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('tells at once, then how often in each interval, and afterwards at once again', () => {
  const told: unknown[] = [];
  const log = new BurstLog(1000);
  const note = (key: string): void => log.note(key, (facts) => told.push([key, facts['count']]));
  for (let times = 0; times < 5; times++) note('a');
  note('b');
  expect(told.splice(0)).toEqual([
    ['a', 1],
    ['b', 1],
  ]);
  vi.advanceTimersByTime(1000);
  expect(told.splice(0)).toEqual([['a', 4]]);
  note('a');
  vi.advanceTimersByTime(5000);
  expect(told.splice(0)).toEqual([['a', 1]]);
  note('a');
  expect(told.splice(0)).toEqual([['a', 1]]);
  note('a');
  log.close();
  expect(told).toEqual([['a', 1]]);
  expect(vi.getTimerCount()).toBe(0);
});

it('remembers a bounded number of things', () => {
  let told = 0;
  const log = new BurstLog(1000);
  for (let key = 0; key < 5000; key++) log.note(String(key), () => told++);
  expect([told, vi.getTimerCount()]).toEqual([1000, 1000]);
  log.close();
});
