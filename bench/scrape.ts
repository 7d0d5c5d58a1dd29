import { readdirSync, readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Registry as PromRegistry } from 'prom-client';
import { textStream } from '../src/face/http/text-stream.ts';
import type { MetricsReader } from '../src/metrics/collect.ts';
import { FULL } from '../src/metrics/profile.ts';
import { StatView } from '../src/metrics/view.ts';
import type { Sample } from '../src/model/sample.ts';
import type { Schema } from '../src/model/stat.ts';
import { decodeLayout } from '../src/protocol/kvm-stats/layout.ts';
import { dataBlockOf, decodeValues } from '../src/protocol/kvm-stats/values.ts';
import { writeExposition } from '../src/protocol/openmetrics/writer.ts';
import { type BenchResult, cpuNs, median } from './report.ts';

const DOMAINS = 200;
const VCPUS = 4;
const ROUNDS = 9;

/** Ours takes a third of the rival's CPU time for a line. */
const LIMIT = 1 / 3;
const MAX_PAUSE_MS = 20;
const MAX_GROWTH_MIB = 4;
const SCRAPES_FOR_MEMORY = 20;

const CAPTURES = new URL('../captures/kvm/', import.meta.url);

/** A scrape of all that KVM counts of 200 VMs, histograms included, against prom-client, which has each series ready to be printed. */
export async function run(): Promise<readonly BenchResult[]> {
  const reader = fleet();
  const view = new StatView({ profile: FULL, maxSeries: 1_000_000 });
  const text = await scrape(reader, view);
  const lines = linesIn(text);
  const theirs = promRegistry(text);
  const theirLines = linesIn(await theirs.metrics());
  if (Math.abs(theirLines - lines) > 10) throw new Error(`prom-client has ${theirLines} lines, not ${lines}`);
  const rounds: { ours: number; theirs: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({
      ours: await cpuNsOf(() => stream(reader, view, () => undefined), lines),
      theirs: await cpuNsOf(() => theirs.metrics(), lines),
    });
  }
  const ours = median(rounds.map((round) => round.ours));
  const growth = await growthMib(reader, view);
  const pause = await longestPauseMs(reader, view);
  return [
    {
      name: `scrape of ${lines} lines`,
      rival: 'prom-client',
      unit: 'ns CPU/line',
      ours,
      theirs: median(rounds.map((round) => round.theirs)),
      ratio: median(rounds.map((round) => round.ours / round.theirs)),
      limit: LIMIT,
    },
    { name: 'scrape: longest pause', rival: '', unit: 'ms', ours: pause, ratio: pause, limit: MAX_PAUSE_MS },
    {
      name: `${SCRAPES_FOR_MEMORY} scrapes: heap grows by`,
      rival: '',
      unit: 'MiB',
      ours: growth,
      ratio: growth,
      limit: MAX_GROWTH_MIB,
    },
  ];
}

/** From values to text as the http face sends it, in pieces, with everybody's turn in between. */
async function scrape(reader: MetricsReader, view: StatView): Promise<string> {
  const pieces: string[] = [];
  await stream(reader, view, (piece) => pieces.push(Buffer.from(piece).toString('utf8')));
  return pieces.join('');
}

async function stream(reader: MetricsReader, view: StatView, take: (piece: Uint8Array) => void): Promise<void> {
  const { families } = await view.read(reader, {});
  for await (const piece of textStream(writeExposition(families, 'prometheus'))) take(piece);
}

async function longestPauseMs(reader: MetricsReader, view: StatView): Promise<number> {
  const pauses: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await stream(reader, view, () => undefined);
    delay.disable();
    pauses.push(delay.max / 1e6);
  }
  return median(pauses);
}

async function growthMib(reader: MetricsReader, view: StatView): Promise<number> {
  const used = (): number => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  await stream(reader, view, () => undefined);
  const before = used();
  for (let count = 0; count < SCRAPES_FOR_MEMORY; count++) await stream(reader, view, () => undefined);
  return Math.max(0, (used() - before) / 2 ** 20);
}

async function cpuNsOf(work: () => Promise<unknown>, lines: number): Promise<number> {
  globalThis.gc?.();
  const before = cpuNs();
  await work();
  return (cpuNs() - before) / lines;
}

/** Captured statistics as those of many VMs; values are decoded when they are looked at, as the daemon's are. */
function fleet(): MetricsReader {
  const files = readdirSync(CAPTURES).filter((name) => name.endsWith('.t2.bin'));
  const read = (part: string) =>
    readFileSync(new URL(files.find((name) => name.startsWith(`lab-${part}.`)) ?? '', CAPTURES));
  const [vm, vcpu] = [captureOf(read('vm')), captureOf(read('vcpu0'))];
  const schemas: readonly Schema[] = [
    { provider: 'kvm', target: 'vm', stats: vm.layout.stats },
    { provider: 'kvm', target: 'vcpu', stats: vcpu.layout.stats },
  ];
  const domains = Array.from({ length: DOMAINS }, (_, index) => ({
    domain: { id: String(index), name: `instance-${String(index).padStart(8, '0')}`, source: 'local:' },
  }));
  return {
    schemas: async () => domains.map(({ domain }) => ({ domain, items: schemas, errors: [] })),
    query: async ({ target }) => {
      const answers = [];
      for (const { domain } of domains) {
        const capture = target === 'vm' ? vm : vcpu;
        const paths =
          target === 'vm'
            ? [undefined]
            : Array.from({ length: VCPUS }, (_, index) => `/machine/unattached/device[${index}]`);
        answers.push({ domain, errors: [], items: paths.map((path) => sampleOf(domain.name, target, path, capture)) });
      }
      return answers;
    },
  };
}

function captureOf(file: Uint8Array): Capture {
  const layout = decodeLayout(file);
  return { bytes: dataBlockOf(layout, file), layout };
}

interface Capture {
  readonly bytes: Uint8Array;
  readonly layout: ReturnType<typeof decodeLayout>;
}

function sampleOf(domain: string, target: string, path: string | undefined, { bytes, layout }: Capture): Sample {
  let stats: Sample['stats'] | undefined;
  return {
    ...{ domain, provider: 'kvm', target, via: 'kvm-file', collectedAtNs: 0n },
    ...(path !== undefined && { path }),
    get stats() {
      return (stats ??= decodeValues(layout, bytes));
    },
  };
}

/** The same series as counters and gauges: prom-client's histograms can only be fed value by value. */
function promRegistry(text: string): PromRegistry {
  const registry = new PromRegistry();
  const known = new Map<string, Counter | Gauge>();
  for (const [, name = '', labels = '', value = ''] of text.matchAll(/^([a-z]\w*)(?:\{(.*)\})? (\S+)$/gm)) {
    const pairs = Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, each]) => [label, each]));
    let metric = known.get(name);
    if (metric === undefined) {
      const options = { name, help: name, labelNames: Object.keys(pairs), registers: [registry] };
      known.set(name, (metric = name.endsWith('_total') ? new Counter(options) : new Gauge(options)));
    }
    metric.inc(pairs, Number(value));
  }
  return registry;
}

function linesIn(text: string): number {
  return text.match(/^[^#\n]/gm)?.length ?? 0;
}
