import { describe, expect, it } from 'vitest';
import { joinWatchInterval, parseIndex, parseInterval, parseMilliseconds, parsePolling } from './arguments.ts';

describe('--watch', () => {
  it.each([
    ['query vm --watch', 'query vm --watch=1'],
    ['query --watch vm', 'query --watch=1 vm'],
    ['query vm --watch 2', 'query vm --watch=2'],
    ['query --watch 0.5 vm', 'query --watch=0.5 vm'],
    ['query vm --watch=5', 'query vm --watch=5'],
    ['query vm --watch --json', 'query vm --watch=1 --json'],
    ['query -- --watch 2', 'query -- --watch 2'],
    ['query --watch -- 2', 'query --watch=1 -- 2'],
  ])('%s is %s', (typed, joined) => {
    expect(joinWatchInterval(typed.split(' '))).toEqual(joined.split(' '));
  });
});

describe('numbers', () => {
  it('of milliseconds are bounded on both sides', () => {
    expect(parseMilliseconds('1')).toBe(1);
    expect(parseMilliseconds('2147483647')).toBe(2147483647);
    for (const text of ['0', '2147483648', '-1', '1.5', '', '1e3', 'x'])
      expect(() => parseMilliseconds(text)).toThrow();
  });

  it('of seconds may have a fraction', () => {
    expect(parseInterval('0.01')).toBe(10);
    expect(parseInterval('.5')).toBe(500);
    expect(parseInterval('2147483.647')).toBe(2147483647);
    for (const text of ['0', '0.009', '2147484', '-1', '', '.', '1e3', 'x'])
      expect(() => parseInterval(text)).toThrow();
  });

  it('of polling are whole seconds, up to a day', () => {
    expect([parsePolling('1'), parsePolling('86400')]).toEqual([1, 86400]);
    for (const text of ['0', '86401', '-1', '1.5', '', '1s', '4294967296']) expect(() => parsePolling(text)).toThrow();
  });

  it('of vCPUs count from zero', () => {
    expect(parseIndex('0')).toBe(0);
    for (const text of ['-1', '', '1.0', '1000000000']) expect(() => parseIndex(text)).toThrow();
  });
});
