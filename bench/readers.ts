import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_STALL_MS, MAX_UNREAD_BYTES } from '../src/face/unread-room.ts';
import { startQemu, whyNoVm } from '../test/lab/qemu.ts';
import { DaemonProcess } from './daemon.ts';
import { rssBytesOf } from './process-cost.ts';
import { QmpReader, request } from './qmp-reader.ts';
import { type BenchResult, type BenchSkip, median, quantile } from './report.ts';

const READERS = 500;
const NAME = `${READERS} readers of one VM`;
const QUERY = request('query-stats', { target: 'vcpu' });
const ASK_EVERY_MS = 1000;
const ROUNDS = 7;
const ROUND_MS = 5000;
const WARM_UP_MS = 2000;

/** Many at once, so that what each costs stands out from what a garbage collector does. */
const STALLED = 100;
/** Far more than is answered to somebody who does not read: some 40 MB of replies. */
const STALLED_REQUESTS: Buffer = Buffer.concat(Array.from({ length: 1000 }, () => QUERY));
/** How often the daemon's memory is looked at. */
const LOOK_EVERY_MS = 200;

/**
 * Five hundred readers of one VM of 8 vCPUs, each of which asks for all stats every second: whether one that stops reading
 * holds up the others, how much memory it takes, and that it is dropped.
 */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoVm({ accel: 'kvm', paused: true });
  if (reason !== undefined) return [{ name: NAME, skipped: reason }];
  await using vm = await startQemu({ accel: 'kvm', smp: 8, paused: true });
  await using daemon = await DaemonProcess.start({ connect: [`qmp+unix:${vm.qmpPath}`] });
  const [path = ''] = daemon.qmpPaths;
  return [await waiting(path), ...(await stalling(daemon, path))];
}

async function waiting(path: string): Promise<BenchResult> {
  using readers = new Readers(path);
  await readers.open(READERS);
  await latencies(readers, WARM_UP_MS);
  const rounds: { ours: number; theirs: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const theirs = quantile(await latencies(readers, ROUND_MS), 0.99);
    using stalled = new Readers(path);
    await stalled.open(1);
    stalled.all[0]?.stall(STALLED_REQUESTS);
    rounds.push({ ours: quantile(await latencies(readers, ROUND_MS), 0.99), theirs });
  }
  return {
    name: `${NAME}, one stops: p99`,
    rival: 'all read',
    unit: 'ms/reply',
    ours: median(rounds.map(({ ours }) => ours)),
    theirs: median(rounds.map(({ theirs }) => theirs)),
    ratio: median(rounds.map(({ ours, theirs }) => ours / theirs)),
    limit: 1.25,
  };
}

/** How long each reply took, in milliseconds, while all readers ask in turn. */
async function latencies(readers: Readers, durationMs: number): Promise<readonly number[]> {
  const startMs = performance.now();
  const figures: number[] = [];
  await Promise.all(
    readers.all.map(async (reader, index) => {
      const firstMs = startMs + (index / readers.all.length) * ASK_EVERY_MS;
      for (let dueMs = firstMs; dueMs < startMs + durationMs; dueMs += ASK_EVERY_MS) {
        await sleep(Math.max(0, dueMs - performance.now()));
        const askedMs = performance.now();
        await reader.ask(QUERY);
        figures.push(performance.now() - askedMs);
      }
    }),
  );
  return figures;
}

async function stalling(daemon: DaemonProcess, path: string): Promise<readonly BenchResult[]> {
  using stalled = new Readers(path);
  await stalled.open(STALLED);
  // Lines of the log are one for many where many are dropped at once: descriptors tell how many.
  const openFds = () => readdirSync(`/proc/${daemon.pid}/fd`).length;
  const before = openFds();
  const dropped = () => before - openFds();
  const startBytes = rssBytesOf(daemon.pid);
  const startMs = performance.now();
  let mostBytes = startBytes;
  for (const reader of stalled.all) reader.stall(STALLED_REQUESTS);
  while (dropped() < STALLED && performance.now() - startMs < 2 * MAX_STALL_MS) {
    mostBytes = Math.max(mostBytes, rssBytesOf(daemon.pid));
    await sleep(LOOK_EVERY_MS);
  }
  const tookMs = performance.now() - startMs;
  if (dropped() < STALLED) throw new Error(`${dropped()} readers were dropped, not ${STALLED}`);
  if (daemon.countOf('a client was dropped: it does not read') === 0) throw new Error('the log says nothing of it');
  const ours = (mostBytes - startBytes) / STALLED / 1024;
  const theirs = MAX_UNREAD_BYTES / 1024;
  return [
    // A reply more than may wait, and what memory comes with it.
    {
      name: 'memory of one that stops',
      rival: 'what may wait',
      unit: 'KiB',
      ours,
      theirs,
      ratio: ours / theirs,
      limit: 2,
    },
    {
      name: 'until it is dropped, filling included',
      rival: 'what it is given',
      unit: 's',
      ours: tookMs / 1000,
      theirs: MAX_STALL_MS / 1000,
      ratio: tookMs / MAX_STALL_MS,
      limit: 1.25,
    },
  ];
}

/** Readers of one socket, which all leave with the block. */
class Readers implements Disposable {
  readonly #path: string;
  readonly all: QmpReader[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  async open(count: number): Promise<void> {
    while (this.all.length < count) this.all.push(await QmpReader.open(this.#path));
  }

  [Symbol.dispose](): void {
    for (const reader of this.all) reader.close();
  }
}
