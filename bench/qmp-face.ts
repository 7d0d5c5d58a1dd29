import { setTimeout as sleep } from 'node:timers/promises';
import { startQemu, type Vm, whyNoVm } from '../test/lab/qemu.ts';
import { DaemonProcess } from './daemon.ts';
import { cpuNsOf } from './process-cost.ts';
import { QmpReader, request } from './qmp-reader.ts';
import { type BenchResult, type BenchSkip, median } from './report.ts';

const NAME = 'query-stats of 8 vCPUs, all stats';
const QUERY = request('query-stats', { target: 'vcpu' });
const ROUNDS = 9;
const ROUND_MS = 700;
const WARM_UP_MS = 500;

/** How many readers QEMU should not notice, beside one. */
const MANY_READERS = 50;
const LOAD_ROUNDS = 5;
const LOAD_ROUND_MS = 5000;
/** How old values may be: short, so that QEMU is asked often enough in one round for one question more not to matter. */
const MAX_AGE_MS = 250;
/** From one request of a reader to the next: much shorter, so that one reader alone does not let values get older. */
const ASK_EVERY_MS = 20;

/**
 * One QEMU and a daemon that reads it through its monitor: how fast each of them answers the same client, one request at a
 * time on one connection, and whether QEMU works more for many readers of the daemon than for one.
 */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoVm({ accel: 'kvm', paused: true });
  if (reason !== undefined) return [{ name: NAME, skipped: reason }];
  await using vm = await startQemu({ accel: 'kvm', smp: 8, paused: true, qmp: 2 });
  await using daemon = await DaemonProcess.start({
    connect: [`qmp+unix:${vm.qmpPath}`],
    args: ['--qmp.max-age', `${MAX_AGE_MS}ms`],
  });
  const [facePath = ''] = daemon.qmpPaths;
  return [await speed(facePath, vm.qmpPaths[1] ?? ''), await load(facePath, vm)];
}

async function speed(facePath: string, qemuPath: string): Promise<BenchResult> {
  const face = await QmpReader.open(facePath);
  const qemu = await QmpReader.open(qemuPath);
  const rounds: { ours: number; theirs: number }[] = [];
  try {
    for (const reader of [face, qemu]) await usPerReply(reader, WARM_UP_MS);
    for (let round = 0; round < ROUNDS; round++) {
      rounds.push({ ours: await usPerReply(face, ROUND_MS), theirs: await usPerReply(qemu, ROUND_MS) });
    }
  } finally {
    face.close();
    qemu.close();
  }
  return {
    name: NAME,
    rival: 'QEMU itself',
    unit: 'us/reply',
    ours: median(rounds.map(({ ours }) => ours)),
    theirs: median(rounds.map(({ theirs }) => theirs)),
    ratio: median(rounds.map(({ ours, theirs }) => ours / theirs)),
    limit: 0.1,
  };
}

async function usPerReply(reader: QmpReader, durationMs: number): Promise<number> {
  const startMs = performance.now();
  let replies = 0;
  while (performance.now() - startMs < durationMs) {
    await reader.ask(QUERY);
    replies++;
  }
  return ((performance.now() - startMs) * 1000) / replies;
}

async function load(facePath: string, vm: Vm): Promise<BenchResult> {
  const readers: QmpReader[] = [];
  const rounds: { many: number; one: number }[] = [];
  try {
    while (readers.length < MANY_READERS) readers.push(await QmpReader.open(facePath));
    for (let round = 0; round < LOAD_ROUNDS; round++) {
      const one = await qemuLoad(vm, readers.slice(0, 1));
      rounds.push({ one, many: await qemuLoad(vm, readers) });
    }
  } finally {
    for (const reader of readers) reader.close();
  }
  return {
    name: `QEMU's work for ${MANY_READERS} readers`,
    rival: 'for one reader',
    unit: 'ms CPU/s',
    ours: median(rounds.map(({ many }) => many)),
    theirs: median(rounds.map(({ one }) => one)),
    ratio: median(rounds.map(({ many, one }) => many / one)),
    limit: 1.25,
  };
}

/** CPU time of QEMU, in milliseconds for each second, while each of these readers asks again and again. */
async function qemuLoad(vm: Vm, readers: readonly QmpReader[]): Promise<number> {
  const startMs = performance.now();
  const endMs = startMs + LOAD_ROUND_MS;
  const startNs = cpuNsOf(vm.pid);
  await Promise.all(readers.map((reader, index) => askUntil(endMs, reader, (index / readers.length) * ASK_EVERY_MS)));
  return (cpuNsOf(vm.pid) - startNs) / 1e3 / (performance.now() - startMs);
}

async function askUntil(endMs: number, reader: QmpReader, delayMs: number): Promise<void> {
  for (let dueMs = performance.now() + delayMs; dueMs < endMs; dueMs += ASK_EVERY_MS) {
    await sleep(Math.max(0, dueMs - performance.now()));
    await reader.ask(QUERY);
  }
}
