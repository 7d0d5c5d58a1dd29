import { chartOption, panelHeight } from './chart-option.ts';
import { initChart } from './charts.ts';
import type { Panel } from './panel.ts';

/** What this script needs of a browser. */
interface Browser {
  readonly document: {
    getElementById(id: string): { readonly textContent: string | null; append(child: unknown): void };
    createElement(tag: string): { readonly style: Record<string, string> };
  };
  matchMedia(query: string): { readonly matches: boolean };
  addEventListener(type: 'resize', listener: () => void): void;
}

/** Draws the panels that stand in the page as JSON. It runs in a browser, as part of the page that `html.ts` makes. */
function drawPage({ document, ...browser }: Browser): void {
  const panels = JSON.parse(document.getElementById('panels').textContent ?? '[]') as readonly Panel[];
  const isDark = browser.matchMedia('(prefers-color-scheme: dark)').matches;
  const theme = isDark ? 'dark' : null;
  const charts = panels.map((panel) => {
    const box = document.createElement('div');
    box.style['height'] = `${panelHeight(panel)}px`;
    document.getElementById('charts').append(box);
    const chart = initChart(box as unknown as Parameters<typeof initChart>[0], theme, { renderer: 'svg' });
    chart.setOption(chartOption(panel, { isDark }));
    return chart;
  });
  browser.addEventListener('resize', () => {
    for (const chart of charts) chart.resize();
  });
}

const { document, matchMedia, addEventListener } = globalThis as unknown as Browser;
drawPage({
  document,
  // Neither works away from the window that it belongs to.
  matchMedia: (query) => matchMedia.call(globalThis, query),
  addEventListener: (type, listener) => addEventListener.call(globalThis, type, listener),
});
