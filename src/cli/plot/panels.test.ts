import { describe, expect, it } from 'vitest';
import type { StatValue } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { countedBuckets, type HeatPanel, heatCells, type LinePanel, timeSpan } from './panel.ts';
import { linePoints, panelsOf } from './panels.ts';
import type { PlotSeries } from './series.ts';

const COUNT: StatDescriptor = { name: 'exits', type: 'cumulative', exponent: 0 };
const SIZE: StatDescriptor = { name: 'pages', type: 'instant', unit: 'bytes', exponent: 0 };
const HIST: StatDescriptor = { name: 'wait_hist', type: 'log2-histogram', unit: 'seconds', base: 10, exponent: -9 };

/** A value each second, from `fromSecond` on; undefined: none came. */
function series(
  stat: StatDescriptor,
  values: readonly (StatValue | undefined)[],
  about: Partial<PlotSeries> = {},
  fromSecond = 0,
): PlotSeries {
  const points = values.flatMap((value, index) =>
    value === undefined ? [] : [{ atNs: BigInt(fromSecond + index) * 1_000_000_000n, value }],
  );
  return { domain: 'a', provider: 'kvm', target: 'vcpu', path: '/0', stat, points, ...about };
}

const lines = (panel: unknown) =>
  (panel as LinePanel).lines.map(({ label, points }) => [label, points.map(({ value }) => value)]);

describe('a line', () => {
  it('of what only grows is its growth per second, exact also where the counter is beyond 2^53', () => {
    const high = 2n ** 64n - 1000n;
    expect(linePoints(series(COUNT, [high, high + 3n, high + 10n]))).toEqual([
      { atMs: 1000, value: 3 },
      { atMs: 2000, value: 7 },
    ]);
  });

  it('begins anew where a counter did', () => {
    expect(linePoints(series(COUNT, [100n, 5n])).map(({ value }) => value)).toEqual([5]);
  });

  it('of what goes up and down is its values; booleans are 0 and 1', () => {
    expect(linePoints(series(SIZE, [4096n, 0n, true, false])).map(({ value }) => value)).toEqual([4096, 0, 1, 0]);
  });

  it('is interrupted where no value came for long, and not where one is missing', () => {
    const values = [1n, 2n, undefined, 4n, undefined, undefined, undefined, 5n, 6n, 7n];
    expect(linePoints(series(COUNT, values)).map(({ value }) => value)).toEqual([1, 1, undefined, 0.25, 1, 1]);
  });

  it('of one sample is none', () => {
    expect(linePoints(series(COUNT, [1n]))).toEqual([]);
  });
});

describe('panels', () => {
  it('are one for each stat, with a line for each object of one domain', () => {
    const panels = panelsOf([series(COUNT, [0n, 1n]), series(COUNT, [0n, 2n], { path: '/1' }), series(SIZE, [7n, 8n])]);
    expect(panels.map(({ title }) => title)).toEqual(['kvm vcpu exits, growth per second', 'kvm vcpu pages']);
    expect(lines(panels[0])).toEqual([
      ['a /0', [1]],
      ['a /1', [2]],
    ]);
    expect(panels[0]).toMatchObject({ kind: 'lines', suffix: '/s' });
    expect(panels[1]).toMatchObject({ kind: 'lines', suffix: '', scale: { unit: 'bytes' } });
  });

  it('of several domains have a line for each, its objects summed, but nothing is summed that does not only grow', () => {
    const all = [COUNT, SIZE].flatMap((stat) =>
      ['a', 'b'].flatMap((domain) => [0, 1].map((cpu) => series(stat, [0n, 4n], { domain, path: `/${cpu}` }))),
    );
    const [exits, pages] = panelsOf(all);
    expect(lines(exits)).toEqual([
      ['a (sum of 2)', [8]],
      ['b (sum of 2)', [8]],
    ]);
    expect((pages as LinePanel).lines).toHaveLength(4);
    expect((panelsOf(all, 'each')[0] as LinePanel).lines).toHaveLength(4);
    expect((panelsOf(all.slice(0, 2), 'sum')[0] as LinePanel).lines).toHaveLength(1);
  });

  it('sum what is there: an object that came later, or left, counts in its time', () => {
    const [panel] = panelsOf([series(COUNT, [0n, 1n, 2n, 3n, 4n]), series(COUNT, [0n, 10n], { path: '/1' }, 2)], 'sum');
    expect(lines(panel)).toEqual([['a (sum of 2)', [1, 1, 11, 1]]]);
  });

  it('sum nothing where the value of an object is missing: less is no sum', () => {
    const values = [0n, 1n, 2n, undefined, undefined, undefined, 6n, 7n, 8n];
    const [panel] = panelsOf(
      [
        series(
          COUNT,
          Array.from({ length: 9 }, (_, n) => BigInt(n)),
        ),
        series(COUNT, values, { path: '/1' }),
      ],
      'sum',
    );
    const sums = (panel as LinePanel).lines[0]?.points.map(({ value }) => value);
    expect(sums?.slice(0, 2)).toEqual([2, 2]);
    expect(sums?.slice(2, 5).every((sum) => sum === undefined || sum < 2)).toBe(true);
    expect(sums?.at(-1)).toBe(2);
  });

  it('of a histogram have the growth of each bucket, domain by domain', () => {
    const panels = panelsOf([
      series(HIST, [
        [0n, 1n, 0n],
        [0n, 3n, 1n],
      ]),
      series(
        HIST,
        [
          [0n, 0n, 0n],
          [5n, 0n, 0n],
        ],
        { domain: 'b' },
      ),
    ]);
    expect(panels).toHaveLength(2);
    const panel = panels[0] as HeatPanel;
    expect(panel.buckets).toEqual(['[0 s, 1 ns)', '[1 ns, 2 ns)', '[2 ns, ∞)']);
    expect(panel.columns).toEqual([{ startMs: 0, endMs: 1000, counts: [0, 2, 1] }]);
    expect(countedBuckets(panel)).toEqual({ first: 1, last: 2 });
    expect(timeSpan(panel)).toEqual({ startMs: 0, endMs: 1000 });
  });

  it('leave lists out', () => {
    expect(panelsOf([series({ ...SIZE, type: 'instant' }, [[1n, 2n]])])).toEqual([]);
  });
});

describe('the cells of a histogram', () => {
  const panel = (columns: HeatPanel['columns']): HeatPanel => ({
    kind: 'heat',
    title: '',
    scale: { exponent: 0 },
    buckets: ['x'],
    columns,
  });
  const column = (startMs: number, endMs: number, count: number) => ({ startMs, endMs, counts: [count] });

  it('hold what was counted in them: all of short pieces, a share of long ones, nothing where nobody looked', () => {
    const made = panel([column(0, 1, 3), column(1, 2, 4), column(2, 3, 1), column(3, 4, 1), column(6, 10, 8)]);
    expect(heatCells(made, { startMs: 0, endMs: 10 }, 5)).toEqual([[7], [2], undefined, [4], [4]]);
  });
});
