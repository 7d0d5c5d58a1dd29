import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskQueue, MAX_UNWRITTEN_BYTES } from '../src/export/queue/disk-queue.ts';
import { PushTally } from '../src/export/tally.ts';
import { Collector } from './lab/collector.ts';
import { PushingDaemon } from './lab/pushing-daemon.ts';

const LIMIT_MS = 20_000;
const MIB = 1 << 20;
const KILLS = 5;
/** How long a disk stays full. */
const FULL_MS = 5000;
const { signal } = new AbortController();

let folder: string;
let queueDirectory: string;
const mounted: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-queue-'));
  queueDirectory = join(folder, 'queue');
});
afterEach(() => {
  // Also where a test failed and has files open there.
  for (const path of mounted.splice(0)) execFileSync('umount', ['--lazy', path]);
  rmSync(folder, { recursive: true, force: true });
});

/** Makes the queue's directory a disk of so many bytes; says why not where that cannot be. */
function whyNoDisk(bytes: number): string | undefined {
  mkdirSync(queueDirectory);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'virtstat', queueDirectory], { stdio: 'pipe' });
    mounted.push(queueDirectory);
    return undefined;
  } catch {
    return 'nothing can be mounted here, which takes root';
  }
}

/** Leaves no room on the disk of the queue, until what it returns is called. */
function fillDisk(): () => void {
  const path = join(queueDirectory, 'filler');
  for (let size = MIB; size >= 512; size >>= 1) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: 'a' });
    } catch {
      // Something smaller may fit.
    }
  }
  return () => unlinkSync(path);
}

function options({ port }: Collector): readonly string[] {
  return [`endpoint = "http://127.0.0.1:${port}/write"`, `queue-directory = "${queueDirectory}"`];
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + LIMIT_MS;
  while (!(await isSo()) && performance.now() < deadlineMs) await sleep(50);
  expect(await isSo()).toBe(true);
}

/** No sample came twice, those of a series came in order, and nobody missed a collection of a second. */
function expectEachOnce(collector: Collector, longestPauseMs: number): void {
  const wrong = [...collector.timesBySeries].filter(([, times]) =>
    times.some(
      (time, index) =>
        index > 0 && !(time > (times[index - 1] ?? 0) && time - (times[index - 1] ?? 0) < longestPauseMs),
    ),
  );
  expect(wrong).toEqual([]);
  expect(collector.timesBySeries.size).toBeGreaterThan(100);
}

/** What stands in the queue's files and was not acknowledged, by the layout of its records: bodies in hex. */
function bodiesInFiles(): readonly string[] {
  const slots = readFileSync(join(queueDirectory, 'acknowledged'));
  const [, acknowledged = 0n] = [8, 24].map((at) => slots.readBigUInt64LE(at)).sort((a, b) => (a < b ? -1 : 1));
  const bodies: string[] = [];
  for (const name of readdirSync(queueDirectory)
    .filter((each) => each.endsWith('.segment'))
    .toSorted()) {
    const bytes = readFileSync(join(queueDirectory, name));
    for (let at = 0; at + 24 <= bytes.length; ) {
      const end = at + 24 + bytes.readUInt32LE(at + 8);
      if (bytes.toString('latin1', at, at + 4) !== 'VSQ1' || end > bytes.length) break;
      if (bytes.readBigUInt64LE(at + 16) > acknowledged) bodies.push(bytes.toString('hex', at + 24, end));
      at = end;
    }
  }
  return bodies;
}

function timesOf(collector: Collector, body: string): number {
  return collector.requests.filter((request) => request.isTaken && request.body.toString('hex') === body).length;
}

