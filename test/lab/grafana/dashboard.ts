import { labelName } from '../../../src/protocol/openmetrics/names.ts';
import { DATASOURCE, type Json, type Panel, placed, type Query, table, timeSeries } from './panels.ts';
import { kvmCounters, own, stat } from './series.ts';

const OF_INSTANCE = 'instance=~"$instance"';
const OF_DOMAIN = `${OF_INSTANCE}, domain=~"$domain"`;
const DISK = labelName('block');
const NIC = labelName('interface');

/** Run states as provider `state` numbers them, which are libvirt's. */
const STATES: ReadonlyMap<number, string> = new Map([
  [0, 'no state'],
  [1, 'running'],
  [2, 'blocked'],
  [3, 'paused'],
  [4, 'in shutdown'],
  [5, 'shut off'],
  [6, 'crashed'],
  [7, 'suspended by the guest'],
]);

const now = (name: string): string => `${name}{${OF_DOMAIN}}`;
const rate = (name: string): string => `rate(${name}{${OF_DOMAIN}}[$__rate_interval])`;
const perDomain = (expr: string): string => `max by (instance, domain) (${expr})`;

/** One line for each domain, disk or NIC. */
const line = (expr: string, ...words: readonly string[]): Query => ({
  expr,
  legend: ['{{domain}}', ...words].join(' '),
});
const ofDisk = (expr: string, word: string): Query => line(expr, `{{${DISK}}}`, word);
const ofNic = (expr: string, word: string): Query => line(expr, `{{${NIC}}}`, word);

const block = (name: string): string => stat(`block/block/${name}`);
const nic = (name: string): string => stat(`interface/interface/${name}`);

/** How long an operation took, on average, where there were any. */
const latency = (operation: string): string =>
  `${rate(block(`${operation}_total_time_ns`))} / (${rate(block(`${operation}_operations`))} > 0)`;

const OVERVIEW: readonly Panel[] = [
  table(
    {
      title: 'Domains',
      description: 'Every VM that was found, and how it is now',
      queries: [
        now(stat('state/vm/state')),
        now(stat('state/vm/vcpu_current')),
        rate(stat('process/vm/cpu_time')),
        now(stat('state/vm/memory_current')),
        now(stat('process/vm/rss')),
        now(own('virtstat_domain_stale_seconds')),
      ].map((expr) => ({ expr: perDomain(expr) })),
    },
    [
      { title: 'state', words: STATES },
      { title: 'vCPUs' },
      { title: 'CPUs used' },
      { title: 'memory', unit: 'bytes' },
      { title: 'memory of the host', unit: 'bytes' },
      { title: 'stale', unit: 's' },
    ],
  ),
];

const CPU: readonly Panel[] = [
  timeSeries({
    title: 'CPU',
    description: 'Processors of the host that the process of a VM keeps busy, on average; 1 is one processor',
    queries: [line(rate(stat('process/vm/cpu_time')))],
  }),
  timeSeries({
    title: 'Run-queue delay',
    description: 'Part of the time that each vCPU waits for a processor of the host, on average',
    queries: [line(`${rate(stat('process/vcpu/run_delay'))} / ${now(stat('state/vm/vcpu_current'))}`)],
    unit: 'percentunit',
  }),
];

const KVM: readonly Panel[] = [
  table(
    {
      title: 'All counters of KVM',
      description: 'What each has counted, over the chosen VMs',
      queries: [{ expr: `sum by (__name__) ({__name__=~"${kvmCounters()}", ${OF_DOMAIN}})` }],
    },
    [{ title: 'value' }],
  ),
  // Alone in its line, for the copies to have room.
  timeSeries(
    {
      title: '$stat',
      description: 'Growth of a counter of KVM each second, over all vCPUs; choose others above',
      queries: [line(`rate($stat{${OF_DOMAIN}}[$__rate_interval])`)],
      width: 24,
    },
    { repeat: 'stat', repeatDirection: 'h', maxPerRow: 2 },
  ),
];

const MEMORY: readonly Panel[] = [
  timeSeries({
    title: 'Memory of the guest',
    description: 'What the guest reports, where its balloon driver is polled; and the size that the balloon leaves it',
    queries: [
      line(now(stat('balloon/vm/stat-available-memory')), 'available'),
      line(now(stat('balloon/vm/stat-free-memory')), 'free'),
      line(now(stat('balloon/vm/balloon-size')), 'size'),
    ],
    unit: 'bytes',
  }),
  timeSeries({
    title: 'Memory of the host',
    description: 'What the process of a VM has in memory',
    queries: [line(now(stat('process/vm/rss')))],
    unit: 'bytes',
  }),
];

