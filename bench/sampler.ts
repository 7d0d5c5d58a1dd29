import { execFileSync } from 'node:child_process';
import { Sampler } from '../src/source/kvm/sampler.ts';
import { openStatsFiles } from '../src/source/kvm/vmm-files.ts';
import { Programs, startOwner, whyNoOwner } from './owner.ts';
import { type BenchResult, type BenchSkip, cpuNs, median } from './report.ts';

const VMS = 125;
const VCPUS = 8;
const FILES: number = VMS * VCPUS;
const ROUNDS = 9;
/** Sweeps of one round: a round takes some 50 ms of CPU, so the clock's steps do not matter. */
const SWEEPS = 100;
/** Sweeps before the first round, so that the code is compiled. */
const WARM_UP_SWEEPS = 50;
const HEAP_SAMPLES = 1_000_000;

/**
 * 1000 vCPU stats files of another process: read all and compute how much each scalar changed, against a loop in C that
 * only reads. Then how the heap grows over a million samples.
 */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoOwner();
  if (reason !== undefined) return [{ name: 'sampler', skipped: reason }];
  using programs = new Programs();
  const preadLoop = programs.compile('pread-loop');
  const owner = await startOwner(programs.compile('owner'), [VMS, VCPUS]);
  try {
    using opened = openStatsFiles(owner.pid);
    const files = opened.files.filter(({ layout }) => layout.scope.target === 'vcpu');
    if (files.length !== FILES) throw new Error(`${files.length} files were opened instead of ${FILES}`);
    const sampler = new Sampler(files);
    for (let sweep = 0; sweep < WARM_UP_SWEEPS; sweep++) sampler.sweep();
    return [compare(sampler, preadLoop, owner.pid), ...measureHeap(sampler)];
  } finally {
    await owner.stop();
  }
}

function compare(sampler: Sampler, preadLoop: string, pid: number): BenchResult {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const output = execFileSync(preadLoop, [String(pid), String(SWEEPS)], { encoding: 'utf8' });
    const theirs = (JSON.parse(output) as { readonly nsPerFile: number }).nsPerFile;
    const ours = cpuOf(() => sweepTimes(sampler, SWEEPS)) / (SWEEPS * FILES);
    return { ours, theirs, ratio: ours / theirs };
  });
  return {
    name: `sampler, ${FILES} vCPU files`,
    rival: 'C pread loop',
    unit: 'ns CPU/file',
    ours: median(rounds.map(({ ours }) => ours)),
    theirs: median(rounds.map(({ theirs }) => theirs)),
    ratio: median(rounds.map(({ ratio }) => ratio)),
    limit: 3,
  };
}

function measureHeap(sampler: Sampler): readonly (BenchResult | BenchSkip)[] {
  const name = 'sampler, heap over 1e6 samples';
  const collect = globalThis.gc;
  if (collect === undefined) return [{ name, skipped: 'run node with --expose-gc' }];
  collect();
  const before = process.memoryUsage().heapUsed;
  sweepTimes(sampler, HEAP_SAMPLES / FILES);
  const garbage = process.memoryUsage().heapUsed - before;
  collect();
  const growth = process.memoryUsage().heapUsed - before;
  const common = { rival: 'none', unit: 'B/sample', limit: 1 };
  const kept = growth / HEAP_SAMPLES;
  const littered = garbage / HEAP_SAMPLES;
  return [
    { name: `${name}, kept`, ...common, ours: kept, ratio: kept },
    { name: `${name}, garbage`, ...common, ours: littered, ratio: littered },
  ];
}

function sweepTimes(sampler: Sampler, times: number): void {
  for (let sweep = 0; sweep < times; sweep++) sampler.sweep();
  if (sampler.failedCount > 0) throw new Error(`${sampler.failedCount} files could not be read`);
}

function cpuOf(work: () => void): number {
  const start = cpuNs();
  work();
  return cpuNs() - start;
}
