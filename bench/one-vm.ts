import { setTimeout as sleep } from 'node:timers/promises';
import type { Reading } from '../src/model/sample.ts';
import { Sampler } from '../src/source/kvm/sampler.ts';
import { openStatsFiles } from '../src/source/kvm/vmm-files.ts';
import { Monitor } from '../src/source/qemu/monitor.ts';
import { Relay } from '../src/source/qemu/relay.ts';
import { guestRuns, newerQemuRoot, startQemu, type Vm, whyNoVm } from '../test/lab/qemu.ts';
import { cpuNsOf } from './process-cost.ts';
import { type BenchResult, type BenchSkip, cpuNs, median } from './report.ts';

const NAME = 'one VM of 8 vCPUs, all stats';
const ROUNDS = 7;
const QUERIES = 100;
/** A round takes some 200 ms of CPU: in a shorter one, what the queries before left in the caches is measured too. */
const FILE_SAMPLES = 50_000;
const DECODED_SAMPLES = 500;
const DISTURBING_SAMPLES = 200;

/**
 * One VM of 8 vCPUs on a QEMU that keeps its stats files open: what a sample of all vCPUs costs by the kernel's files and by
 * the monitor of the same QEMU, our CPU time and QEMU's together; and whether the guest notices.
 */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const newer = newerQemuRoot();
  const reason = 'reason' in newer ? newer.reason : whyNoVm({ accel: 'kvm', root: newer.root });
  if ('reason' in newer || reason !== undefined) return [{ name: NAME, skipped: reason ?? '' }];
  await using vm = await startQemu({ ...newer, accel: 'kvm', smp: 8, paused: true, guest: true });
  return [...(await cost(vm)), await disturbance(vm)];
}

async function cost(vm: Vm): Promise<readonly BenchResult[]> {
  using files = openStatsFiles(vm.pid);
  const monitor = new Monitor({ kind: 'unix', path: vm.qmpPath });
  const signal = new AbortController().signal;
  const [kvm] = await new Relay(monitor, { isOneProcess: true }).providers({ signal });
  if (kvm === undefined) throw new Error('this QEMU offers no statistics');
  const domain = { id: '1', name: vm.name, source: 'bench' };
  const sampler = new Sampler(files.files);
  const rounds: { sweep: number; decoded: number; query: number }[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const sweep = await costOf(vm, FILE_SAMPLES, () => sampler.sweep());
      const decoded = await costOf(vm, DECODED_SAMPLES, () => touchAll(files.sample('vcpu')));
      const query = await costOf(vm, QUERIES, async () => {
        touchAll(await kvm.stats(domain, { target: 'vcpu' }, { signal }));
      });
      rounds.push({ sweep, decoded, query });
    }
  } finally {
    await monitor.close();
  }
  const theirs = median(rounds.map(({ query }) => query)) / 1000;
  const result = (name: string, key: 'sweep' | 'decoded', limit: number): BenchResult => ({
    name,
    rival: 'query-stats, both ends',
    unit: 'us CPU',
    ours: median(rounds.map((round) => round[key])) / 1000,
    theirs,
    ratio: median(rounds.map((round) => round[key] / round.query)),
    limit,
  });
  return [
    result('8 vCPUs, read and compared', 'sweep', 0.01),
    result('8 vCPUs, every value as bigint', 'decoded', 0.2),
  ];
}

/** How often vCPUs were interrupted by samples of the running guest: not once. */
async function disturbance(vm: Vm): Promise<BenchResult> {
  const monitor = new Monitor({ kind: 'unix', path: vm.qmpPath });
  const signal = new AbortController().signal;
  await monitor.execute('cont', undefined, { signal });
  await monitor.close();
  await guestRuns(vm);
  await sleep(1000);
  using files = openStatsFiles(vm.pid);
  const interruptions = () =>
    files.sample('vcpu').reduce((sum, reading) => sum + scalarOf(reading, 'signal_exits'), 0n);
  const before = interruptions();
  for (let sample = 0; sample < DISTURBING_SAMPLES; sample++) {
    touchAll(files.sample('vcpu'));
    await sleep(10);
  }
  const ours = Number(interruptions() - before);
  return {
    name: `signal_exits of ${DISTURBING_SAMPLES} samples`,
    rival: '',
    unit: 'exits',
    ours,
    ratio: ours,
    limit: 0,
  };
}

/** CPU time of one call in nanoseconds: this process and all threads of QEMU. */
async function costOf(vm: Vm, times: number, work: () => unknown): Promise<number> {
  const startNs = cpuNs() + cpuNsOf(vm.pid);
  for (let time = 0; time < times; time++) await work();
  return (cpuNs() + cpuNsOf(vm.pid) - startNs) / times;
}

/** Looks at the values, so that they are decoded. */
function touchAll(readings: readonly Reading[]): number {
  return readings.reduce((count, { stats }) => count + stats.length, 0);
}

function scalarOf(reading: Reading, name: string): bigint {
  const value = reading.stats.find((stat) => stat.name === name)?.value;
  return typeof value === 'bigint' ? value : 0n;
}
