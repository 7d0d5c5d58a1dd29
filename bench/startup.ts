import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startQemu, type Vm, whyNoVm } from '../test/lab/qemu.ts';
import { RawQmp } from '../test/lab/qmp.ts';
import { type BenchResult, type BenchSkip, median } from './report.ts';

const NAME = 'virtstat query vm --json';
const ROUNDS = 31;
const WARM_UP_ROUNDS = 3;
const BIN = fileURLToPath(new URL('../bin/virtstat.cjs', import.meta.url));

/** From process start to exit, against a bare Node.js and one query of the same monitor. */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const reason = whyNoVm({ accel: 'kvm', paused: true });
  if (reason !== undefined) return [{ name: NAME, skipped: reason }];
  await using vm = await startQemu({ accel: 'kvm', paused: true });
  const rounds: { ours: number; theirs: number }[] = [];
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const figures = { ours: timeOf([BIN, 'query', 'vm', '--json', '--domain', vm.name]), theirs: await rival(vm) };
    if (round >= 0) rounds.push(figures);
  }
  return [
    {
      name: NAME,
      rival: 'node -e 0, one round trip',
      unit: 'ms',
      ours: median(rounds.map(({ ours }) => ours)),
      theirs: median(rounds.map(({ theirs }) => theirs)),
      ratio: median(rounds.map(({ ours, theirs }) => ours / theirs)),
      limit: 2,
    },
  ];
}

async function rival(vm: Vm): Promise<number> {
  const nodeMs = timeOf(['-e', '0']);
  const startMs = performance.now();
  const monitor = await RawQmp.open(vm.qmpPath);
  await monitor.execute('query-stats', { target: 'vm' });
  monitor.close();
  return nodeMs + performance.now() - startMs;
}

function timeOf(args: readonly string[]): number {
  const startMs = performance.now();
  execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  return performance.now() - startMs;
}
