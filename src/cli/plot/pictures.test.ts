import { describe, expect, it } from 'vitest';
import { displayWidth } from '../render/text.ts';
import { plainPaint } from '../terminal.ts';
import { heatPanelText } from './heat-text.ts';
import { panelsHtml } from './html.ts';
import { linePanelText } from './line-text.ts';
import { screenLines } from './outlet.ts';
import type { HeatPanel, LinePanel } from './panel.ts';
import { panelsSvg } from './svg.ts';

const at = (second: number) => Date.UTC(2026, 10, 25, 22, 0, second);

const LINES: LinePanel = {
  kind: 'lines',
  title: 'kvm vcpu exits, growth per second',
  scale: { exponent: 0 },
  suffix: '/s',
  lines: [
    { label: 'web-1', points: [0, 1, 2, 3, 4].map((second) => ({ atMs: at(second), value: second * 10 })) },
    { label: 'db-1', points: [0, 1, 2, 3, 4].map((second) => ({ atMs: at(second), value: 40 - second * 10 })) },
  ],
};

const HEAT: HeatPanel = {
  kind: 'heat',
  title: 'kvm vcpu halt_wait_hist, web-1',
  scale: { exponent: 0 },
  buckets: ['[0 s, 1 ns)', '[1 ns, 2 ns)', '[2 ns, 4 ns)', '[4 ns, ∞)'],
  columns: [0, 1, 2, 3].map((second) => ({ startMs: at(second), endMs: at(second + 1), counts: [0, 100, second, 0] })),
};

/** What comes from a guest or its command line may be anything. */
const HOSTILE = '</script><script>alert(1)</script>\u001b[2J"&\u202e';

