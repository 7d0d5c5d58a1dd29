import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { NEWER_VICTORIA_METRICS } from './folder.js';

const READY_LIMIT_MS = 20_000;

/** The time-series engines that tests push to. */
export const ENGINES: Readonly<Record<EngineName, string>> = {
  prometheus: '/usr/bin/prometheus',
  'victoria-metrics': '/usr/bin/victoria-metrics',
  'newer victoria-metrics': NEWER_VICTORIA_METRICS,
};

/** The name of an engine. */
export type EngineName = 'prometheus' | 'victoria-metrics' | 'newer victoria-metrics';

/** Why this engine cannot be started here; undefined where it can. */
export function whyNoEngine(engine: EngineName): string | undefined {
  return existsSync(ENGINES[engine]) ? undefined : `${ENGINES[engine]} is not there`;
}

/** A port that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A real engine, with its data in a folder of the test. */
export class Engine implements AsyncDisposable {
  readonly #engine: EngineName;
  readonly #child: ChildProcess;
  readonly url: string;

  private constructor(engine: EngineName, child: ChildProcess, url: string) {
    this.#engine = engine;
    this.#child = child;
    this.url = url;
  }

  /** Starts it at this port, and waits until it is ready; what an earlier one left in the folder is there. */
  static async start(engine: EngineName, folder: string, port: number): Promise<Engine> {
    const address = `127.0.0.1:${port}`;
    writeFileSync(join(folder, 'prometheus.yml'), 'global: {}\n');
    const args =
      engine === 'prometheus'
        ? [
            `--config.file=${folder}/prometheus.yml`,
            `--storage.tsdb.path=${folder}/data`,
            `--web.listen-address=${address}`,
            '--web.enable-remote-write-receiver',
            '--query.max-samples=100000000',
          ]
        : [`-httpListenAddr=${address}`, `-storageDataPath=${folder}/data`, '-search.maxUniqueTimeseries=1000000'];
    const child = spawn(ENGINES[engine], args, { stdio: 'ignore' });
    const started = new Engine(engine, child, `http://${address}`);
    const deadlineMs = performance.now() + READY_LIMIT_MS;
    const health = `http://${address}${engine === 'prometheus' ? '/-/ready' : '/health'}`;
    while (performance.now() < deadlineMs && child.exitCode === null) {
      const ready = await fetch(health).then(
        (response) => response.ok,
        () => false,
      );
      if (ready) return started;
      await sleep(50);
    }
    await started.stop();
    throw new Error(`${engine} did not become ready`);
  }

  /** The numbers that a query of PromQL gives. */
  async query(query: string, timeMs: number = Date.now()): Promise<readonly number[]> {
    const found = await this.#results(query, timeMs);
    return found.map(({ value }) => Number(value[1]));
  }

  /** The labels of what a query gives. */
  async labels(query: string): Promise<readonly Readonly<Record<string, string>>[]> {
    return (await this.#results(query, Date.now())).map(({ metric }) => metric);
  }

  /**
   * What is stored of the series that a selector names: the times of all samples since then, in milliseconds since 1970,
   * ascending, each as often as it is there. Not by a query where those look elsewhere: VictoriaMetrics has them hide what is
   * new, and count less than there is. What it has taken is to be seen some seconds later.
   */
  async *stored(selector: string, sinceMs: number): AsyncGenerator<StoredSeries, void> {
    if (this.#engine === 'prometheus') {
      const seconds = Math.ceil((Date.now() - sinceMs) / 1000);
      for (const { metric, values = [] } of await this.#results(`${selector}[${seconds}s]`, Date.now())) {
        yield { labels: metric, timesMs: values.map(([time]) => Math.round(time * 1000)) };
      }
      return;
    }
    const asked = new URLSearchParams({ 'match[]': selector, start: String(sinceMs / 1000), reduce_mem_usage: '1' });
    const { body } = await fetch(`${this.url}/api/v1/export?${asked}`);
    if (body === null) return;
    // A series may come in parts.
    const parts = new Map<string, { readonly labels: StoredSeries['labels']; readonly timesMs: number[] }>();
    for await (const line of createInterface(Readable.fromWeb(body))) {
      const { metric, timestamps } = JSON.parse(line) as ExportedSeries;
      const key = JSON.stringify(metric);
      const known = parts.get(key) ?? { labels: metric, timesMs: [] };
      known.timesMs.push(...timestamps);
      parts.set(key, known);
    }
    for (const { labels, timesMs } of parts.values()) yield { labels, timesMs: timesMs.sort((a, b) => a - b) };
  }

  /** Names of all series that there are. */
  async names(): Promise<readonly string[]> {
    const response = await fetch(`${this.url}/api/v1/label/__name__/values`);
    return ((await response.json()) as { readonly data: readonly string[] }).data;
  }

  async #results(query: string, timeMs: number): Promise<readonly Result[]> {
    const body = new URLSearchParams({ query, time: String(timeMs / 1000), nocache: '1' });
    const response = await fetch(`${this.url}/api/v1/query`, { method: 'POST', body });
    const answer = (await response.json()) as { readonly data?: { readonly result: readonly Result[] } };
    if (answer.data === undefined) throw new Error(`the engine answered ${JSON.stringify(answer)}`);
    return answer.data.result;
  }

  /** Ends it, and waits for that. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    await once(this.#child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** One series as an engine has it. */
export interface StoredSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly timesMs: readonly number[];
}

interface Result {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
  /** In place of the one value, where a range was asked for. */
  readonly values?: readonly (readonly [number, string])[];
}

/** A line of VictoriaMetrics' /api/v1/export. */
interface ExportedSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly timestamps: readonly number[];
}
