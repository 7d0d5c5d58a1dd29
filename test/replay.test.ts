import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'lossless-json';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { virtstat, virtstatJson } from './lab/cli.ts';
import { DaemonProcess } from './lab/daemon.ts';
import { exitsAt, RECORDING_START_NS, writeRecording } from './lab/recording.ts';
import { TmuxTerminal, whyNoTmux } from './lab/tmux.ts';

const BIN = fileURLToPath(new URL('../bin/virtstat.cjs', import.meta.url));
const LAST_SECOND = 120;
const POLL = { timeout: 20_000, interval: 100 };

let folder: string;
let recording: string;
const replay = (query = ''): readonly [string, string] => ['-c', `replay:${recording}${query}`];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-replay-'));
  recording = join(folder, 'r.parquet');
  await writeRecording(recording, LAST_SECOND, [{ name: 'stays' }, { name: 'visits', seconds: [40, 90] }]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Element {
  readonly domain: string;
  readonly 'qom-path': string;
  readonly 'collected-at': string;
  readonly stats: readonly { readonly name: string; readonly value: bigint }[];
}

/** The second of the recording that an element is of. Its values must be those of that second. */
function secondOf({ 'collected-at': at, 'qom-path': path, stats }: Element): number {
  const second = (Date.parse(at) - Number(RECORDING_START_NS / 1_000_000n)) / 1000;
  expect(stats).toEqual([{ name: 'exits', value: exitsAt(Number(path.at(-1)), second) }]);
  return second;
}

/** What a watch prints until it has printed so many documents, and how long that took: as a whole, and from the first to the last. */
async function watched(count: number, ...args: readonly string[]) {
  const command = [BIN, ...args, 'query', 'vcpu', 'exits', '--watch=0.5', '--json'];
  const child: ChildProcess = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const documents: (readonly Element[])[] = [];
  const startMs = performance.now();
  let firstMs = startMs;
  try {
    for await (const line of createInterface({ input: child.stdout! })) {
      if (documents.length === 0) firstMs = performance.now();
      documents.push(parse(line, null, (text) => BigInt(text)) as readonly Element[]);
      if (documents.length === count) break;
    }
    const endMs = performance.now();
    return { documents, wholeS: (endMs - startMs) / 1000, betweenS: (endMs - firstMs) / 1000 };
  } finally {
    child.kill('SIGINT');
    expect((await ended)[0]).toBe(0);
  }
}

describe('a recording that is played', () => {
  it.each([1, 8])('through query --watch goes on %i seconds in each', async (speed) => {
    const { documents, wholeS, betweenS } = await watched(7, ...replay(`?speed=${speed}`));
    for (const document of documents) {
      expect(document.map(({ domain, 'qom-path': path }) => `${domain} ${path}`)).toEqual([
        ...['stays /cpu/0', 'stays /cpu/1'],
      ]);
    }
    const seconds = documents.map(([first]) => secondOf(first!));
    expect(seconds[0]).toBe(0);
    expect(seconds.toSorted((a, b) => a - b)).toEqual(seconds);
    // A sample each second, and a machine that may be busy: with reading the first values, or with printing the last ones.
    const played = seconds.at(-1)! - seconds[0]!;
    expect(played).toBeGreaterThan((betweenS - 1) * speed - 1);
    expect(played).toBeLessThan(wholeS * speed + 1);
  });

  it('loses and finds domains as they went and came, and stays at its end', async () => {
    const { documents } = await watched(13, ...replay('?speed=20&from=2026-11-18T11:07:05Z'));
    // Domains are searched for every two seconds.
    const visits = documents.map((document) => document.some(({ domain }) => domain === 'visits'));
    const [first, last] = [visits.indexOf(true), visits.lastIndexOf(true)];
    expect(first).toBeGreaterThan(0);
    expect(last).toBeLessThan(documents.length - 1);
    expect(visits.slice(first, last + 1)).not.toContain(false);
    expect(secondOf(documents.at(-1)![0]!)).toBe(LAST_SECOND);
  });

  it('has in top the rates that it had, at any speed', async () => {
    const run = await virtstat(...replay('?speed=20'), 'top', '--batch', '-n', '3', '-d', '0.5', '--columns', 'exits');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const rates = [...run.stdout.matchAll(/^stays +(\S+)$/gm)].map(([, rate]) => rate);
    expect(rates).toEqual(['40', '40', '40']);
  });

  it('is looked into on a terminal, down to a stat', async (context) => {
    const reason = whyNoTmux();
    if (reason !== undefined) context.skip(reason);
    const command = [process.execPath, BIN, ...replay('?speed=10'), 'top', '-d', '0.5', '--columns', 'exits,age'];
    using terminal = TmuxTerminal.open(command, { columns: 80, rows: 24 });
    await expect.poll(() => terminal.text, POLL).toMatch(/^>stays +40 /m);
    // A key that comes before the lines that it is for would go to others.
    terminal.press('Enter');
    await expect.poll(() => terminal.text, POLL).toMatch(/^ vcpu #1 /m);
    terminal.press('End');
    await expect.poll(() => terminal.text, POLL).toMatch(/^>vcpu #1 /m);
    terminal.press('Enter');
    await expect.poll(() => terminal.lines()[0], POLL).toMatch(/stays > vcpu #1 /);
    terminal.press('Enter');
    await expect.poll(() => terminal.lines()[0], POLL).toMatch(/stays > vcpu #1 > kvm exits/);
    await expect.poll(() => terminal.text, POLL).toMatch(/^>vcpu #1 +1152921504606\d+ +30\/s/m);
  });

  it('is what a daemon serves', async () => {
    const runtime = join(folder, 'run');
    const uri = `replay:${recording}?speed=10`;
    await using daemon = await DaemonProcess.ready('-c', uri, '--runtime-dir', runtime);
    const ask = async (): Promise<readonly Element[]> => {
      const args = ['-c', `virtstat+unix:${runtime}/varlink`, 'query', 'vcpu', 'exits'];
      return (await virtstatJson(...args)) as readonly Element[];
    };
    const before = secondOf((await ask())[0]!);
    await sleep(1500);
    const after = await ask();
    expect(after.length).toBeGreaterThanOrEqual(2);
    const seconds = new Set(after.filter(({ domain }) => domain === 'stays').map(secondOf));
    expect(seconds.size).toBe(1);
    expect([...seconds][0]! - before).toBeGreaterThanOrEqual(10);
    expect(await daemon.end('SIGTERM')).toBe(0);
  });
});
