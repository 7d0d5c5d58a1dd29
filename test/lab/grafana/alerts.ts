import { stringify } from 'yaml';
import { own, stat } from './series.ts';

/** One alert of Prometheus's, as its rule files have them. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: 'warning' | 'critical' };
  readonly annotations: { readonly summary: string; readonly description: string };
}

const HEAD = `# Written by \`npm run grafana\`: alert rules for Prometheus, for what virtstatd shows by default.
# Thresholds are meant to be changed: in a copy.
`;

const available = stat('balloon/vm/stat-available-memory');
const size = stat('balloon/vm/balloon-size');
const reportAge = stat('balloon/vm/last-update-age');
const failed = ['rd', 'wr', 'flush'].map((operation) => stat(`block/block/failed_${operation}_operations`));

function warning(alert: string, expr: string, wait: string | undefined, summary: string, description: string): Alert {
  return {
    alert,
    expr,
    ...(wait !== undefined && { for: wait }),
    labels: { severity: 'warning' },
    annotations: { summary, description },
  };
}

/** All of them. */
export const ALERTS: readonly Alert[] = [
  warning(
    'VirtstatDomainStale',
    `${own('virtstat_domain_stale_seconds')} > 300`,
    undefined,
    'No fresh values of {{ $labels.domain }}',
    `{{ $labels.domain }} was last read completely {{ $value | humanizeDuration }} ago; ${own('virtstat_domain_error_info')} says why.`,
  ),
  {
    alert: 'VirtstatScrapeFailing',
    // Whichever job it is: one that had virtstatd behind it within a day.
    expr: `up == 0 and on (job, instance) present_over_time(${own('virtstat_build_info')}[1d])`,
    for: '5m',
    labels: { severity: 'critical' },
    annotations: {
      summary: 'virtstatd on {{ $labels.instance }} cannot be scraped',
      description: 'Prometheus has had no answer for 5 minutes; the page of its targets says why.',
    },
  },
  warning(
    'VirtstatAbsent',
    `absent(${own('virtstat_build_info')}) and absent(${own('virtstat_domain_info')})`,
    '10m',
    'No virtstatd is scraped, and none pushes',
    'There are no metrics of virtstat at all.',
  ),
  warning(
    'VirtstatSeriesDropped',
    `${own('virtstat_scrape_series_dropped')}{reason="budget"} > 0`,
    '15m',
    'virtstatd on {{ $labels.instance }} leaves out series',
    '{{ $value }} series are more than metrics.max-series allows: raise it, or deny families.',
  ),
  warning(
    'VirtstatGuestMemoryLow',
    `${available} / ${size} < 0.05 and ${reportAge} < 300`,
    '10m',
    'Little memory is left in {{ $labels.domain }}',
    'The guest reports that {{ $value | humanizePercentage }} of its memory is available.',
  ),
  warning(
    'VirtstatRunQueueDelay',
    `rate(${stat('process/vcpu/run_delay')}[5m]) / ${stat('state/vm/vcpu_current')} > 0.1`,
    '15m',
    'The vCPUs of {{ $labels.domain }} wait for processors',
    'Each vCPU waits {{ $value | humanizePercentage }} of the time for a processor of the host, on average.',
  ),
  warning(
    'VirtstatDiskErrors',
    `${failed.map((name) => `increase(${name}[10m])`).join(' + ')} > 0`,
    undefined,
    'The disk {{ $labels.block }} of {{ $labels.domain }} fails',
    'Some {{ $value | humanize }} operations failed within 10 minutes.',
  ),
  warning(
    'VirtstatPushQueueGrows',
    `deriv(${own('virtstat_export_queue_bytes')}[15m]) > 0 and ${own('virtstat_export_failing')} == 1`,
    '15m',
    'The queue of the push {{ $labels.push }} grows',
    'Nothing gets through, and {{ $value | humanize1024 }}B a second more wait to be sent.',
  ),
  warning(
    'VirtstatPushDrops',
    `increase(${own('virtstat_export_dropped_total')}[15m]) > 0`,
    undefined,
    'The push {{ $labels.push }} loses samples',
    '{{ $value | humanize }} samples were given up within 15 minutes: {{ $labels.reason }}.',
  ),
];

/** The rule file. */
export function alertsText(): string {
  return `${HEAD}${stringify({ groups: [{ name: 'virtstat', rules: ALERTS }] }, { lineWidth: 0 })}`;
}
