import { describe, expect, it } from 'vitest';
import { sparkline } from './sparkline.ts';

describe('a sparkline', () => {
  it('is as high as its highest value', () => {
    expect(sparkline([0, 50, 100])).toBe('▁▅█');
    expect(sparkline([0, 0])).toBe('▁▁');
    expect(sparkline([])).toBe('');
  });

  it('has a gap where there was no value', () => {
    expect(sparkline([1, undefined, 1])).toBe('█ █');
    expect(sparkline([undefined, 0])).toBe(' ▁');
  });
});
