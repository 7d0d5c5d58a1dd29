import { describe, expect, it } from 'vitest';
import { parseDuration, parseSize } from './amounts.ts';

describe('amounts', () => {
  it('reads durations', () => {
    expect(['500ms', '2.5s', '10m', '12h', '7d'].map(parseDuration)).toEqual([
      500, 2500, 600_000, 43_200_000, 604_800_000,
    ]);
    expect(['', '1', 's', '-1s', '1 s', '1S', '1w', '1.2345s', '1e3s'].map(parseDuration)).toEqual(
      Array(9).fill(undefined),
    );
  });

  it('reads sizes', () => {
    expect(['10B', '1kB', '500MB', '1.5GiB', '2TiB'].map(parseSize)).toEqual([
      10, 1000, 500_000_000, 1_610_612_736, 2_199_023_255_552,
    ]);
    expect(['', '10', '1K', '1G', '1gb', '1 GB', '-1GB'].map(parseSize)).toEqual(Array(7).fill(undefined));
  });
});
