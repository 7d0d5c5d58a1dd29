import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeMonitor } from '../src/testing.ts';
import { type Run, virtstat } from './lab/cli.ts';
import { DaemonProcess } from './lab/daemon.ts';
import { Engine, freePort, whyNoEngine } from './lab/engine.ts';

const SLOW_MS = 90_000;
const EXITS_PER_SECOND = 1000;
const ENOUGH_VALUES = 10;
const noEngine = whyNoEngine('prometheus');

let folder: string;
let engine: Engine | undefined;
let daemon: DaemonProcess | undefined;
let monitor: FakeMonitor | undefined;

/** A VM whose first vCPU exits a thousand times a second, and whose second one three times as often. */
function listen(path: string): Promise<FakeMonitor> {
  const startMs = Date.now();
  const schemas = [
    {
      provider: 'kvm',
      target: 'vcpu',
      stats: [
        { name: 'exits', type: 'cumulative', exponent: 0 },
        { name: 'halt_wait_hist', type: 'log2-histogram', unit: 'seconds', base: 10, exponent: -9 },
      ],
    },
  ];
  const results = {
    get vcpu() {
      return [1, 3].map((times, cpu) => {
        const exits = BigInt((Date.now() - startMs) * (EXITS_PER_SECOND / 1000) * times);
        const stats = [
          { name: 'exits', value: exits },
          { name: 'halt_wait_hist', value: [0n, exits / 2n, exits / 4n, 0n] },
        ];
        return { provider: 'kvm', path: `/machine/unattached/device[${cpu}]`, stats };
      });
    },
  };
  return FakeMonitor.listen({ name: 'web-1', path, schemas, results });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vs-plot-'));
  if (noEngine !== undefined) return;
  engine = await Engine.start('prometheus', folder, await freePort());
  monitor = await listen(join(folder, 'qmp'));
  const config = [
    ...[`connect = ["qmp+unix:${folder}/qmp"]`, `runtime-dir = "${folder}/run"`, `state-dir = "${folder}/state"`],
    ...['[[remote-write]]', 'name = "prom"', `endpoint = "${engine.url}/api/v1/write"`],
    ...['every = "1s"', 'profile = "full"'],
  ];
  writeFileSync(join(folder, 'virtstat.toml'), config.join('\n'));
  daemon = await DaemonProcess.ready('--config', join(folder, 'virtstat.toml'));
  const deadlineMs = performance.now() + SLOW_MS / 2;
  const hasEnough = async (): Promise<boolean> => {
    const counts = (await engine?.query('count_over_time(kvm_vcpu_exits_total[5m])')) ?? [];
    return counts.length === 2 && counts.every((count) => count >= ENOUGH_VALUES);
  };
  while (!(await hasEnough()) && performance.now() < deadlineMs) await sleep(500);
}, SLOW_MS);

afterAll(async () => {
  await daemon?.end('SIGTERM');
  await engine?.stop();
  await monitor?.close();
  rmSync(folder, { recursive: true, force: true });
});

const plot = (...args: readonly string[]): Promise<Run> => virtstat('plot', engine!.url, ...args, '--since', '1m');

describe('a plot of what a real Prometheus has', () => {
  beforeEach((context) => context.skip(noEngine !== undefined, noEngine));

  it('shows a counter as its growth, a line for each series', async () => {
    const run = await plot('kvm_vcpu_exits_total{domain="web-1"}');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^kvm_vcpu_exits_total\{domain="web-1"\}, growth per second\n/);
    const lasts = run.stdout.matchAll(/^ {2}[ab] .*domain="web-1".*vcpu="(\d)".* {2}last (\S+)\/s/gm);
    const rates = new Map([...lasts].map(([, vcpu, rate]) => [vcpu, Number(rate)]));
    expect([...rates.keys()].toSorted()).toEqual(['0', '1']);
    expect(rates.get('1')! / rates.get('0')!).toBeCloseTo(3, 0);
  });

  it('shows a histogram by its buckets, and any other PromQL as it comes', async () => {
    const run = await plot('kvm_vcpu_halt_wait_hist_seconds_bucket', 'sum(rate(kvm_vcpu_exits_total[6s]))');
    expect(run).toMatchObject({ status: 0, stderr: '' });
    // A value each second, as dense as the values came.
    expect(run.stdout).toMatch(/^≤ 3 ns │[░▒▓█]{60,} +[1-9]\d*$/m);
    expect(run.stdout).toMatch(/^≤ 1 ns │[░▒▓█]{60,} +[1-9]\d*$/m);
    const [, last] =
      /^sum\(rate\(kvm_vcpu_exits_total\[6s\]\)\)\n(?:.*\n)+? {2}all {2}last (\S+), /m.exec(run.stdout) ?? [];
    expect(Number(last)).toBeGreaterThan(EXITS_PER_SECOND * 3);
    expect(Number(last)).toBeLessThan(EXITS_PER_SECOND * 5);
  });

  it('says in one line what is wrong', async () => {
    const wrong = await plot('rate(');
    expect(wrong).toMatchObject({ status: 2, stdout: '' });
    expect(wrong.stderr).toMatch(/^virtstat: 127\.0\.0\.1:\d+ refuses the query: .*parse error.*\n$/);
    const nothing = await plot('no_such_metric');
    expect(nothing).toMatchObject({ status: 3, stdout: '' });
    expect(nothing.stderr).toMatch(/^virtstat: .*no_such_metric.*\n$/);
    const away = await virtstat('plot', `http://127.0.0.1:${await freePort()}`, 'up');
    expect(away).toMatchObject({ status: 1, stdout: '' });
    expect(away.stderr).toMatch(/^virtstat: [^\n]*\n$/);
  });
});
