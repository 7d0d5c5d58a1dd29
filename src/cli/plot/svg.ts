import { chartOption, panelHeight } from './chart-option.ts';
import { initChart } from './charts.ts';
import type { Panel } from './panel.ts';

/** Width of a picture, in pixels. */
const WIDTH = 960;

/** The panels as one SVG document, one below the other: no script, nothing that is loaded from elsewhere. */
export function panelsSvg(panels: readonly Panel[]): string {
  let top = 0;
  const pictures = panels.map((panel) => {
    const height = panelHeight(panel);
    const picture = `<g transform="translate(0 ${top})">${panelSvg(panel, height)}</g>`;
    top += height;
    return picture;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}">` +
    `<rect width="100%" height="100%" fill="#fff"/>${pictures.join('')}</svg>\n`
  );
}

function panelSvg(panel: Panel, height: number): string {
  const chart = initChart(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  try {
    chart.setOption(chartOption(panel, { isDark: false }));
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}
