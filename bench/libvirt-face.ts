import { setTimeout as sleep } from 'node:timers/promises';
import { whyNoLibvirt } from '../test/lab/libvirt.ts';
import { runAlone } from './alone.ts';
import { DaemonProcess } from './daemon.ts';
import { LibvirtDomains } from './libvirt-domains.ts';
import { cpuNsOf } from './process-cost.ts';
import { type BenchResult, type BenchSkip, median } from './report.ts';
import { VirshSession, virsh } from './virsh.ts';

const DOMAINS = 20;
const NAME = `virsh domstats, ${DOMAINS} domains`;
const ROUNDS = 5;
/** Commands of a round, one behind the other, of ours and of theirs, which take much longer. */
const [OURS, THEIRS] = [20, 3];

/** How long a VM is stopped until the first command, in milliseconds: its last values have to be older than they may be. */
const STOPPED_MS = 1200;

/** In a pid namespace: the daemon is to find these VMs and no others. */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoLibvirt();
  return reason === undefined ? runAlone(new URL(import.meta.url)) : [{ name: NAME, skipped: reason }];
}

/**
 * `virsh domstats` of 20 domains through virtstatd, against the same through the libvirtd that runs them. In one session of
 * virsh, what it takes has nothing of virsh's own start in it, which is the same for both; a whole command has. What virtstatd
 * answers is either read for this command, or young enough for the one who asks.
 */
export async function measure(): Promise<readonly BenchResult[]> {
  await using domains = await LibvirtDomains.start('lvface', DOMAINS);
  return [...(await young(domains)), await readAnew(domains), await oneStopped(domains)];
}

/** What one command costs. */
interface Cost {
  readonly wallMs: number;
  /** Of the daemon and all QEMUs. */
  readonly cpuMs: number;
}

async function young(domains: LibvirtDomains): Promise<readonly BenchResult[]> {
  const { lab, pids } = domains;
  await using daemon = await daemonOf('1h');
  await using ours = new VirshSession(uriOf(daemon));
  await using theirs = new VirshSession(lab.readOnlyUri);
  const sessions = await compare(
    () => costOf(OURS, () => domstats(ours), [daemon.pid, ...pids]),
    () => costOf(THEIRS, () => domstats(theirs), [lab.pid, ...pids]),
  );
  const commands = await compare(
    () => costOf(THEIRS, () => virsh(uriOf(daemon), 'domstats'), [daemon.pid, ...pids]),
    () => costOf(THEIRS, () => virsh(lab.readOnlyUri, 'domstats'), [lab.pid, ...pids]),
  );
  return [
    result(`${NAME}: in a session`, sessions, 'ms', 1 / 5, ({ wallMs }) => wallMs),
    result('the same, daemon and QEMUs', sessions, 'ms CPU', 1 / 20, ({ cpuMs }) => cpuMs),
    result('the same, a virsh for each', commands, 'ms', 1 / 5, ({ wallMs }) => wallMs),
  ];
}

async function readAnew(domains: LibvirtDomains): Promise<BenchResult> {
  const { lab, pids } = domains;
  await using daemon = await daemonOf('0s');
  await using ours = new VirshSession(uriOf(daemon));
  await using theirs = new VirshSession(lab.readOnlyUri);
  const rounds = await compare(
    () => costOf(THEIRS, () => domstats(ours), [daemon.pid, ...pids]),
    () => costOf(THEIRS, () => domstats(theirs), [lab.pid, ...pids]),
  );
  // Every VM is asked for every command: what is left of the difference is that they are asked at once, and for less.
  return result('the same in a session, read anew', rounds, 'ms', 1 / 2, ({ wallMs }) => wallMs);
}

/** Whole commands, while one QEMU is stopped: all domains are in the answer. */
async function oneStopped({ pids: [stopped = 0] }: LibvirtDomains): Promise<BenchResult> {
  await using daemon = await daemonOf('1s');
  await virsh(uriOf(daemon), 'domstats');
  process.kill(stopped, 'SIGSTOP');
  try {
    const times: number[] = [];
    while (times.length < 4 * ROUNDS) {
      await sleep(STOPPED_MS);
      const startMs = performance.now();
      check(await virsh(uriOf(daemon), 'domstats'));
      times.push(performance.now() - startMs);
    }
    const ours = median(times);
    return { name: 'the same, one QEMU stopped', rival: '200 ms', unit: 'ms', ours, ratio: ours, limit: 200 };
  } finally {
    process.kill(stopped, 'SIGCONT');
  }
}

function daemonOf(maxAge: string): Promise<DaemonProcess> {
  return DaemonProcess.start({ connect: ['local:'], args: ['--libvirt.max-age', maxAge] });
}

function uriOf(daemon: DaemonProcess): string {
  return `qemu+unix:///system?socket=${daemon.runtimeDir}/libvirt-sock-ro`;
}

async function domstats(session: VirshSession): Promise<string> {
  return session.run('domstats');
}

function check(text: string): void {
  const count = text.split('\n').filter((line) => /^Domain: 'lvface-/.test(line)).length;
  if (count !== DOMAINS) throw new Error(`virsh told of ${count} domains, not of ${DOMAINS}`);
}

async function costOf(times: number, command: () => Promise<string>, pids: readonly number[]): Promise<Cost> {
  const cpu = (): number => pids.reduce((sum, pid) => sum + cpuNsOf(pid), 0);
  const [startMs, startNs] = [performance.now(), cpu()];
  for (let time = 0; time < times; time++) check(await command());
  return { wallMs: (performance.now() - startMs) / times, cpuMs: (cpu() - startNs) / 1e6 / times };
}

type Rounds = readonly { readonly ours: Cost; readonly theirs: Cost }[];

async function compare(ours: () => Promise<Cost>, theirs: () => Promise<Cost>): Promise<Rounds> {
  const rounds: { readonly ours: Cost; readonly theirs: Cost }[] = [];
  // The first round warms both up.
  for (let round = 0; round <= ROUNDS; round++) {
    const costs = { ours: await ours(), theirs: await theirs() };
    if (round > 0) rounds.push(costs);
  }
  return rounds;
}

function result(name: string, rounds: Rounds, unit: string, limit: number, of: (cost: Cost) => number): BenchResult {
  return {
    name,
    rival: 'libvirtd',
    unit,
    ours: median(rounds.map(({ ours }) => of(ours))),
    theirs: median(rounds.map(({ theirs }) => of(theirs))),
    ratio: median(rounds.map(({ ours, theirs }) => of(ours) / of(theirs))),
    limit,
  };
}
