import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { pushFamilies } from '../src/export/own-families.ts';
import { daemonFamilies, scrapeFamilies } from '../src/face/http/scrape-families.ts';
import { CURATED } from '../src/metrics/profile.ts';
import { StatView } from '../src/metrics/view.ts';
import type { MetricFamily } from '../src/protocol/openmetrics/family.ts';
import { seriesName } from '../src/protocol/openmetrics/writer.ts';
import { Registry } from '../src/registry/registry.ts';
import { LocalSource } from '../src/source/local/local-source.ts';
import { ALERTS, alertsText } from './lab/grafana/alerts.ts';
import { dashboardText } from './lab/grafana/dashboard.ts';
import { kvmCounters, stat } from './lab/grafana/series.ts';
import { grafanaFiles } from './lab/grafana/write.ts';
import { devices } from './lab/measured-vm.ts';
import { startQemu, whyNoVm } from './lab/qemu.ts';

const PROMTOOL = '/usr/bin/promtool';
const noPromtool = existsSync(PROMTOOL) ? undefined : `${PROMTOOL} is missing`;

/** Every query of the dashboard's panels. */
const QUERIES: readonly string[] = (
  JSON.parse(dashboardText()) as { panels: readonly { targets?: readonly { expr: string }[] }[] }
).panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

/** Names that stand in queries where series are chosen. */
function namesIn(expr: string): readonly string[] {
  const bare = expr.replaceAll(/"[^"]*"/g, '""');
  return bare.match(/(?<!\$)\b(virtstat|kvm|process)_\w+/g) ?? [];
}

/** Labels of each point of a family, as text. */
function labelsOf(families: readonly MetricFamily[], name: string): readonly string[] {
  const family = families.find((each) => seriesName(each) === name);
  return [...(family?.points ?? [])].map(({ labels }) => labels.text);
}

/** As Grafana gives a query to Prometheus. */
function filledIn(expr: string): string {
  return expr.replaceAll('$__rate_interval', '1m').replaceAll('$stat', 'up').replaceAll(/\$\w+/g, '.*');
}

/** Series of an hour, one value a minute, in promtool's notation. */
type Values = Readonly<Record<string, string>>;

const ALERTS_TEXT = alertsText();
const WEB = '{job="virtstat", instance="a", domain="web"}';
const DISK = '{job="virtstat", instance="a", domain="web", block="disk0"}';
const TARGET = '{job="virtstat", instance="a"}';
const BUDGET = '{job="virtstat", instance="a", reason="budget"}';
const PUSH = '{job="virtstat", instance="a", push="metrics", protocol="remote-write"}';
const DROPPED = '{job="virtstat", instance="a", push="metrics", protocol="remote-write", reason="full"}';

/** Memory of a guest of 1000 bytes. */
const memory = (availableBytes: number, ageSeconds: number): Values => ({
  [`${stat('balloon/vm/stat-available-memory')}${WEB}`]: `${availableBytes}x60`,
  [`${stat('balloon/vm/balloon-size')}${WEB}`]: '1000x60',
  [`${stat('balloon/vm/last-update-age')}${WEB}`]: `${ageSeconds}x60`,
});

/** Seconds that two vCPUs wait in each minute. */
const delay = (seconds: number): Values => ({
  [`${stat('process/vcpu/run_delay')}${WEB}`]: `0+${seconds}x60`,
  [`${stat('state/vm/vcpu_current')}${WEB}`]: '2x60',
});

const errors = (flushes: string): Values => ({
  [`${stat('block/block/failed_rd_operations')}${DISK}`]: '7x60',
  [`${stat('block/block/failed_wr_operations')}${DISK}`]: '0x60',
  [`${stat('block/block/failed_flush_operations')}${DISK}`]: flushes,
});

const queue = (bytes: string, failing: 0 | 1): Values => ({
  [`virtstat_export_queue_bytes${PUSH}`]: bytes,
  [`virtstat_export_failing${PUSH}`]: `${failing}x60`,
});

/** What lets each alert fire, and what must not. */
const CASES: readonly (readonly [alert: string, firing: Values, quiet: Values])[] = [
  [
    'VirtstatDomainStale',
    { [`virtstat_domain_stale_seconds${WEB}`]: '0+60x60' },
    { [`virtstat_domain_stale_seconds${WEB}`]: '300x60' },
  ],
  [
    'VirtstatScrapeFailing',
    { [`up${TARGET}`]: '1x20 0x40', [`virtstat_build_info${TARGET}`]: '1x20 stale' },
    { [`up${TARGET}`]: '1x60', 'up{job="other", instance="a"}': '0x60', [`virtstat_build_info${TARGET}`]: '1x60' },
  ],
  ['VirtstatAbsent', { [`up${TARGET}`]: '1x60' }, { [`virtstat_domain_info${WEB}`]: '1x60' }],
  [
    'VirtstatSeriesDropped',
    { [`virtstat_scrape_series_dropped${BUDGET}`]: '3x60' },
    { [`virtstat_scrape_series_dropped${BUDGET}`]: '0x60' },
  ],
  ['VirtstatGuestMemoryLow', memory(49, 10), memory(51, 10)],
  ['VirtstatGuestMemoryLow', memory(49, 10), memory(49, 3600)],
  ['VirtstatRunQueueDelay', delay(13), delay(11)],
  ['VirtstatDiskErrors', errors('0x35 1x25'), errors('1x60')],
  ['VirtstatPushQueueGrows', queue('0+100x60', 1), queue('0+100x60', 0)],
  ['VirtstatPushQueueGrows', queue('0+100x60', 1), queue('100x60', 1)],
  [
    'VirtstatPushDrops',
    { [`virtstat_export_dropped_total${DROPPED}`]: '0+1x60' },
    { [`virtstat_export_dropped_total${DROPPED}`]: '9x60' },
  ],
];

