import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ENGINES, Engine, type EngineName, freePort, whyNoEngine } from '../test/lab/engine.ts';
import { CountingRelay } from './counting-relay.ts';
import type { DaemonProcess } from './daemon.ts';
import { coreShareOf, rssBytesOf } from './process-cost.ts';
import type { BenchResult, BenchSkip } from './report.ts';
import { VmmFleet, whyNoFleet } from './vmm-fleet.ts';

/** So many that their series, without histograms, are 40,000 at least, on kernels of all ages. */
const DOMAINS = 164;
const VCPUS = 4;
const SERIES = 40_000;
const EVERY_MS = 10_000;
const WARM_UP_MS = 2 * EVERY_MS + 5000;
const MEASURED_MS = 6 * EVERY_MS;
/** Three collections or four have nowhere to go. */
const OUTAGE_MS = 35_000;
const CATCH_UP_LIMIT_MS = 120_000;
const SHOWN_LIMIT_MS = 30_000;
const POLL_MS = 50;
const MEASURED: readonly EngineName[] = ['prometheus', 'victoria-metrics'];
const NAME = 'remote write, 40,000 series per 10 s';
/** What a push says of itself is the last of what each collection sends. */
const LAST = 'virtstat_export_failing{push="bench"}';
const FIRST = 'virtstat_domain_info';
const AGENT = "daemon and Prometheus' agent";

