import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { virtstat, virtstatJson } from './lab/cli.ts';
import { FreshCaptures } from './lab/fresh-captures.ts';
import { TmuxTerminal, whyNoTmux } from './lab/tmux.ts';

const BIN = fileURLToPath(new URL('../bin/virtstat.cjs', import.meta.url));
const CAPTURES = fileURLToPath(new URL('../captures/kvm', import.meta.url));
const VCPUS = 2;
const TOUCH_MS = 50;
const POLL = { timeout: 15_000, interval: 50 };
const SWEEPS = /^0:0[1-9] {2}\d+ sweeps, \d+ samples, \d+ values {2}\S+ KiB in \S+\n$/;

let folder: string;
let captures: FreshCaptures;
let source: readonly [string, string];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vs-run-'));
  captures = new FreshCaptures(join(folder, 'vms'), { domains: ['lab.t2'], everyMs: TOUCH_MS });
  source = ['-c', captures.uri];
});
afterAll(() => {
  captures[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const pathOf = (name: string): string => join(folder, name);
const command = (output: string, ...more: readonly string[]): readonly string[] => [
  ...[process.execPath, BIN, ...source, 'record', 'vcpu/exits', '--every', '100ms', '-o', pathOf(output), ...more],
];

describe('record', () => {
  it('says how far it is on a terminal, in one line that gives way to what it did', async (context) => {
    const reason = whyNoTmux();
    if (reason !== undefined) context.skip(reason);
    const words = command('shown.parquet', '--for', '2s').map((word) => `'${word}'`);
    const shell = ['sh', '-c', `${words.join(' ')}; echo "status $?"; sleep 60`];
    using terminal = TmuxTerminal.open(shell, { columns: 200, rows: 10 });
    const progress = /^0:01 of 0:02 {2}\d+ sweeps, \d+ samples, \d+ values {2}0 B in \S+shown\.parquet$/;
    await expect.poll(() => terminal.lines()[0], POLL).toMatch(progress);
    await expect.poll(() => terminal.lines()[1], POLL).toBe('status 0');
    expect(terminal.lines()[0]).toMatch(/^0:02 of 0:02 {2}\d+ sweeps, .* KiB in \S+shown\.parquet$/);
  });

  it('says it on a terminal that does not know its size, too', (context) => {
    if (spawnSync('script', ['--version']).error !== undefined) context.skip('script(1) is not installed');
    const words = command('sizeless.parquet', '--for', '1s').map((word) => `'${word}'`);
    const script = ['-qfec', `stty cols 0 rows 0; exec ${words.join(' ')}`, '/dev/null'];
    const { stdout } = spawnSync('script', script, { encoding: 'utf8', timeout: 15_000 });
    expect(stdout).toMatch(/\r0:00 of 0:01 {2}\d+ sweeps, \d+ samples, \d+ values {2}/);
    expect(stdout).toMatch(/0:01 of 0:01 {2}\d+ sweeps, [^\r]*sizeless\.parquet\r\n$/);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'writes what it has on %s, and that is no failure',
    async (signal) => {
      const output = `${signal}.parquet`;
      const [program, ...args] = command(output) as [string, ...string[]];
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      const said = { stdout: '', stderr: '' };
      for (const stream of ['stdout', 'stderr'] as const) {
        child[stream].setEncoding('utf8').on('data', (text: string) => (said[stream] += text));
      }
      const ended = once(child, 'close');
      try {
        await expect.poll(() => existsSync(`${pathOf(output)}.parts`), POLL).toBe(true);
        await new Promise((resolve) => setTimeout(resolve, 1500));
        // Nobody looks at it, so nothing is said meanwhile.
        expect(said).toEqual({ stdout: '', stderr: '' });
        child.kill(signal);
        expect((await ended)[0]).toBe(0);
      } finally {
        child.kill('SIGKILL');
      }
      expect(said).toEqual({ stdout: expect.stringMatching(SWEEPS), stderr: '' });
      expect(existsSync(`${pathOf(output)}.parts`)).toBe(false);
      expect(await virtstatJson('-c', `replay:${pathOf(output)}?from=end`, 'query', 'vcpu')).toHaveLength(VCPUS);
    },
  );

  it('takes what stands still once, and leaves nothing behind where it is refused', async () => {
    const output = pathOf('still.parquet');
    const still = ['-c', `kvm+file:${CAPTURES}`, 'record', 'vcpu/exits', '--every', '100ms', '--for', '1s'];
    expect(await virtstat(...still, '-o', output)).toMatchObject({
      ...{ status: 0, stdout: expect.stringMatching(/^0:01 of 0:01 {2}\d+ sweeps, 6 samples, 6 values /) },
    });
    const refused = await virtstat(...still, '--domain', 'nobody', '-o', pathOf('nobody.parquet'));
    expect(refused).toMatchObject({ status: 3, stdout: '' });
    expect(readdirSync(folder).filter((name) => name.startsWith('nobody'))).toEqual([]);
  });
});
