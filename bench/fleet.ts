import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { childOf, DaemonProcess } from './daemon.ts';
import { hasKvm, Programs, startOwner, whyNoCompiler } from './owner.ts';
import { cpuNsOf, rssBytesOf } from './process-cost.ts';
import { type BenchResult, type BenchSkip, median } from './report.ts';
import { VarlinkReader } from './varlink-reader.ts';

const DOMAINS = 200;
const VCPUS = 4;
/** Processes of the host that are no VMs: whoever looks for VMs has to look at them too. */
const OTHERS = 300;
/** What stands for the kernel's part where there is no KVM: the stats file of a vCPU that worked. */
const CAPTURE = fileURLToPath(new URL('../captures/kvm/lab-vcpu0.t2.bin', import.meta.url));
const NAME = `${DOMAINS} domains of ${VCPUS} vCPUs`;
const INTERVAL_MS = 1000;
const IDLE_MS = 10_000;
/** By then what is done each second is compiled. */
const WARM_UP_SWEEPS = 30;
/** Daemon and C loop take turns, so that both meet what else the machine does. */
const ROUNDS = 3;
const SWEEPS_PER_ROUND = 15;
/** An hour's, as fast as they come: that takes some minutes. */
const SWEEPS = 3600;
/** How long after them the collector of garbage has done what it does when nothing else is to be done. */
const REST_MS = 20_000;

/** A pid namespace of its own, so that the daemon finds these VMs and no others; what is in it ends with the first process. */
const APART = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--'] as const;

/**
 * Two hundred processes with a VM each, found by the daemon itself, under one watch of all vCPUs and all stats at 1 s: CPU and
 * memory of the daemon, and whether its memory grows over an hour's worth of sweeps. Where there is no KVM, captured stats files
 * stand for the kernel's (c/fleet.c, c/kvm-names.c): a read of one costs about as much, and everything else is as it is.
 */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoCompiler() ?? whyNotApart();
  if (reason !== undefined) return [{ name: NAME, skipped: reason }];
  using programs = new Programs();
  const captured = hasKvm() ? [] : [CAPTURE];
  const fleet = await startOwner(programs.compile('fleet'), [DOMAINS, VCPUS, OTHERS, ...captured], APART);
  try {
    await using daemon = await DaemonProcess.start({
      connect: ['local:'],
      namespaceOf: childOf(fleet.pid),
      ...(captured.length > 0 && { preload: programs.compile('kvm-names', 'library') }),
    });
    const rival = rivalIn(childOf(fleet.pid), programs.compile('fleet-loop'));
    return [await discovery(daemon), ...(await watching(daemon, rival)), await growth(daemon)];
  } finally {
    await fleet.stop();
  }
}

function whyNotApart(): string | undefined {
  try {
    execFileSync(APART[0], [...APART.slice(1), 'true'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'a pid namespace cannot be made, which needs root';
  }
}

/** What the daemon does while nobody reads: it looks for domains. */
async function discovery(daemon: DaemonProcess): Promise<BenchResult> {
  await sleep(INTERVAL_MS);
  const ours = await coreShare(daemon, () => sleep(IDLE_MS));
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
      const ours = await coreShare(daemon, async () => {
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

/** CPU time of the daemon in percent of the time that passed. */
async function coreShare(daemon: DaemonProcess, during: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  const startNs = cpuNsOf(daemon.pid);
  await during();
  return (cpuNsOf(daemon.pid) - startNs) / 1e4 / (performance.now() - startMs);
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