/**
 * 164 processes with a VM of 4 vCPUs each, all of whose stats but the histograms the daemon pushes to an engine every 10 s: what that
 * costs the daemon, what goes over the wire, how soon it can be asked for, and whether an engine that was away and is back has each
 * sample once. The rival is Prometheus' agent, which takes the same from the daemon over HTTP and pushes it.
 */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoFleet() ?? MEASURED.map(whyNoEngine).find((why) => why !== undefined);
  if (reason !== undefined) return [{ name: NAME, skipped: reason }];
  await using fleet = await VmmFleet.start(DOMAINS, VCPUS);
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-bench-'));
  try {
    const theirs = await agentCost(fleet, folder);
    const results: BenchResult[] = [];
    for (const engine of MEASURED) results.push(...(await pushed(fleet, join(folder, engine), engine, theirs)));
    return results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function pushed(
  fleet: VmmFleet,
  folder: string,
  name: EngineName,
  agent: AgentCost,
): Promise<readonly BenchResult[]> {
  mkdirSync(folder);
  const [port, webPort] = [await freePort(), await freePort()];
  await using relay = await CountingRelay.listen(port);
  const startMs = Date.now();
  let engine = await Engine.start(name, folder, port);
  try {
    const toml = [
      `state-dir = "${folder}/state"`,
      `web.listen-address = ["127.0.0.1:${webPort}"]`,
      '[[remote-write]]',
      'name = "bench"',
      `endpoint = "http://127.0.0.1:${relay.port}/api/v1/write"`,
      `every = "${EVERY_MS / 1000}s"`,
      'profile = "full"',
      'deny = ["*_hist*"]',
    ];
    await using daemon = await daemonWith(fleet, folder, toml);
    await sleep(WARM_UP_MS);
    const delaysMs: number[] = [];
    const rssMb: number[] = [];
    const before = { bytes: relay.sentBytes, ...(await progress(webPort)) };
    const ours = await coreShareOf(daemon.pid, async () => {
      for await (const delayMs of delays(engine, MEASURED_MS)) {
        delaysMs.push(delayMs);
        rssMb.push(rssBytesOf(daemon.pid) / 1e6);
      }
    });
    const after = { bytes: relay.sentBytes, ...(await progress(webPort)) };
    const samples = after.sent - before.sent;
    if (samples < (SERIES * MEASURED_MS) / EVERY_MS) throw new Error(`only ${samples} samples were sent`);
    await engine.stop();
    await sleep(OUTAGE_MS);
    const waiting = await progress(webPort);
    if (waiting.pending < 3 * SERIES) throw new Error(`only ${waiting.pending} samples wait`);
    engine = await Engine.start(name, folder, port);
    const catchUpMs = await caughtUp(webPort);
    rssMb.push(rssBytesOf(daemon.pid) / 1e6);
    const { sent, dropped } = await nextCollection(webPort);
    await daemon[Symbol.asyncDispose]();
    const wrong = (await wrongSamples(engine, startMs, sent)) + dropped;
    const what = { rival: '' };
    const to = `remote write to ${name}`;
    const bytes = (after.bytes - before.bytes) / samples;
    const [delay, memory] = [Math.max(...delaysMs) / 1000, Math.max(...rssMb)];
    return [
      {
        ...{ name: `${to}, 40,000 series per 10 s`, rival: AGENT, unit: '% of a core' },
        ...{ ours, theirs: agent.corePercent, ratio: ours / agent.corePercent, limit: 1 },
      },
      {
        ...{ name: `${to}, memory`, rival: AGENT, unit: 'MB' },
        ...{ ours: memory, theirs: agent.memoryMb, ratio: memory / agent.memoryMb, limit: 1 },
      },
      { ...what, name: `${to}, on the wire`, unit: 'bytes/sample', ours: bytes, ratio: bytes, limit: 15 },
      { ...what, name: `${to}, read to there`, unit: 's', ours: delay, ratio: delay, limit: 3 },
      {
        ...what,
        name: `${to}, ${OUTAGE_MS / 1000} s away, behind`,
        unit: 's',
        ours: catchUpMs / 1000,
        ratio: catchUpMs / 1000,
        limit: 60,
      },
      {
        ...what,
        name: `${to}, of ${sent} samples wrong`,
        unit: 'missing or twice',
        ours: wrong,
        ratio: wrong,
        limit: 0,
      },
    ];
  } finally {
    await engine.stop();
  }
}

async function daemonWith(fleet: VmmFleet, folder: string, toml: readonly string[]): Promise<DaemonProcess> {
  const file = join(folder, 'virtstat.toml');
  writeFileSync(file, toml.join('\n'));
  return fleet.daemon('--config', file);
}

/** How long each collection took from the reading of its first sample until the last one can be asked for, in milliseconds. */
async function* delays(engine: Engine, forMs: number): AsyncGenerator<number, void> {
  const endMs = performance.now() + forMs;
  const newest = async (selector: string): Promise<readonly number[]> => {
    const times: number[] = [];
    for await (const { timesMs } of engine.stored(selector, Date.now() - EVERY_MS - 5000))
      times.push(timesMs.at(-1) ?? 0);
    return times;
  };
  let last = Math.max(0, ...(await newest(LAST)));
  while (performance.now() < endMs) {
    const now = Math.max(last, ...(await newest(LAST)));
    if (now > last) {
      const seenMs = Date.now();
      last = now;
      yield seenMs - Math.min(...(await newest(FIRST)));
    }
    await sleep(POLL_MS);
  }
}

interface Progress {
  readonly sent: number;
  readonly pending: number;
  readonly dropped: number;
}

/** What the push says of itself. */
async function progress(webPort: number): Promise<Progress> {
  const text = await (await fetch(`http://127.0.0.1:${webPort}/metrics?profile=libvirt`)).text();
  const of = (name: string): number =>
    sum(
      [...text.matchAll(new RegExp(`^virtstat_export_${name}\\{.*\\} (\\d+)`, 'gm'))].map(([, value]) => Number(value)),
    );
  return { sent: of('sent_total'), pending: of('pending'), dropped: of('dropped_total') };
}

/** Resolves to how long it took until nothing waits any more, in milliseconds. */
async function caughtUp(webPort: number): Promise<number> {
  const startMs = performance.now();
  while ((await progress(webPort)).pending > 0) {
    if (performance.now() - startMs > CATCH_UP_LIMIT_MS) throw new Error('the engine does not get what waits');
    await sleep(POLL_MS);
  }
  return performance.now() - startMs;
}

/** How it stands when one more collection has been sent: the next one is a while away. */
async function nextCollection(webPort: number): Promise<Progress> {
  const { sent } = await progress(webPort);
  const deadlineMs = performance.now() + CATCH_UP_LIMIT_MS;
  for (;;) {
    const now = await progress(webPort);
    if (now.sent >= sent + SERIES && now.pending === 0) return now;
    if (performance.now() > deadlineMs) throw new Error('no collection is sent any more');
    await sleep(POLL_MS);
  }
}

interface Stored {
  /** Samples, each counted once. */
  readonly distinct: number;
  /** Samples that are there once more. */
  readonly repeated: number;
  /** Collections that are missing, added up over all series. */
  readonly gaps: number;
}

/** How many of the samples that were sent are missing, or there more than once; what an engine has taken it shows after a while. */
async function wrongSamples(engine: Engine, sinceMs: number, sent: number): Promise<number> {
  const deadlineMs = performance.now() + SHOWN_LIMIT_MS;
  for (;;) {
    const { distinct, repeated, gaps } = await count(engine, sinceMs);
    const wrong = Math.abs(distinct - sent) + repeated + gaps;
    if (wrong === 0 || performance.now() > deadlineMs) return wrong;
    await sleep(1000);
  }
}

async function count(engine: Engine, sinceMs: number): Promise<Stored> {
  let [distinct, repeated, gaps] = [0, 0, 0];
  for (const name of await engine.names()) {
    for await (const { timesMs } of engine.stored(`{__name__="${name}"}`, sinceMs)) {
      const times = [...new Set(timesMs)].toSorted((a, b) => a - b);
      distinct += times.length;
      repeated += timesMs.length - times.length;
      for (const [index, time] of times.entries()) {
        if (index > 0 && time - (times[index - 1] ?? 0) > 1.5 * EVERY_MS) gaps++;
      }
    }
  }
  return { distinct, repeated, gaps };
}

interface AgentCost {
  readonly corePercent: number;
  readonly memoryMb: number;
}

/** What Prometheus' agent costs, and a daemon that it takes the same series from, together. */
async function agentCost(fleet: VmmFleet, folder: string): Promise<AgentCost> {
  const [port, webPort, agentPort] = [await freePort(), await freePort(), await freePort()];
  await using _engine = await Engine.start('prometheus', folder, port);
  const toml = [
    `web.listen-address = ["127.0.0.1:${webPort}"]`,
    'metrics.profile = "full"',
    'metrics.deny = ["*_hist*"]',
  ];
  await using daemon = await daemonWith(fleet, folder, toml);
  const file = join(folder, 'agent.yml');
  const scrape = `{ job_name: virtstat, scrape_interval: ${EVERY_MS / 1000}s, static_configs: [{ targets: ["127.0.0.1:${webPort}"] }] }`;
  writeFileSync(
    file,
    `scrape_configs: [${scrape}]\nremote_write: [{ url: "http://127.0.0.1:${port}/api/v1/write" }]\n`,
  );
  const args = ['--enable-feature=agent', `--config.file=${file}`, `--storage.agent.path=${folder}/agent`];
  const agent = spawn(ENGINES.prometheus, [...args, `--web.listen-address=127.0.0.1:${agentPort}`], {
    stdio: 'ignore',
  });
  try {
    await sleep(WARM_UP_MS);
    const pids = [daemon.pid, agent.pid ?? 0];
    const measured = sleep(MEASURED_MS);
    const shares = await Promise.all(pids.map((pid) => coreShareOf(pid, () => measured)));
    return { corePercent: sum(shares), memoryMb: sum(pids.map(rssBytesOf)) / 1e6 };
  } finally {
    await end(agent);
  }
}

function sum(figures: readonly number[]): number {
  return figures.reduce((total, figure) => total + figure, 0);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
