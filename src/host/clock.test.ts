import { afterEach, expect, it, vi } from 'vitest';
import { nowNs } from './clock.ts';

afterEach(() => vi.restoreAllMocks());

it('tells the time of day', () => {
  expect(Math.abs(Number(nowNs() / 1_000_000n) - Date.now())).toBeLessThanOrEqual(20);
});

it('never stands still for long', async () => {
  const first = nowNs();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const passedNs = nowNs() - first;
  expect(passedNs).toBeGreaterThan(3_000_000n);
  expect(passedNs).toBeLessThan(1_000_000_000n);
});

it('follows a system clock that is set', () => {
  const hourMs = 3_600_000;
  const realNow = Date.now.bind(Date);
  vi.spyOn(Date, 'now').mockImplementation(() => realNow() + hourMs);
  expect(Math.abs(Number(nowNs() / 1_000_000n) - (realNow() + hourMs))).toBeLessThanOrEqual(20);
  vi.restoreAllMocks();
  expect(Math.abs(Number(nowNs() / 1_000_000n) - Date.now())).toBeLessThanOrEqual(20);
});
