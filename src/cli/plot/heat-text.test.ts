import { expect, it } from 'vitest';
import { plainPaint } from '../terminal.ts';
import { heatPanelText } from './heat-text.ts';

it('a histogram may have more buckets than a call takes arguments', () => {
  const buckets = Array.from({ length: 200_000 }, (_, bucket) => `${bucket}`);
  const columns = [{ startMs: 0, endMs: 1000, counts: buckets.map(() => 1) }];
  const panel = { kind: 'heat', title: 'x', scale: { exponent: 0 }, buckets, columns } as const;
  expect(heatPanelText(panel, { columns: 20, rows: 4 }, plainPaint).length).toBeGreaterThan(buckets.length);
});
