import { setTimeout as sleep } from 'node:timers/promises';
import { nowNs } from '../src/host/clock.ts';
import type { JsonObject } from '../src/protocol/json/json.ts';
import { VarlinkLink } from '../src/source/virtstat/link.ts';
import { startQemu, type Vm, whyNoVm } from '../test/lab/qemu.ts';
import { DaemonProcess } from './daemon.ts';
import { type BenchResult, type BenchSkip, median, quantile } from './report.ts';

const VMS = 20;
const NAME = `one of ${VMS} QEMUs stopped`;
/** How long a domain may take, as it is where nobody says otherwise. */
const DEADLINE_MS = 3000;
const ROUNDS = 3;
/** The shortest that a watch may have, so that a round has many sweeps. */
const INTERVAL_MS = 100;
/**
 * The one sweep that waits when the VM stops is a quarter of a percent of those of a round. In a round of 17 s it is more than half a
 * percent, and the 99th percentile of that side what the 99.5th is of the other. How long it is, the longest pause tells.
 */
const ROUND_MS = 40_000;
/** How long a VM that goes on may take until it is read as before. */
const SETTLE_MS = 2000;

/**
 * Twenty QEMUs under one watch: how old the others' values are on arrival while one of them is stopped, and how long none came
 * when it stopped.
 */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoVm({ accel: 'kvm', paused: true });
  if (reason !== undefined) return [{ name: NAME, skipped: reason }];
  await using vms = new Vms();
  while (vms.all.length < VMS) vms.all.push(await startQemu({ accel: 'kvm', paused: true, hmp: false }));
  await using daemon = await DaemonProcess.start({
    connect: vms.all.map(({ qmpPath }) => `qmp+unix:${qmpPath}`),
    args: ['--timeout', `${DEADLINE_MS}`],
  });
  const watch = new AgeWatch(daemon.varlinkPath);
  try {
    await watch.ages(SETTLE_MS);
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(watch, vms.all[round] as Vm));
    return [
      {
        name: `${NAME}: p99 age of the others`,
        rival: 'all running',
        unit: 'ms',
        ours: median(rounds.map(({ stopped }) => stopped)),
        theirs: median(rounds.map(({ running }) => running)),
        ratio: median(rounds.map(({ stopped }) => stopped)) / median(rounds.map(({ running }) => running)),
        limit: 1.1,
      },
      {
        name: 'longest pause in their values',
        rival: 'what one domain may take',
        unit: 'ms',
        ours: median(rounds.map(({ pauseMs }) => pauseMs)),
        theirs: DEADLINE_MS,
        ratio: median(rounds.map(({ pauseMs }) => pauseMs)) / DEADLINE_MS,
        limit: 1.1,
      },
    ];
  } finally {
    await watch.close();
  }
}

interface Round {
  /** The 99th percentile of the age of every VM's values but one's, in milliseconds, while that one is stopped. */
  readonly stopped: number;
  /** The same while it runs. */
  readonly running: number;
  /** The longest time without new values while that one is stopped. */
  readonly pauseMs: number;
}

async function measure(watch: AgeWatch, vm: Vm): Promise<Round> {
  const running = await watch.ages(ROUND_MS, vm.name);
  process.kill(vm.pid, 'SIGSTOP');
  try {
    const stopped = await watch.ages(ROUND_MS, vm.name);
    return { stopped: quantile(stopped, 0.99), running: quantile(running, 0.99), pauseMs: watch.longestPauseMs };
  } finally {
    process.kill(vm.pid, 'SIGCONT');
    await sleep(SETTLE_MS);
  }
}

/** A watch over all domains, on one connection. */
class AgeWatch {
  readonly #link: VarlinkLink;
  readonly #ended: Promise<void>;
  #failure: unknown;
  #ages: number[] = [];
  #without: string | undefined;
  #lastMs = 0;
  /** The longest time from one reply to the next since {@link ages} was called. */
  longestPauseMs = 0;

  constructor(path: string) {
    this.#link = new VarlinkLink({ kind: 'unix', path }, { interfaces: [] });
    this.#ended = this.#read().catch((error: unknown) => {
      this.#failure = error;
    });
  }

  /** How old, in milliseconds, the values were that came in the next while, those of one domain left out. */
  async ages(durationMs: number, without?: string): Promise<readonly number[]> {
    this.#without = without;
    this.#ages = [];
    this.longestPauseMs = 0;
    await sleep(durationMs);
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#ages.length === 0) throw new Error(`no values came within ${durationMs} ms`);
    return this.#ages;
  }

  async close(): Promise<void> {
    this.#link.close();
    await this.#ended;
  }

  async #read(): Promise<void> {
    const signal = new AbortController().signal;
    const parameters = { target: 'vcpu', intervalMs: INTERVAL_MS };
    for await (const reply of this.#link.callMore('org.virtstat.Stats.Watch', parameters, { signal })) {
      const receivedAtNs = nowNs();
      const receivedMs = performance.now();
      this.longestPauseMs = Math.max(this.longestPauseMs, receivedMs - this.#lastMs);
      this.#lastMs = receivedMs;
      for (const domain of reply['domains'] as JsonObject[]) {
        if (domain['name'] === this.#without) continue;
        for (const sample of domain['samples'] as JsonObject[]) {
          const collectedAtNs = BigInt(sample['collectedAtNs'] as bigint);
          this.#ages.push(Number(receivedAtNs - collectedAtNs) / 1e6);
        }
      }
    }
  }
}

/** VMs that all end with the block. */
class Vms implements AsyncDisposable {
  readonly all: Vm[] = [];

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((vm) => vm.stop()));
  }
}