describe('on a terminal', () => {
  it('lines stand between their axes, marked at their end, with numbers below', () => {
    const text = linePanelText(LINES, { columns: 60, rows: 6 }, plainPaint);
    expect(text).toEqual([
      'kvm vcpu exits, growth per second',
      '40/s ┤⠉⠑⠒⠢⠤⢄⣀⡀                                  ⢀⣀⡠⠤⠔⠒⠊⠉ a',
      expect.stringMatching(/^ {5}│ /),
      expect.stringMatching(/^(20\/s ┤| {5}│)/),
      expect.stringMatching(/^(20\/s ┤| {5}│)/),
      expect.stringMatching(/^ {5}│ /),
      expect.stringMatching(/^ 0\/s ┤.* b$/),
      expect.stringMatching(/^ {5}└┴─+┴─+.*┴$/),
      expect.stringMatching(/^ +22:00:00 .* 22:00:04 UTC$/),
      '  a web-1  last 40/s, min 0/s, max 40/s',
      '  b db-1  last 0/s, min 0/s, max 40/s',
    ]);
  });

  it('of many lines the highest are named, and how many there are besides', () => {
    const many = (count: number): LinePanel => ({
      ...LINES,
      lines: Array.from({ length: count }, (_, nth) => ({
        label: `vm-${nth}`,
        points: [0, 1].map((second) => ({ atMs: at(second), value: nth * second })),
      })),
    });
    const legendOf = (panel: LinePanel, maxNamed?: number): readonly string[] =>
      linePanelText(panel, { columns: 60, rows: 6, ...(maxNamed && { maxNamed }) }, plainPaint).slice(9);
    expect(legendOf(many(21)).map((line) => line.slice(2, 4))).toEqual(
      [...'abcdefghijklmnopqrstu'].map((mark) => `${mark} `),
    );
    expect(legendOf(many(22)).at(-1)).toBe('  … and 2 more that reach no higher (--domain chooses)');
    expect(legendOf(many(3), 2)).toHaveLength(3);
    const [highest, ...others] = legendOf(many(200));
    expect(highest).toBe('  a vm-199  last 199/s, min 0/s, max 199/s');
    expect(others).toHaveLength(20);
    expect(others.at(-1)).toBe('  … and 180 more that reach no higher (--domain chooses)');
    expect(legendOf(many(4), 2)[1]).toMatch(/^ {2}b vm-2 /);

    for (const panels of [[many(200)], [many(200), HEAT], [many(3), many(30), many(2)]]) {
      for (const rows of [24, 50]) {
        const lines = screenLines(panels, { columns: 80, rows }, plainPaint);
        expect(lines.length).toBeLessThanOrEqual(rows);
        expect(lines.join('\n').match(/UTC$/gm)?.length).toBeGreaterThan(rows > 24 ? panels.length - 1 : 0);
      }
    }
  });

  it('the times below a short picture are each there once', () => {
    const points = [0, 0.5, 1, 1.5].map((second) => ({ atMs: at(0) + second * 1000, value: second }));
    const text = linePanelText({ ...LINES, lines: [{ label: 'a', points }] }, { columns: 100, rows: 6 }, plainPaint);
    const times = text
      .filter((line) => line.endsWith('UTC'))
      .join()
      .match(/\d\d:\d\d:\S+/g);
    expect(times).toEqual(['22:00:00.0', '22:00:00.5', '22:00:01.0', '22:00:01.5']);
  });

  it('a histogram has its largest bucket on top, the empty ones at its ends left out', () => {
    expect(heatPanelText(HEAT, { columns: 43, rows: 0 }, plainPaint)).toEqual([
      'kvm vcpu halt_wait_hist, web-1',
      expect.stringMatching(/^\[2 ns, 4 ns\) │ +[░▒]+ +6$/),
      expect.stringMatching(/^\[1 ns, 2 ns\) │█+ 400$/),
      expect.stringMatching(/^ +└┴─+$/),
      expect.stringMatching(/^ +22:00:00 UTC$/),
    ]);
  });

  it('says where there is nothing to show', () => {
    expect(linePanelText({ ...LINES, lines: [] }, { columns: 60, rows: 6 }, plainPaint)[1]).toMatch(/two samples/);
    expect(heatPanelText({ ...HEAT, columns: [] }, { columns: 60, rows: 6 }, plainPaint)[1]).toMatch(/two samples/);
    const idle = HEAT.columns.map((column) => ({ ...column, counts: [0, 0, 0, 0] }));
    expect(heatPanelText({ ...HEAT, columns: idle }, { columns: 60, rows: 6 }, plainPaint)[1]).toMatch(/nothing was/);
  });

  it.each([20, 40, 80, 200])('is as wide as there is room: %d', (columns) => {
    for (const text of [
      linePanelText(LINES, { columns, rows: 8 }, plainPaint),
      heatPanelText(HEAT, { columns, rows: 8 }, plainPaint),
    ]) {
      for (const line of text) expect(displayWidth(line)).toBeLessThanOrEqual(Math.max(columns, 45));
    }
  });

  it('names can do nothing to it', () => {
    const lines = [{ label: HOSTILE, points: LINES.lines[0]?.points ?? [] }];
    const text = linePanelText({ ...LINES, title: HOSTILE, lines }, { columns: 200, rows: 4 }, plainPaint).join('\n');
    expect(text).not.toMatch(/[\u001b\u202e]/);
  });
});

describe('as a file', () => {
  it('SVG has every panel and line, and no script', () => {
    const svg = panelsSvg([LINES, { ...HEAT, title: HOSTILE }]);
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" width="960" height="\d+"/);
    for (const text of [LINES.title, 'web-1', 'db-1', '[2 ns, 4 ns)', '40/s']) expect(svg).toContain(text);
    expect(svg).not.toContain('<script');
    expect(svg.endsWith('</svg>\n')).toBe(true);
  });

  it('HTML needs nothing else, and takes no name for a part of itself', () => {
    const html = panelsHtml([{ ...HEAT, title: HOSTILE }], HOSTILE);
    // The page's own two: the panels, and what draws them.
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html.match(/<\/script/g)).toHaveLength(2);
    expect(html).not.toMatch(/\s(src|href)=/);
    const json = /<script type="application\/json" id="panels">(.*?)<\/script>/s.exec(html)?.[1] ?? '';
    expect(JSON.parse(json)[0].title).toBe(HOSTILE);
  });
});
