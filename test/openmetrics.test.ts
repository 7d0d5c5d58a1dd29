import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DaemonProcess } from './lab/daemon.ts';
import { startQemu, type Vm, whyNoVm } from './lab/qemu.ts';

const PROMTOOL = '/usr/bin/promtool';
const PROMETHEUS = '/usr/bin/prometheus';
const PARSER = '/usr/lib/python3/dist-packages/prometheus_client';
const LIMIT_MS = 60_000;
const PROFILES = ['curated', 'full', 'libvirt'];

/** Reads OpenMetrics as strictly as its reference does, and says what families there are. */
const READ_STRICTLY = `
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    print(family.name, family.type, len(family.samples))
`;

const vmOptions = { accel: 'kvm', paused: true } as const;
const missing = [PROMTOOL, PROMETHEUS, PARSER].find((file) => !existsSync(file));
const reason = missing === undefined ? whyNoVm(vmOptions) : `${missing} is missing`;

describe.skipIf(reason !== undefined)(
  `metrics of a real VM${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  () => {
    let folder: string;
    let vm: Vm;
    let daemon: DaemonProcess;
    let port: number;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'vsm-'));
      vm = await startQemu(vmOptions);
      port = await freePort();
      const args = ['-c', `qmp+unix:${vm.qmpPath}`, '--runtime-dir', join(folder, 'run')];
      daemon = await DaemonProcess.ready(...args, '--web.listen-address', `127.0.0.1:${port}`);
    }, LIMIT_MS);
    afterAll(async () => {
      await daemon?.[Symbol.asyncDispose]();
      await vm?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    async function page(profile: string, accept: string): Promise<string> {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics?profile=${profile}`, { headers: { accept } });
      expect(answer.status).toBe(200);
      return answer.text();
    }

    it.each(PROFILES)('has nothing that promtool complains of, in the profile %s', async (profile) => {
      const text = await page(profile, 'text/plain;version=0.0.4');
      const { status, output } = await run(PROMTOOL, ['check', 'metrics'], text);
      // Exporters of libvirt's statistics share names that break Prometheus's rules.
      if (profile !== 'libvirt') expect(output).toBe('');
      expect(profile === 'libvirt' ? [0, 3] : [0]).toContain(status);
    });

    it.each(PROFILES)('is read by the reference parser of OpenMetrics, in the profile %s', async (profile) => {
      const text = await page(profile, 'application/openmetrics-text;version=1.0.0');
      const { status, output } = await run('/usr/bin/python3', ['-c', READ_STRICTLY], text);
      expect([status, output.includes('Error')]).toEqual([0, false]);
      if (profile === 'full') expect(output).toMatch(/^kvm_vcpu_\w+_hist_seconds histogram \d{2,}$/m);
      if (profile === 'curated') expect(output).toMatch(/^kvm_vcpu_exits counter 1$/m);
      if (profile === 'libvirt') expect(output).toMatch(/^libvirt_domain_info_virtual_cpus gauge 1$/m);
    });

    it('is scraped by Prometheus', { timeout: LIMIT_MS }, async () => {
      const at = `127.0.0.1:${await freePort()}`;
      const config = join(folder, 'prometheus.yml');
      const job = `{job_name: virtstat, scrape_interval: 1s, static_configs: [{targets: ["127.0.0.1:${port}"]}], params: {profile: [full]}}`;
      writeFileSync(config, `scrape_configs: [${job}]\n`);
      const flags = [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'tsdb')}`,
        `--web.listen-address=${at}`,
      ];
      const prometheus = spawn(PROMETHEUS, flags, { stdio: 'ignore' });
      const ended = new Promise((resolve) => prometheus.once('close', resolve));
      try {
        const value = await until(async () => (await answerTo(at, 'up{job="virtstat"}')) === '1');
        expect(value).toBe(true);
        expect(Number(await answerTo(at, 'count(kvm_vcpu_halt_wait_hist_seconds_bucket)'))).toBeGreaterThanOrEqual(32);
        expect(await answerTo(at, 'virtstat_domain_stale_seconds')).toBe('0');
      } finally {
        prometheus.kill('SIGKILL');
        await ended;
      }
    });
  },
);

/** The first value of a query; undefined where there is none, or nobody answers yet. */
async function answerTo(at: string, query: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`http://${at}/api/v1/query?query=${encodeURIComponent(query)}`);
    const { data } = (await answer.json()) as { data?: { result?: readonly { value: readonly [number, string] }[] } };
    return data?.result?.[0]?.value[1];
  } catch {
    return undefined;
  }
}

async function until(isSo: () => Promise<boolean>): Promise<boolean> {
  const deadlineMs = performance.now() + LIMIT_MS / 2;
  while (performance.now() < deadlineMs) {
    if (await isSo()) return true;
    await sleep(250);
  }
  return false;
}

function run(file: string, args: readonly string[], input: string): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(file, args, { timeout: LIMIT_MS, maxBuffer: 1 << 26 }, (_error, stdout, stderr) =>
      resolve({ status: child.exitCode ?? -1, output: stdout + stderr }),
    );
    child.stdin?.end(input);
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
