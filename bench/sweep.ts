import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Registry } from '../src/registry/registry.ts';
import { LocalSource } from '../src/source/local/local-source.ts';
import { type LibvirtLab, startLibvirt, whyNoLibvirt } from '../test/lab/libvirt.ts';
import { cpuNsOf } from './process-cost.ts';
import { type BenchResult, type BenchSkip, cpuNs, median } from './report.ts';

const NAME = 'all stats of 20 domains';
const DOMAINS = 20;
const ROUNDS = 5;
/** Sweeps of a round, one behind the other. */
const SWEEPS = 10;
const TARGETS = ['vm', 'vcpu', 'block', 'interface', 'iothread'];
/** python3-libvirt: the system's own Python has it. */
const PYTHON = '/usr/bin/python3';
const BINDING = '/usr/lib/python3/dist-packages/libvirt.py';

/**
 * One sweep of every provider over 20 domains (2 vCPUs, 2 disks, 1 NIC, a balloon), against `getAllDomainStats` of libvirt on
 * the same domains: time until the last value is there, and CPU time of everybody who works for it: the reader, QEMU, libvirtd.
 */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoLibvirt() ?? (existsSync(BINDING) ? undefined : `${BINDING} is not installed`);
  if (reason !== undefined) return [{ name: NAME, skipped: reason }];
  await using lab = await startLibvirt();
  const pids: number[] = [];
  for (let index = 1; index <= DOMAINS; index++) {
    const domain = await lab.start({ name: `sweep-${index}`, tap: `vssweep${index}`, paused: true });
    pids.push(lab.pidOf(domain));
  }
  using python = new PythonLibvirt(lab);
  const registry = new Registry([new LocalSource({ pids })], { deadlineMs: 30_000 });
  const sweep = async (): Promise<void> => {
    const answers = await Promise.all(TARGETS.map((target) => registry.query({ target })));
    const errors = answers.flat().flatMap((answer) => answer.errors);
    if (errors.length > 0) throw errors[0];
  };
  const rounds: { readonly ours: Cost; readonly theirs: Cost }[] = [];
  try {
    await sweep();
    await python.call();
    for (let round = 0; round < ROUNDS; round++) {
      const ours = await costOf(
        async () => void (await sweep()),
        () => cpuNs() + sum(pids.map(cpuNsOf)),
      );
      const theirs = await costOf(
        () => python.call(),
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

const SCRIPT = `
import sys, libvirt
connection = libvirt.openReadOnly(sys.argv[1])
for line in sys.stdin:
    print(len(connection.getAllDomainStats()), flush=True)
`;

/** A client of libvirt by its own C library, which calls when it is told to. */
class PythonLibvirt implements Disposable {
  readonly #child;
  readonly #answers;

  constructor(lab: LibvirtLab) {
    this.#child = spawn(PYTHON, ['-c', SCRIPT, lab.readOnlyUri], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async call(): Promise<void> {
    this.#child.stdin.write('\n');
    const { value } = await this.#answers.next();
    if (Number(value) !== DOMAINS) throw new Error(`libvirt told of ${value} domains, not of ${DOMAINS}`);
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}