describe('a queue on a full disk', () => {
  it('keeps what its bound in memory allows, loses the oldest of it, and goes on when there is room', async (context) => {
    const reason = whyNoDisk(4 * MIB);
    if (reason !== undefined) return context.skip(reason);
    const lines: [message: string, reason: unknown][] = [];
    const log = (facts: Readonly<Record<string, unknown>>, message: string) => lines.push([message, facts['reason']]);
    const tally = new PushTally('test', { info: log, warn: log });
    const lost = () => tally.dropped.get('disk') ?? 0;
    const queue = await DiskQueue.open({
      directory: queueDirectory,
      maxBytes: 256 * MIB,
      listener: tally,
    });
    const bodies = Array.from({ length: 24 }, () => randomBytes(MIB - 100));
    for (const body of bodies) await queue.append([{ body, samples: 1 }]);
    // Three are on the disk, seven in memory.
    expect(lines).toEqual([
      ['the disk does not take what waits; some of it is kept in memory', expect.stringContaining('ENOSPC')],
      ['neither disk nor memory has room for what waits; the oldest of it is dropped and counted', undefined],
    ]);
    const { batches, bytes } = queue.state;
    expect(batches + lost()).toBe(bodies.length);
    expect(bytes).toBeLessThanOrEqual(MAX_UNWRITTEN_BYTES + 4 * MIB);
    expect(bytes).toBeGreaterThan(MAX_UNWRITTEN_BYTES);
    const got: number[] = [];
    const take = async (): Promise<void> => {
      const { body, sequence } = await queue.next(signal);
      got.push(bodies.findIndex((each) => each.equals(body)));
      await queue.acknowledge(sequence);
    };
    for (let nth = 0; nth < 3; nth++) await take();
    // What there is room for is written, though that is not all.
    const freeBytes = () => statfsSync(queueDirectory).bfree * statfsSync(queueDirectory).bsize;
    expect(freeBytes()).toBeGreaterThan(3 * MIB);
    await queue.append([{ body: Buffer.from('more'), samples: 1 }]);
    expect(freeBytes()).toBeLessThan(2 * MIB);
    expect(lines).toHaveLength(2);
    while (queue.state.batches > 0) await take();
    await queue.append([{ body: Buffer.from('more'), samples: 1 }]);
    expect(lines.slice(2)).toEqual([['the disk takes what waits again', undefined]]);
    await take();
    // The last two are those that came when there was room.
    expect(got.slice(-2)).toEqual([-1, -1]);
    const kept = got.slice(0, -2);
    expect(new Set(kept).size).toBe(kept.length);
    expect(kept).toEqual(kept.toSorted((a, b) => a - b));
    expect(kept.slice(-5)).toEqual([19, 20, 21, 22, 23]);
    expect(kept.length + lost()).toBe(bodies.length);
    expect([...tally.dropped.values()].reduce((sum, count) => sum + count, 0)).toBe(lost());
    expect(lines).toHaveLength(3);
    await queue.close();
  });

  it('is told by one line of the log and by the metrics of the daemon, which sends all of it once there is room', async (context) => {
    const reason = whyNoDisk(MIB);
    if (reason !== undefined) return context.skip(reason);
    await using collector = await Collector.listen();
    await using pushing = await PushingDaemon.start(folder, options(collector));
    await until(async () => (await pushing.value('sent_total')) > 0);
    collector.answer = (response) => void response.writeHead(503).end();
    const empty = fillDisk();
    await pushing.daemon.said('the disk does not take what waits; some of it is kept in memory');
    await sleep(FULL_MS);
    const waiting = await pushing.value('pending');
    expect(waiting).toBeGreaterThan(100);
    expect(await pushing.value('queue_bytes')).toBeGreaterThan(1000);
    expect(await pushing.value('failing')).toBe(1);
    empty();
    await pushing.daemon.said('the disk takes what waits again');
    expect(await pushing.value('pending')).toBeGreaterThanOrEqual(waiting);
    collector.answer = (response) => void response.writeHead(204).end();
    await until(async () => (await pushing.value('pending')) === 0);
    expect(await pushing.value('dropped_total', ',reason="disk"')).toBe(0);
    for (const message of [
      'the disk does not take what waits; some of it is kept in memory',
      'the disk takes what waits again',
      'samples do not get through; they wait, and are sent again',
      'samples get through again',
    ]) {
      expect([message, pushing.linesOf(message)]).toEqual([message, 1]);
    }
    expect(await pushing.daemon.end('SIGTERM')).toBe(0);
    // Had nothing been kept meanwhile, all would have paused for that long.
    expectEachOnce(collector, FULL_MS);
  });
});

describe('a daemon that is killed', () => {
  it('sends what it had queued when it is started again, and nothing that was acknowledged', async () => {
    await using collector = await Collector.listen();
    await using pushing = await PushingDaemon.start(folder, options(collector));
    await until(() => collector.requests.length >= 2);
    await until(async () => (await pushing.value('pending')) === 0);
    await pushing.daemon.end('SIGKILL');
    expect(bodiesInFiles()).toEqual([]);
    const taken = collector.requests.map(({ body }) => body.toString('hex'));

    collector.answer = (response) => void response.writeHead(503).end();
    await pushing.restart();
    await until(() => bodiesInFiles().length >= 3);
    await pushing.daemon.end('SIGKILL');
    const queued = bodiesInFiles();
    expect(queued.length).toBeGreaterThanOrEqual(3);

    collector.answer = (response) => void response.writeHead(204).end();
    await pushing.restart();
    await until(() => queued.every((body) => timesOf(collector, body) > 0));
    expect(await pushing.daemon.end('SIGTERM')).toBe(0);
    expect([...taken, ...queued].map((body) => timesOf(collector, body))).toEqual([...taken, ...queued].map(() => 1));
    expectEachOnce(collector, 60_000);
  });

  it('at any moment, again and again, loses nothing that it had queued, and sends no more than one request twice', async () => {
    await using collector = await Collector.listen();
    // An answer that is late is one that a kill may come before.
    collector.answer = (response) => void setTimeout(() => response.writeHead(204).end(), 100);
    await using pushing = await PushingDaemon.start(folder, options(collector));
    const queued = new Set<string>();
    for (let kill = 0; kill < KILLS; kill++) {
      const before = collector.requests.length;
      await until(() => collector.requests.length > before);
      await sleep(37 * kill);
      await pushing.daemon.end('SIGKILL');
      for (const body of bodiesInFiles()) queued.add(body);
      await pushing.restart();
    }
    expect(queued.size).toBeGreaterThan(0);
    await until(() => [...queued].every((body) => timesOf(collector, body) > 0));
    await until(async () => (await pushing.value('pending')) === 0);
    expect(await pushing.daemon.end('SIGTERM')).toBe(0);
    const bodies = collector.requests.map(({ body }) => body.toString('hex'));
    const twice = bodies.filter((body, index) => bodies.indexOf(body) < index);
    expect(twice.length).toBeLessThanOrEqual(KILLS);
    // Only the one that was under way, right after itself.
    expect(bodies.filter((body, index) => bodies.indexOf(body) < index && bodies[index - 1] !== body)).toEqual([]);
  });
});
