/** How much of a scraper's own limit goes into waiting for VMs; the rest is for writing, and for the way. */
const SHARE = 0.75;

/** The longest that a scrape waits, whatever a scraper grants, in milliseconds: connections stall no longer than a minute. */
const MAX_PATIENCE_MS = 50_000;

/** How long a scrape waits where nobody says, in milliseconds: three quarters of Prometheus's standard limit. */
export const DEFAULT_PATIENCE_MS = 7500;

/** How long to wait for VMs, in milliseconds, by `X-Prometheus-Scrape-Timeout-Seconds`. */
export function patienceMs(header: string | undefined): number {
  const seconds = Number(header ?? Number.NaN);
  if (!(seconds > 0)) return DEFAULT_PATIENCE_MS;
  return Math.max(1, Math.min(MAX_PATIENCE_MS, Math.floor(seconds * 1000 * SHARE)));
}
