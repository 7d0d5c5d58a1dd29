import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Provider } from '../src/model/provider.ts';
import { LocalSource } from '../src/source/local/local-source.ts';
import { startQemu, type Vm, whyNoVm } from '../test/lab/qemu.ts';
import { RawQmp } from '../test/lab/qmp.ts';
import { Programs, whyNoCompiler } from './owner.ts';
import { type BenchResult, type BenchSkip, cpuNs, median } from './report.ts';

const NAME = 'process, 4 vCPUs';
const VMS = 4;
const ROUNDS = 9;
const WARM_UP_SWEEPS = 2000;
/** What firmware takes until the guest sleeps and wakes. */
const BOOT_MS = 5000;
/** Sweeps of one round: some 100 ms of CPU. */
const SWEEPS = 400;
const TARGETS = ['vm', 'vcpu', 'iothread'];
/** Most CPU time that a sweep of a domain may take, in microseconds. */
const LIMIT_US = 60;
/** Most that it may take of what reading the same files alone takes. */
const LIMIT_RATIO = 2;
const signal = new AbortController().signal;

/**
 * VMs of 4 vCPUs: what it costs to read all that the host's kernel accounts to one of them, its threads and its control
 * group, against a loop in C that reads the same files and looks at nothing; while the vCPUs stand still and while they run.
 */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoVm() ?? whyNoCompiler();
  if (reason !== undefined) return [{ name: NAME, skipped: reason }];
  using programs = new Programs();
  const procLoop = programs.compile('proc-loop');
  const vms: Vm[] = [];
  const source = new LocalSource();
  try {
    while (vms.length < VMS) vms.push(await startQemu({ smp: 4, paused: true, guest: true }));
    const still = await compare('vCPUs still', vms, source, procLoop);
    for (const vm of vms) await go(vm);
    await sleep(BOOT_MS);
    return [...still, ...(await compare('vCPUs run', vms, source, procLoop))];
  } finally {
    await source.close();
    for (const vm of vms) await vm.stop();
  }
}

async function go(vm: Vm): Promise<void> {
  const monitor = await RawQmp.open(vm.qmpPath);
  await monitor.execute('cont');
  monitor.close();
}

async function compare(
  what: string,
  vms: readonly Vm[],
  source: LocalSource,
  procLoop: string,
): Promise<readonly BenchResult[]> {
  const providers = await providersOf(vms, source);
  await sweepTimes(providers, WARM_UP_SWEEPS);
  const [{ pid = 0 } = {}] = vms;
  const files = openFilesOf(pid);
  const rounds: { readonly ours: number; readonly theirs: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const output = execFileSync(procLoop, [String(SWEEPS * VMS), String(pid), ...files], { encoding: 'utf8' });
    const theirs = (JSON.parse(output) as { readonly nsPerSweep: number }).nsPerSweep / 1000;
    const startNs = cpuNs();
    await sweepTimes(providers, SWEEPS);
    rounds.push({ ours: (cpuNs() - startNs) / 1000 / (SWEEPS * VMS), theirs });
  }
  const ours = median(rounds.map((round) => round.ours));
  const common = { name: `${NAME}, ${what}`, unit: 'us CPU/domain', ours };
  return [
    { rival: 'none', ...common, ratio: ours, limit: LIMIT_US },
    {
      rival: `C loop of ${files.length} files`,
      ...common,
      theirs: median(rounds.map(({ theirs }) => theirs)),
      ratio: median(rounds.map((round) => round.ours / round.theirs)),
      limit: LIMIT_RATIO,
    },
  ];
}

async function providersOf(vms: readonly Vm[], source: LocalSource): Promise<readonly Provider[]> {
  const found = (await source.scan({ signal })).filter(({ domain }) => vms.some(({ pid }) => pid === domain.pid));
  const all = await Promise.all(found.map((domain) => domain.providers({ signal })));
  const providers = all.flatMap((each) => each.filter(({ name }) => name === 'process'));
  if (providers.length !== vms.length) throw new Error(`${providers.length} of ${vms.length} domains can be measured`);
  return providers;
}

async function sweepTimes(providers: readonly Provider[], times: number): Promise<void> {
  const domain = { id: 'a', name: 'a', source: 'bench:' };
  for (let time = 0; time < times; time++) {
    for (const provider of providers) {
      for (const target of TARGETS) await provider.stats(domain, { target }, { signal });
    }
  }
}

/** What this process holds open for one VM is what a sweep of it reads; that it is in which groups, is read now and then. */
function openFilesOf(pid: number): readonly string[] {
  const links = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      // The folder itself is closed by now.
      return [];
    }
  });
  const ofVm = links.filter((link) => link.startsWith(`/proc/${pid}/`) && !link.endsWith('/cgroup'));
  const ofGroups = new Set(links.filter((link) => /^\/sys\/fs\/cgroup\//.test(link)));
  return [...ofVm, ...ofGroups];
}
