import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Feed } from '../src/export/feed.ts';
import type { PushProtocol } from '../src/export/http-destination.ts';
import { OtlpFeed } from '../src/export/otlp-feed.ts';
import { Push } from '../src/export/push.ts';
import { RemoteWriteFeed } from '../src/export/remote-write-feed.ts';
import type { MetricsReader } from '../src/metrics/collect.ts';
import { FULL } from '../src/metrics/profile.ts';
import { Selection } from '../src/metrics/selection.ts';
import { StatView } from '../src/metrics/view.ts';
import type { StatDescriptor } from '../src/model/stat.ts';
import { U64_MAX } from '../src/model/u64.ts';
import type { HistogramForm } from '../src/protocol/otlp/histograms.ts';
import { Engine, type EngineName, freePort, whyNoEngine } from './lab/engine.ts';

const DOMAINS = 200;
const STATS = 200;
const SERIES = DOMAINS * STATS;
/** A name with what has to be escaped somewhere, and half of a surrogate pair, as bytes that are no UTF-8 may leave. */
const HOSTILE = 'a"b\nc\\d{e="f"}\u{1f600}\ud800';

let folder: string;
const log = { info: () => undefined, warn: () => undefined };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-push-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const NANO = { unit: 'seconds', base: 10, exponent: -9 } as const;
const histogram: StatDescriptor = { name: 'wait_hist', type: 'log2-histogram', ...NANO };
const sum: StatDescriptor = { name: 'wait_ns', type: 'cumulative', ...NANO };

/** So many domains, all of whose stats are the largest number that there is, but for the first, which counts the reads. */
function readerOf(domains: number, stats: number, names: (index: number) => string): MetricsReader & { reads: number } {
  const descriptors: StatDescriptor[] = Array.from({ length: stats }, (_, index) => ({
    name: `stat_${index}`,
    type: 'cumulative',
    exponent: 0,
  }));
  const all = [...descriptors, histogram, sum];
  const found = Array.from({ length: domains }, (_, index) => ({
    id: String(index),
    name: names(index),
    source: 'test:',
  }));
  const reader = {
    reads: 0,
    schemas: async () =>
      found.map((domain) => ({ domain, items: [{ provider: 'kvm', target: 'vm', stats: all }], errors: [] })),
    query: async () => {
      reader.reads++;
      const values = [
        ...descriptors.map(({ name }, index) => ({ name, value: index === 0 ? BigInt(reader.reads) : U64_MAX })),
        ...(stats < 10
          ? [
              { name: 'wait_hist', value: [1n, 2n, 0n, 4n] },
              { name: 'wait_ns', value: 27n },
            ]
          : []),
      ];
      const collectedAtNs = BigInt(Date.now()) * 1_000_000n;
      const sample = { provider: 'kvm', target: 'vm', via: 'test', collectedAtNs, stats: values };
      return found.map((domain) => ({ domain, items: [{ domain: domain.name, ...sample }], errors: [] }));
    },
  };
  return reader;
}

function remoteWrite(reader: MetricsReader): Feed {
  const view = new StatView({ profile: FULL, maxSeries: 1_000_000 });
  return new RemoteWriteFeed({ reader, view, labels: [['instance', 'host1']], own: () => [] });
}

function pushTo(url: string, protocol: PushProtocol, feed: Feed, everyMs: number): Promise<Push> {
  const credentials = { headers: {}, headerFiles: {} };
  return Push.open({
    name: 'test',
    host: 'host1',
    queueDirectory: join(folder, 'queue'),
    queueBytes: 64 << 20,
    everyMs,
    feed,
    endpoint: { protocol, url: new URL(url), timeoutMs: 10_000, userAgent: 'test', ...credentials },
    log,
  });
}

async function until(isSo: () => boolean | Promise<boolean>, limitMs = 25_000): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  while (!(await isSo()) && performance.now() < deadlineMs) await sleep(50);
}

/** VictoriaMetrics keeps about 15 digits. */
function expectNear([value = Number.NaN]: readonly number[], wanted: number): void {
  expect(value / wanted).toBeCloseTo(1, 14);
}

