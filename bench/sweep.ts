import { Registry } from '../src/registry/registry.ts';
import { LocalSource } from '../src/source/local/local-source.ts';
import { whyNoLibvirt } from '../test/lab/libvirt.ts';
import { LibvirtDomains } from './libvirt-domains.ts';
import { cpuNsOf } from './process-cost.ts';
import { PythonLibvirt, whyNoPythonLibvirt } from './python-libvirt.ts';
import { type BenchResult, type BenchSkip, cpuNs, median } from './report.ts';

const NAME = 'all stats of 20 domains';
const DOMAINS = 20;
const ROUNDS = 5;
/** Sweeps of a round, one behind the other. */
const SWEEPS = 10;
const TARGETS = ['vm', 'vcpu', 'block', 'interface', 'iothread'];

/**
 * One sweep of every provider over 20 domains (2 vCPUs, 2 disks, 1 NIC, a balloon), against `getAllDomainStats` of libvirt on
 * the same domains: time until the last value is there, and CPU time of everybody who works for it: the reader, QEMU, libvirtd.
 */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoLibvirt() ?? whyNoPythonLibvirt();
  if (reason !== undefined) return [{ name: NAME, skipped: reason }];
  await using domains = await LibvirtDomains.start('sweep', DOMAINS);
  const { lab, pids } = domains;
  using python = new PythonLibvirt(lab.readOnlyUri);
  const registry = new Registry([new LocalSource({ pids })], { deadlineMs: 30_000 });
  const sweep = async (): Promise<void> => {
    const answers = await Promise.all(TARGETS.map((target) => registry.query({ target })));
    const errors = answers.flat().flatMap((answer) => answer.errors);
    if (errors.length > 0) throw errors[0];
  };
  const rounds: { readonly ours: Cost; readonly theirs: Cost }[] = [];
  try {
    await sweep();
    await python.call(DOMAINS);
    for (let round = 0; round < ROUNDS; round++) {
      const ours = await costOf(
        async () => void (await sweep()),
        () => cpuNs() + sum(pids.map(cpuNsOf)),
      );
      const theirs = await costOf(
        () => python.call(DOMAINS),
        () => sum([python.pid, lab.pid, ...pids].map(cpuNsOf)),
      );
      rounds.push({ ours, theirs });
    }
  } finally {
    await registry.close();
  }
  const result = (name: string, unit: string, limit: number, of: (cost: Cost) => number): BenchResult => ({
    name: `${NAME}, ${name}`,
    rival: 'getAllDomainStats',
    unit,
    ours: median(rounds.map(({ ours }) => of(ours))) / 1e6,
    theirs: median(rounds.map(({ theirs }) => of(theirs))) / 1e6,
    ratio: median(rounds.map(({ ours, theirs }) => of(ours) / of(theirs))),
    limit,
  });
  return [
    result('until the last is there', 'ms', 1 / 2, ({ wallNs }) => wallNs),
    result('reader, QEMU, libvirtd', 'ms CPU', 2 / 3, ({ cpu }) => cpu),
  ];
}

interface Cost {
  readonly wallNs: number;
  /** Nanoseconds. */
  readonly cpu: number;
}

/** What one call takes, on average over {@link SWEEPS}. */
async function costOf(work: () => Promise<void>, cpu: () => number): Promise<Cost> {
  const [startMs, startCpuNs] = [performance.now(), cpu()];
  for (let time = 0; time < SWEEPS; time++) await work();
  return { wallNs: ((performance.now() - startMs) * 1e6) / SWEEPS, cpu: (cpu() - startCpuNs) / SWEEPS };
}

function sum(figures: readonly number[]): number {
  return figures.reduce((total, figure) => total + figure, 0);
}