const DISKS: readonly Panel[] = [
  timeSeries({
    title: 'Disk throughput',
    description: 'Bytes each second',
    queries: [ofDisk(rate(block('rd_bytes')), 'read'), ofDisk(rate(block('wr_bytes')), 'written')],
    unit: 'Bps',
  }),
  timeSeries({
    title: 'Disk operations',
    description: 'Operations each second',
    queries: [ofDisk(rate(block('rd_operations')), 'reads'), ofDisk(rate(block('wr_operations')), 'writes')],
    unit: 'iops',
  }),
  timeSeries({
    title: 'Disk latency',
    description: 'How long an operation took, on average; nothing where there was none',
    queries: [ofDisk(latency('rd'), 'read'), ofDisk(latency('wr'), 'write')],
    unit: 's',
  }),
  timeSeries({
    title: 'Disk errors',
    description: 'Operations each second that failed',
    queries: [
      ofDisk(rate(block('failed_rd_operations')), 'reads'),
      ofDisk(rate(block('failed_wr_operations')), 'writes'),
      ofDisk(rate(block('failed_flush_operations')), 'flushes'),
    ],
    unit: 'iops',
  }),
];

const NETWORK: readonly Panel[] = [
  timeSeries({
    title: 'Network throughput',
    description: 'Bytes each second, as the guest sees them',
    queries: [ofNic(rate(nic('rx_bytes')), 'received'), ofNic(rate(nic('tx_bytes')), 'sent')],
    unit: 'Bps',
  }),
  timeSeries({
    title: 'Network packets',
    description: 'Packets each second, and those that were dropped',
    queries: [
      ofNic(rate(nic('rx_packets')), 'received'),
      ofNic(rate(nic('tx_packets')), 'sent'),
      ofNic(rate(nic('rx_dropped')), 'received, dropped'),
      ofNic(rate(nic('tx_dropped')), 'sent, dropped'),
    ],
    unit: 'pps',
  }),
];

const ITSELF: readonly Panel[] = [
  timeSeries({
    title: 'Staleness',
    description: 'Age of the oldest values that could not be read anew; 0 where all are fresh',
    queries: [line(now(own('virtstat_domain_stale_seconds')))],
    unit: 's',
  }),
  timeSeries({
    title: 'Duration of scrapes',
    description: 'How long asking the VMs took',
    queries: [
      { expr: `${own('virtstat_scrape_duration_seconds')}{${OF_INSTANCE}}`, legend: '{{instance}} {{profile}}' },
    ],
    unit: 's',
  }),
  timeSeries({
    title: 'Series',
    description: 'Series of VMs in a scrape, and those that were left out',
    queries: [
      { expr: `${own('virtstat_scrape_series')}{${OF_INSTANCE}}`, legend: '{{instance}} shown' },
      { expr: `${own('virtstat_scrape_series_dropped')}{${OF_INSTANCE}}`, legend: '{{instance}} dropped: {{reason}}' },
    ],
  }),
  timeSeries({
    title: 'Pushes',
    description: 'Size of what waits to be sent, where there are pushes by remote write',
    queries: [{ expr: `${own('virtstat_export_queue_bytes')}{${OF_INSTANCE}}`, legend: '{{instance}} {{push}}' }],
    unit: 'bytes',
  }),
  table(
    {
      title: 'Errors',
      description: 'What cannot be read of a VM now, and why; a source that cannot be searched stands there by its URI',
      queries: [
        { expr: `max by (instance, domain, code, reason) (${own('virtstat_domain_error_info')}{${OF_INSTANCE}})` },
      ],
    },
    [{ title: 'value' }],
  ),
];

const DOMAINS = own('virtstat_domain_info');

/** A variable whose values a query finds. */
function variable(name: string, query: string, more: { readonly [key: string]: Json }): Json {
  return {
    name,
    type: 'query',
    datasource: DATASOURCE,
    definition: query,
    query: { query, refId: 'PrometheusVariableQueryEditor-VariableQuery' },
    multi: true,
    refresh: 2,
    sort: 1,
    ...more,
  };
}

const ALL = {
  includeAll: true,
  // Also what was pushed without such a label.
  allValue: '.*',
  current: { selected: true, text: ['All'], value: ['$__all'] },
} as const;

const VARIABLES: readonly Json[] = [
  { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'data source' },
  variable('instance', `label_values(${DOMAINS}, instance)`, ALL),
  variable('domain', `label_values(${DOMAINS}{${OF_INSTANCE}}, domain)`, ALL),
  variable('stat', `label_values({__name__=~"${kvmCounters()}", ${OF_INSTANCE}}, __name__)`, {
    label: 'counter of KVM',
  }),
];

/** The dashboard's file. */
export function dashboardText(): string {
  const dashboard: Json = {
    uid: 'virtstat',
    title: 'Virtual machines (virtstat)',
    description: 'Every VM of the hosts that virtstatd serves, from its default profile. Written by `npm run grafana`.',
    tags: ['kvm', 'virtstat'],
    schemaVersion: 38,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: { list: VARIABLES },
    panels: placed([
      ['Domains', OVERVIEW],
      ['CPU', CPU],
      ['KVM', KVM],
      ['Memory', MEMORY],
      ['Disks', DISKS],
      ['Network', NETWORK],
      ['virtstat', ITSELF],
    ]),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}