describe.each<EngineName>(['prometheus', 'victoria-metrics'])('remote write to %s', (engine) => {
  it(`brings ${SERIES} series, each sample once, also those of the time when it was away`, async (context) => {
    const reason = whyNoEngine(engine);
    if (reason !== undefined) context.skip(reason);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/api/v1/write`;
    const reader = readerOf(DOMAINS, STATS, (index) => (index === 7 ? HOSTILE : `vm-${index}`));
    const startMs = Date.now();
    let push = await pushTo(url, 'remote-write', remoteWrite(reader), 2000);
    try {
      // Nobody listens yet; and the sender ends meanwhile, as in a restart.
      await until(() => push.state.waiting.samples >= SERIES && push.state.isFailing);
      expect(push.state).toMatchObject({ sent: 0, isFailing: true });
      await push.stop();
      push = await pushTo(url, 'remote-write', remoteWrite(reader), 2000);
      {
        await using first = await Engine.start(engine, folder, port);
        await until(() => push.state.sent >= 2 * SERIES);
        expect((await first.query('count(kvm_vm_stat_1_total)'))[0] ?? 0).toBeGreaterThanOrEqual(0);
      }
      const before = push.state.sent;
      await until(() => push.state.waiting.samples >= SERIES);
      await using again = await Engine.start(engine, folder, port);
      await until(() => push.state.sent > before && push.state.waiting.samples === 0);
      await push.stop();
      const { sent, dropped, waiting } = push.state;
      expect([...dropped.values()]).toEqual([0, 0, 0, 0]);
      expect(waiting.samples).toBe(0);
      expect(sent).toBeGreaterThanOrEqual(3 * SERIES);
      const counted = async () => {
        let [samples, repeated] = [0, 0];
        for (let stat = 0; stat < STATS; stat++) {
          for await (const { timesMs } of again.stored(`kvm_vm_stat_${stat}_total`, startMs)) {
            samples += timesMs.length;
            repeated += timesMs.length - new Set(timesMs).size;
          }
        }
        return { samples, repeated };
      };
      const all = reader.reads * SERIES;
      await until(async () => (await counted()).samples >= all);
      expect(await counted()).toEqual({ samples: all, repeated: 0 });
      expect(await again.query('count({__name__=~"kvm_vm_stat_.*",instance="host1"})')).toEqual([SERIES]);
      const named = await again.labels('kvm_vm_stat_1_total{domain!~"vm-.*"}');
      expect(named.map(({ domain }) => domain)).toEqual([HOSTILE.toWellFormed()]);
      expect(await again.query('max(max_over_time(kvm_vm_stat_0_total[10m]))')).toEqual([reader.reads]);
      expectNear(await again.query('max(max_over_time(kvm_vm_stat_1_total[10m]))'), 2 ** 64);
    } finally {
      await push.stop();
    }
  }, 120_000);
});

describe('an OTLP receiver', () => {
  /** One domain, whose name is hostile, in an engine, once something of it is there. */
  async function received(engine: Engine, histograms: HistogramForm) {
    const reader = readerOf(1, 2, () => HOSTILE);
    const feed = new OtlpFeed({
      reader,
      selection: new Selection(FULL),
      version: '1',
      histograms,
      resource: [['host.name', 'host1']],
    });
    const push = await pushTo(`${engine.url}/opentelemetry/v1/metrics`, 'otlp', feed, 1000);
    try {
      await until(() => push.state.sent >= 8);
    } finally {
      await push.stop();
    }
    expect(push.state.dropped.get('refused')).toBe(0);
    await until(async () => (await engine.labels('{__name__="virtstat.kvm.vm.wait_hist_sum"}')).length > 0);
    return reader;
  }

  it('reads names, attributes, exact counts and histograms', async (context) => {
    const reason = whyNoEngine('newer victoria-metrics');
    if (reason !== undefined) context.skip(reason);
    await using engine = await Engine.start('newer victoria-metrics', folder, await freePort());
    const reader = await received(engine, 'explicit');
    const stat = '{__name__="virtstat.kvm.vm.stat_0"}';
    expect(await engine.labels(stat)).toMatchObject([
      { 'virtstat.domain.name': HOSTILE.toWellFormed(), 'host.name': 'host1' },
    ]);
    const counted = `count_over_time(${stat}[10m])`;
    await until(async () => (await engine.query(counted))[0] === reader.reads);
    expect(await engine.query(counted)).toEqual([reader.reads]);
    expectNear(await engine.query('{__name__="virtstat.kvm.vm.stat_1"}'), 2 ** 64);
    const buckets = (await engine.labels('{__name__="virtstat.kvm.vm.wait_hist_bucket"}')).map(({ le }) => le);
    expect(buckets).toEqual(expect.arrayContaining(['0', '1', '3', '+Inf']));
    expect(await engine.query('{__name__="virtstat.kvm.vm.wait_hist_bucket",le="1"}')).toEqual([3]);
    expect(await engine.query('{__name__="virtstat.kvm.vm.wait_hist_sum"}')).toEqual([27]);
  });

  it('reads exponential histograms: the zero bucket, bounds, counts and the sum', async (context) => {
    const reason = whyNoEngine('newer victoria-metrics');
    if (reason !== undefined) context.skip(reason);
    await using engine = await Engine.start('newer victoria-metrics', folder, await freePort());
    await received(engine, 'exponential');
    const buckets = await engine.labels('{__name__="virtstat.kvm.vm.wait_hist_bucket"}');
    const counts = await Promise.all(
      buckets.map(async ({ vmrange = '' }) => {
        const [count] = await engine.query(`{__name__="virtstat.kvm.vm.wait_hist_bucket",vmrange="${vmrange}"}`);
        const [low, high] = vmrange.split('...').map(Number);
        return [low, high, count];
      }),
    );
    // The kernel's [0, 1), [1, 2) and [4, 8); the empty one is left out.
    expect(counts.toSorted(([a = 0], [b = 0]) => a - b)).toEqual([
      [0, 0, 1],
      [1, 2, 2],
      [4, 8, 4],
    ]);
    expect(await engine.query('{__name__="virtstat.kvm.vm.wait_hist_count"}')).toEqual([7]);
    expect(await engine.query('{__name__="virtstat.kvm.vm.wait_hist_sum"}')).toEqual([27]);
  });
});