/** What promtool says, given one file. */
function promtool(what: readonly string[], files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'vsg-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return execFileSync(PROMTOOL, what, { cwd: folder, encoding: 'utf8', timeout: 30_000 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('grafana/', () => {
  it.each([...grafanaFiles()])('has %s as `npm run grafana` writes it', (file, text) => {
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('gives every panel a place of its own', () => {
    const { panels } = JSON.parse(dashboardText()) as {
      panels: readonly { id: number; gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)} ${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  it('asks only for series that a VM with one of everything has in the curated profile', async (context) => {
    const vmOptions = { accel: 'kvm', paused: true } as const;
    const reason = process.getuid?.() === 0 ? whyNoVm(vmOptions) : 'a tap takes root';
    if (reason !== undefined) context.skip(reason);
    await using vm = await startQemu({ ...vmOptions, args: devices(`vsg${process.pid % 100_000}`) });
    const registry = new Registry([new LocalSource({ pids: [vm.pid] })], { deadlineMs: 20_000 });
    try {
      const { families } = await new StatView({ profile: CURATED, maxSeries: 10_000 }).read(registry, {});
      const facts = { profile: 'curated', durationNs: 0n, domains: 1, dropped: { budget: 0, name: 0 }, maxSeries: 1 };
      const waiting = { samples: 0, bytes: 0, batches: 0 };
      const all = [
        ...families,
        ...daemonFamilies('1'),
        ...scrapeFamilies(facts, () => 0),
        ...pushFamilies([{ name: 'a', protocol: 'otlp', waiting, sent: 0, dropped: new Map(), isFailing: false }]),
      ];
      const shown = new Set(all.map(seriesName));
      const asked = [...QUERIES, ...ALERTS.map(({ expr }) => expr)].flatMap(namesIn);
      expect(asked.length).toBeGreaterThan(30);
      expect(asked.filter((name) => !shown.has(name))).toEqual([]);
      const [delays, vcpus] = ['process/vcpu/run_delay', 'state/vm/vcpu_current'].map((path) =>
        labelsOf(families, stat(path)),
      );
      expect(delays).toHaveLength(1);
      expect(delays).toEqual(vcpus);
      const counters = new RegExp(`^${kvmCounters()}$`);
      expect([...shown].filter((name) => counters.test(name)).length).toBeGreaterThan(20);
    } finally {
      await registry.close();
    }
  });
});

describe.skipIf(noPromtool !== undefined)(
  `promtool${noPromtool === undefined ? '' : ` (skipped: ${noPromtool})`}`,
  () => {
    it('has nothing to say of the alert rules and of the queries', () => {
      const rules = QUERIES.map((expr, index) => ({ record: `query:${index}`, expr: filledIn(expr) }));
      const files = { 'alerts.yml': ALERTS_TEXT, 'queries.yml': stringify({ groups: [{ name: 'queries', rules }] }) };
      const said = promtool(['check', 'rules', '--lint-fatal', ...Object.keys(files)], files);
      expect(said.match(/SUCCESS: \d+ rules found/g)).toEqual([
        `SUCCESS: ${ALERTS.length} rules found`,
        `SUCCESS: ${rules.length} rules found`,
      ]);
    });

    it.each(CASES)('fires %s for what it is about alone', (alert, series, quiet) => {
      expect(ALERTS.map((rule) => rule.alert)).toContain(alert);
      const count = `count(ALERTS{alertname="${alert}", alertstate="firing"})`;
      const test = (input: Values, fired: readonly unknown[]) => ({
        interval: '1m',
        input_series: Object.entries(input).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [{ expr: count, eval_time: '40m', exp_samples: fired }],
      });
      const files = {
        'alerts.yml': ALERTS_TEXT,
        'test.yml': stringify({
          rule_files: ['alerts.yml'],
          evaluation_interval: '1m',
          tests: [test(series, [{ labels: '{}', value: 1 }]), test(quiet, [])],
        }),
      };
      expect(promtool(['test', 'rules', 'test.yml'], files)).toContain('SUCCESS');
    });
  },
);
