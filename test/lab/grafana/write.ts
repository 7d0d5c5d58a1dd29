// `npm run grafana`: writes the dashboard and the alert rules in grafana/ anew, from the rule that names metrics.
import { writeFileSync } from 'node:fs';
import { alertsText } from './alerts.ts';
import { dashboardText } from './dashboard.ts';

/** The files, with the text that they are to have. */
export function grafanaFiles(): ReadonlyMap<URL, string> {
  const folder = new URL('../../../grafana/', import.meta.url);
  return new Map([
    [new URL('virtstat-dashboard.json', folder), dashboardText()],
    [new URL('virtstat-alerts.yml', folder), alertsText()],
  ]);
}

if (import.meta.main) for (const [file, text] of grafanaFiles()) writeFileSync(file, text);
