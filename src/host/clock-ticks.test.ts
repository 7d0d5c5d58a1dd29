import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { clockTicksPerSecond, scaleOfTicks } from './clock-ticks.ts';

it('are those that sysconf tells', () => {
  expect(clockTicksPerSecond()).toBe(Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })));
});

it('have a scale where they are a power of ten or two', () => {
  expect(scaleOfTicks(100)).toEqual({ unit: 'seconds', base: 10, exponent: -2 });
  expect(scaleOfTicks(1024)).toEqual({ unit: 'seconds', base: 2, exponent: -10 });
  expect(scaleOfTicks(250)).toBeUndefined();
});
