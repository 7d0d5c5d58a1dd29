import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Recorder } from '../src/history/recorder.ts';
import type { Sample } from '../src/model/sample.ts';
import { open } from '../src/open.ts';
import { type BenchResult, cpuNs } from './report.ts';

const VMS = 200;
const VCPUS = 4;
/** Sweeps of a minute at 1 Hz. */
const SWEEPS = 60;
const CAPTURES = new URL('../captures/kvm', import.meta.url).pathname;

/**
 * A minute of 36,600 series at 1 Hz (200 VMs of 4 vCPUs, without histograms): CPU of recording and of writing, as a share of
 * the minute, and bytes on the disk for each value. The first values are those of captures; from sweep to sweep counters go on
 * by what two consecutive captures grew by, a little more or less for each vCPU.
 */
export async function run(): Promise<readonly BenchResult[]> {
  const captures = await open(`kvm+file:${CAPTURES}`);
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-bench-'));
  try {
    const schemas = (await captures.schemas())[0]!.items;
    const samplesAt = async (domain: string, target: string): Promise<Sample> =>
      (await captures.query({ target }, { domains: [domain] }))[0]!.items[0]!;
    const [vm, before, after] = await Promise.all([
      samplesAt('lab.t1', 'vm'),
      samplesAt('lab.t1', 'vcpu'),
      samplesAt('lab.t2', 'vcpu'),
    ]);
    const path = join(folder, 'r.parquet');
    const recorder = await Recorder.open({
      path,
      everyMs: 1000,
      onProblem: (error) => {
        throw error;
      },
    });
    let cpu = 0;
    for (let second = 0; second < SWEEPS; second++) {
      const answers = Array.from({ length: VMS }, (_, n) => answerOf(n, second, vm, before, after));
      const startNs = cpuNs();
      await recorder.add(answers, (_, { target }) => schemas.find((schema) => schema.target === target));
      cpu += cpuNs() - startNs;
    }
    const startNs = cpuNs();
    await recorder.close();
    cpu += cpuNs() - startNs;
    const share = cpu / (SWEEPS * 1e9);
    const bytes = statSync(path).size / recorder.progress.valueCount;
    const what = { rival: '(limit)' };
    return [
      { ...what, name: 'record 36,600 series at 1 Hz', unit: 'of one core', ours: share, ratio: share, limit: 0.1 },
      { ...what, name: 'recorded values on disk', unit: 'bytes/value', ours: bytes, ratio: bytes, limit: 2 },
    ];
  } finally {
    await captures.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function answerOf(n: number, second: number, vm: Sample, before: Sample, after: Sample) {
  const domain = { id: `vm-${n}`, name: `vm-${n}`, source: 'bench:' };
  const collectedAtNs = 1_795_000_000_000_000_000n + BigInt(second) * 1_000_000_000n + BigInt(n * 9000 + second * 137);
  const growth = before.stats.map(({ value }, k) => {
    const later = after.stats[k]!.value;
    return typeof value === 'bigint' && typeof later === 'bigint' ? later - value : undefined;
  });
  const vcpus = Array.from({ length: VCPUS }, (_, cpu): Sample => {
    const stats = before.stats.flatMap(({ name, value }, k) => {
      if (typeof value === 'object') return [];
      if (typeof value === 'boolean' || !growth[k]) return [{ name, value }];
      const pace = 50n + BigInt((n * 7 + cpu * 13 + second * 29) % 100);
      return [{ name, value: value + BigInt(second) * growth[k]! + (growth[k]! * pace) / 100n }];
    });
    return { ...before, path: `/machine/unattached/device[${cpu}]`, collectedAtNs, stats };
  });
  return { domain, items: [{ ...vm, collectedAtNs }, ...vcpus] };
}
