import { packageText } from '../package-file.ts';
import type { Panel } from './panel.ts';

/** The script that draws the panels, which the build makes of `page.ts`. */
const PAGE_SCRIPT = 'dist/cli/plot-page.js';

/**
 * The panels as one HTML document that needs nothing else, to be looked at and sent on: one can zoom in on nothing, but every value
 * shows its number. `title` stands in the window's frame.
 */
export function panelsHtml(panels: readonly Panel[], title: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>
:root { color-scheme: light dark; }
body { margin: 16px; font-family: system-ui, sans-serif; }
#charts { max-width: 1200px; margin: auto; }
</style>
</head>
<body>
<div id="charts"></div>
<script type="application/json" id="panels">${embedded(panels)}</script>
<script>${packageText(PAGE_SCRIPT)}</script>
</body>
</html>
`;
}

/** JSON that ends no element, whatever a domain is called. */
function embedded(panels: readonly Panel[]): string {
  return JSON.stringify(panels).replaceAll('<', '\\u003c');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
