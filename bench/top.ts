import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FakeMonitor } from '../src/testing/fake-monitor.ts';
import { childOf } from './daemon.ts';
import { cpuNsOf } from './process-cost.ts';
import type { BenchResult, BenchSkip } from './report.ts';

const BIN = fileURLToPath(new URL('../bin/virtstat.cjs', import.meta.url));
const NAME = 'virtstat top';
const VCPUS = 4;
const INTERVAL_MS = 1000;
const WARM_UP_MS = 10_000;
const REFRESHES = 20;

/** CPU of one refresh of `virtstat top` on a terminal of 120 columns and 40 rows, its monitors being another process's. */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const results: BenchResult[] = [];
  for (const [domains, limit] of [
    [20, 80],
    [200, 400],
  ] as const) {
    const ours = await refreshMs(domains);
    const name = `${NAME}, ${domains} domains of ${VCPUS} vCPUs`;
    results.push({ name, rival: '', unit: 'ms CPU/refresh', ours, ratio: ours, limit });
  }
  return results;
}

async function refreshMs(domains: number): Promise<number> {
  const monitors = await Promise.all(Array.from({ length: domains }, (_, index) => monitor(index)));
  const words = [process.execPath, BIN, ...monitors.flatMap(({ uri }) => ['-c', uri]), 'top', '-d', '1'];
  const command = `stty cols 120 rows 40; exec ${words.map((word) => `'${word}'`).join(' ')}`;
  const terminal = spawn('script', ['-qfec', command, '/dev/null'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = once(terminal, 'exit');
  try {
    await sleep(WARM_UP_MS);
    const pid = childOf(terminal.pid ?? 0);
    const startNs = cpuNsOf(pid);
    await sleep(REFRESHES * INTERVAL_MS);
    return (cpuNsOf(pid) - startNs) / 1e6 / REFRESHES;
  } finally {
    terminal.stdin.end('q');
    await Promise.race([ended, sleep(INTERVAL_MS)]);
    terminal.kill('SIGKILL');
    await Promise.all(monitors.map((each) => each.close()));
  }
}

/** A VM whose vCPUs exit a thousand times each second. */
function monitor(index: number): Promise<FakeMonitor> {
  const stats = [{ name: 'exits', type: 'cumulative', exponent: 0 }];
  const vcpu = (path: string) => ({
    provider: 'kvm',
    target: 'vcpu',
    path,
    stats: [{ name: 'exits', value: BigInt(Date.now()) }],
  });
  const paths = Array.from({ length: VCPUS }, (_, cpu) => `/machine/unattached/device[${cpu}]`);
  return FakeMonitor.listen({
    name: `vm-${index}`,
    schemas: [{ provider: 'kvm', target: 'vcpu', stats }],
    results: {
      get vcpu() {
        return paths.map(vcpu);
      },
    },
  });
}
