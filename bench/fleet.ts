import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DaemonProcess } from './daemon.ts';
import { coreShareOf, rssBytesOf } from './process-cost.ts';
import { type BenchResult, type BenchSkip, median } from './report.ts';
import { VarlinkReader } from './varlink-reader.ts';
import { VmmFleet, whyNoFleet } from './vmm-fleet.ts';

const DOMAINS = 200;
const VCPUS = 4;
const NAME = `${DOMAINS} domains of ${VCPUS} vCPUs`;
const INTERVAL_MS = 1000;
const IDLE_MS = 10_000;
/** By then what is done each second is compiled: until then that takes a fifth of the time. */
const WARM_UP_SWEEPS = 75;
/** Daemon and C loop take turns, so that both meet what else the machine does. */
const ROUNDS = 3;
const SWEEPS_PER_ROUND = 15;
/** An hour's, as fast as they come: that takes some minutes. */
const SWEEPS = 3600;
/** How long after them the collector of garbage has done what it does when nothing else is to be done. */
const REST_MS = 20_000;

/**
 * Two hundred processes with a VM each, found by the daemon itself, under one watch of all vCPUs and all stats at 1 s: CPU and
 * memory of the daemon, and whether its memory grows over an hour's worth of sweeps.
 */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoFleet();
  if (reason !== undefined) return [{ name: NAME, skipped: reason }];
  await using fleet = await VmmFleet.start(DOMAINS, VCPUS);
  await using daemon = await fleet.daemon();
  const rival = rivalIn(fleet.pid, fleet.programs.compile('fleet-loop'));
  return [await discovery(daemon), ...(await watching(daemon, rival)), await growth(daemon)];
}

/** What the daemon does while nobody reads: it looks for domains. */
async function discovery(daemon: DaemonProcess): Promise<BenchResult> {
  await sleep(INTERVAL_MS);
  const ours = await coreShareOf(daemon.pid, () => sleep(IDLE_MS));
  return { name: `${NAME}, nobody reads`, rival: '', unit: '% of a core', ours, ratio: ours, limit: 2 };
}

/** What nobody can do without who reads and sends the same, in percent of a core: a C loop in the namespace of a process. */
type Rival = (bytesPerSweep: number) => number;

function rivalIn(pid: number, program: string): Rival {
  const enter = [`--target=${pid}`, '--pid', '--mount', '--', program];
  return (bytesPerSweep) => {
    const text = execFileSync('nsenter', [...enter, `${SWEEPS_PER_ROUND}`, `${bytesPerSweep}`], { encoding: 'utf8' });
    const { files, percent } = JSON.parse(text) as { readonly files: number; readonly percent: number };
    // The stats file of each vCPU, and three files of its thread.
    if (files !== DOMAINS * VCPUS * 4) throw new Error(`the C loop reads ${files} files`);
    return percent;
  };
}

async function watching(daemon: DaemonProcess, rival: Rival): Promise<readonly BenchResult[]> {
  const reader = new VarlinkReader(daemon.varlinkPath);
  try {
    reader.call('org.virtstat.Stats.Watch', { target: 'vcpu', intervalMs: INTERVAL_MS }, true);
    const first = await reader.reply();
    checkReply(first);
    for (let sweep = 0; sweep < WARM_UP_SWEEPS; sweep++) await reader.reply();
    const rssMb: number[] = [];
    const rounds: { readonly ours: number; readonly theirs: number }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const ours = await coreShareOf(daemon.pid, async () => {
        for (let sweep = 0; sweep < SWEEPS_PER_ROUND; sweep++) {
          await reader.reply();
          rssMb.push(rssBytesOf(daemon.pid) / 1e6);
        }
      });
      rounds.push({ ours, theirs: rival(first.length) });
      // What came meanwhile, since the C loop was waited for without reading.
      await reader.reply();
    }
    const memory = Math.max(...rssMb);
    const ours = median(rounds.map((round) => round.ours));
    const watch = { name: `${NAME}, all stats each second`, unit: '% of a core', ours };
    return [
      { ...watch, rival: '', ratio: ours, limit: 5 },
      {
        ...watch,
        rival: 'C loop that reads and sends it',
        theirs: median(rounds.map(({ theirs }) => theirs)),
        ratio: median(rounds.map((round) => round.ours / round.theirs)),
        limit: 6,
      },
      { name: `${NAME}, memory`, rival: '', unit: 'MB', ours: memory, ratio: memory, limit: 200 },
    ];
  } finally {
    reader.close();
  }
}

/**
 * Memory is compared at rest: at full speed it swings by half of it, as the collector of garbage comes late or soon. The heap
 * grows to the size that it works with during the first thousand sweeps or two; what grows by a twentieth in as many
 * more, 5 kB a sweep, is a leak.
 */
async function growth(daemon: DaemonProcess): Promise<BenchResult> {
  const theirs = await memoryAfter(daemon, SWEEPS / 2);
  const ours = await memoryAfter(daemon, SWEEPS / 2);
  return {
    name: `memory at rest after ${SWEEPS} sweeps`,
    rival: `after ${SWEEPS / 2}`,
    unit: 'MB',
    ours,
    theirs,
    ratio: ours / theirs,
    limit: 1.05,
  };
}

/** What is resident, in MB, some time after that many sweeps more. */
async function memoryAfter(daemon: DaemonProcess, sweeps: number): Promise<number> {
  const reader = new VarlinkReader(daemon.varlinkPath);
  try {
    for (let sweep = 0; sweep < sweeps; sweep++) {
      reader.call('org.virtstat.Stats.GetStats', { target: 'vcpu' });
      await reader.reply();
    }
  } finally {
    reader.close();
  }
  await sleep(REST_MS);
  return rssBytesOf(daemon.pid) / 1e6;
}

/** Every vCPU has to be there, read from its file. */
function checkReply(reply: Buffer): void {
  const { parameters } = JSON.parse(reply.toString('utf8', 0, reply.length - 1)) as Reply;
  const samples = parameters.domains.flatMap((domain) => domain.samples);
  const files = samples.filter(({ via, stats }) => via === 'kvm-file' && stats.length > 0).length;
  if (files !== DOMAINS * VCPUS) throw new Error(`${files} vCPUs were read instead of ${DOMAINS * VCPUS}`);
}

interface Reply {
  readonly parameters: {
    readonly domains: readonly {
      readonly samples: readonly { readonly via: string; readonly stats: readonly unknown[] }[];
    }[];
  };
}
