import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Run, virtstat, virtstatJson } from './lab/cli.ts';
import { guestRuns, hasKvm, startQemu, type Vm, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';

const BIN = fileURLToPath(new URL('../bin/virtstat.cjs', import.meta.url));
/** What takes a minute of recording, begun before the other tests. */
const MINUTE_LIMIT_MS = 90_000;
const EVERY_MS = 100;

/**
 * A disk of 1 MiB, which only this script sees: $1 is the folder to put it on, $2 where to leave the recording and what was said,
 * the rest the command that records into a directory, without its duration. The disk is full while the first minute ends.
 */
const FULL_DISK = `
  disk=$1; left=$2; shift 2
  mount -t tmpfs -o size=1m tmpfs "$disk"
  "$@" -o "$disk/rec" --for 2s > "$left/before" 2>&1
  "$@" -o "$disk/rec" --for 64s > "$left/out" 2> "$left/err" &
  recorder=$!
  until [ "$(cat "$disk/rec/.lock")" = "$recorder" ]; do kill -0 "$recorder"; sleep 0.1; done
  dd if=/dev/zero of="$disk/filler" bs=4096 2> "$left/dd" || true
  until [ -s "$left/err" ]; do kill -0 "$recorder"; sleep 0.1; done
  rm "$disk/filler"
  status=0; wait "$recorder" || status=$?
  cp -r "$disk/rec" "$left/rec"
  exit "$status"
`;

const noVm = whyNoVm({ accel: 'kvm', paused: true });
const noMount = process.getuid?.() === 0 ? undefined : 'mounting takes root';
let folder: string;
let vm: Vm;
/** Recorders that run for a minute beside the other tests. */
let killed: ChildProcess;
let onFullDisk: ChildProcess | undefined;

const pathOf = (name: string): string => join(folder, name);
const from = (monitor: number): readonly [string, string] => ['-c', `qmp+unix:${vm.qmpPaths[monitor]}`];
const record = (monitor: number, everyMs: number): readonly string[] => [
  ...[process.execPath, BIN, ...from(monitor), 'record', 'kvm:vcpu/*', '--every', `${everyMs}ms`],
];

/** A VM whose counters stand still after they have counted: one that ran, or one with a stand-in for KVM. */
async function startStopped(): Promise<Vm> {
  if (!hasKvm()) return startQemu({ accel: 'kvm', paused: true, qmp: 3 });
  const started = await startQemu({ accel: 'kvm', guest: true, qmp: 3 });
  await guestRuns(started);
  const monitor = await RawQmp.open(started.qmpPath);
  await monitor.execute('stop');
  monitor.close();
  return started;
}

/** Records the VM into a place, which may have something already. */
const again = (output: string, lasting = '1s'): Promise<Run> =>
  virtstat(...record(0, EVERY_MS).slice(2), '--for', lasting, '-o', output);

const segmentsIn = (directory: string): readonly string[] =>
  readdirSync(directory).filter((name) => name.endsWith('.parquet'));

/** The kernel ends it when this process ends. */
function start(command: readonly string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...command], { stdio: 'ignore' });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-record-'));
  if (noVm !== undefined) return;
  vm = await startStopped();
  killed = start([...record(1, EVERY_MS), '-o', pathOf('killed.parquet')]);
  if (noMount !== undefined) return;
  for (const name of ['disk', 'left']) mkdirSync(pathOf(name));
  const apart = ['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--'];
  const script = ['sh', '-ec', FULL_DISK, 'sh', pathOf('disk'), pathOf('left'), ...record(2, EVERY_MS)];
  onFullDisk = start([...apart, ...script]);
});

afterAll(async () => {
  for (const child of [killed, onFullDisk]) child?.kill('SIGKILL');
  await vm?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function rowsOf(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjects();
  } finally {
    connection.closeSync();
  }
}

/** The moments of one vCPU's samples in these files, in milliseconds since 1970, as another reader of Parquet has them. */
async function timesOf(files: string): Promise<readonly number[]> {
  const rows = await rowsOf(
    `SELECT epoch_ms(time::TIMESTAMP)::DOUBLE AS ms FROM read_parquet('${files}', union_by_name = true) ` +
      "WHERE path = '/machine/unattached/device[0]' ORDER BY time",
  );
  return rows.map(({ ms }) => Number(ms));
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

/** What a sample says, apart from when. */
function timeless(samples: unknown): unknown {
  return (samples as readonly Readonly<Record<string, unknown>>[]).map(({ 'collected-at': _, ...rest }) => rest);
}

beforeEach((context) => context.skip(noVm !== undefined, noVm));

describe('a recording', () => {
  it('is played again with the values that the VM has, every one of them exact', async () => {
    const output = pathOf('r.parquet');
    const run = await virtstat(...record(0, 200).slice(2), '--for', '3s', '-o', output);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(existsSync(`${output}.parts`)).toBe(false);

    const live = await virtstatJson(...from(0), 'query', 'vcpu', '*', 'kvm');
    expect(JSON.stringify(live, (_, value) => (typeof value === 'bigint' ? `${value}` : value))).toMatch(/"\d{6,}"/);
    for (const moment of ['start', 'end']) {
      const replayed = await virtstatJson('-c', `replay:${output}?from=${moment}`, 'query', 'vcpu');
      expect(timeless(replayed)).toEqual(timeless(live));
    }
    const times = await timesOf(output);
    expect(times.length).toBeGreaterThan(5);
    expect(times.length).toBeLessThanOrEqual(15);
    expect(new Set(times).size).toBe(times.length);
  });

  it('becomes a picture in the terminal, an SVG, and a page', async () => {
    const [input, svg, html] = [pathOf('r.parquet'), pathOf('r.svg'), pathOf('r.html')];
    const text = await virtstat('plot', input, 'halt_poll_fail_ns');
    expect(text).toMatchObject({ status: 0, stderr: '' });
    expect(text.stdout).toMatch(/^kvm vcpu halt_poll_fail_ns, growth per second\n/);
    expect(text.stdout).toMatch(/┤[⠁-⣿]/);
    expect(text.stdout).toContain(`${vm.name} /machine/unattached/device[0]  last 0 s/s`);

    const unnamed = await virtstat('plot', input);
    expect(unnamed).toMatchObject({ status: 2, stdout: '' });
    const [, hint = ''] = /`virtstat (-c replay:\S+ schemas)` lists them\n$/.exec(unnamed.stderr) ?? [];
    expect((await virtstat(...hint.split(' '))).stdout).toContain('halt_poll_fail_ns');

    expect(await virtstat('plot', input, 'halt_poll_fail_ns', '--svg', svg, '--html', html)).toEqual({
      ...{ status: 0, stdout: '', stderr: '' },
    });
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg [\s\S]*halt_poll_fail_ns[\s\S]*<\/svg>\s*$/);
    expect(readFileSync(html, 'utf8')).toMatch(/^<!doctype html>[\s\S]*halt_poll_fail_ns[\s\S]*<\/html>\s*$/i);
  });

  it('is not begun for a name that no schema knows', async () => {
    const output = pathOf('unknown.parquet');
    const run = await virtstat(...from(0), 'record', 'vcpu/exits', 'halt_pol_fail_ns', '-o', output);
    expect(run).toMatchObject({ status: 2, stdout: '' });
    expect(run.stderr).toMatch(
      /^virtstat: no stat is named "halt_pol_fail_ns"; did you mean halt_poll_fail_ns, .*\?\n$/,
    );
    expect(readdirSync(folder).filter((name) => name.startsWith('unknown'))).toEqual([]);
  });
});

describe('minutes that cannot be put into the one file', () => {
  it('stay beside it with status 1, until a recorder can', async () => {
    const output = pathOf('parted.parquet');
    const parts = `${output}.parts`;
    const running = again(output, '3s');
    await expect.poll(() => existsSync(parts), { timeout: 10_000 }).toBe(true);
    mkdirSync(join(output, 'in-the-way'), { recursive: true });
    const run = await running;
    expect(run.stderr).toMatch(/^virtstat: writing \S+parted\.parquet failed: .*\n$/);
    expect(run.status).toBe(1);
    expect(segmentsIn(parts)).toHaveLength(1);

    rmSync(output, { recursive: true });
    const kept = await timesOf(`${parts}/*.parquet`);
    expect(kept.length).toBeGreaterThan(2);
    expect(await again(output)).toMatchObject({ status: 0, stderr: '' });
    expect(existsSync(parts)).toBe(false);
    expect((await timesOf(output)).slice(0, kept.length)).toEqual(kept);
  });
});

describe('a part that is damaged', () => {
  it.each([
    // What the file says of itself, at its end, stays whole.
    ['in its values', (bytes: Buffer) => bytes.fill(0xff, 4, 400)],
    ['at its end', (bytes: Buffer) => bytes.subarray(0, -100)],
  ])('%s is said, kept under another name, and costs the others nothing', async (where, damage) => {
    const output = pathOf(`${where.replaceAll(' ', '-')}.parquet`);
    const parts = `${output}.parts`;
    for (const _ of ['whole', 'damaged']) expect(await again(parts)).toMatchObject({ status: 0 });
    const [whole = '', damaged = ''] = segmentsIn(parts).map((name) => join(parts, name));
    const kept = await timesOf(whole);
    writeFileSync(damaged, damage(readFileSync(damaged)));

    // Whoever reads is told, and shown the rest.
    const plot = await virtstat('plot', output, 'exits');
    expect(plot).toMatchObject({ status: 0, stdout: expect.stringMatching(/^kvm vcpu exits/) });
    expect(plot.stderr).toMatch(new RegExp(`^virtstat: ${damaged} is cut or damaged: [^\\n]*\\n$`));

    const run = await again(output);
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(
      new RegExp(`^virtstat: ${damaged} is cut or damaged: .*goes on without it, .*kept as ${damaged}\\.damaged\\n$`),
    );
    expect(run.stdout).toContain(`in ${output}`);
    expect(readdirSync(parts)).toEqual([`${basename(damaged)}.damaged`]);
    const times = await timesOf(output);
    expect(times.slice(0, kept.length)).toEqual(kept);
    expect(times.length).toBeGreaterThan(kept.length);

    // It is said once.
    expect(await again(output)).toMatchObject({ status: 0, stderr: '' });
    expect(await virtstat('plot', output, 'exits')).toMatchObject({ status: 0, stderr: '' });
    expect((await timesOf(output)).length).toBeGreaterThan(times.length);
  });

  it('takes nothing away that is somebody else’s', async () => {
    const directory = pathOf('shared');
    expect(await again(directory)).toMatchObject({ status: 0 });
    writeFileSync(join(directory, 'mine.parquet'), 'no Parquet at all');
    expect(await again(directory)).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(join(directory, 'mine.parquet'), 'utf8')).toBe('no Parquet at all');
    expect(segmentsIn(directory)).toHaveLength(3);
  });
});

describe('a plot of what is read meanwhile', () => {
  it('goes into a pipe when its time is over', async () => {
    const startMs = performance.now();
    const run = await virtstat(...from(0), 'plot', 'vcpu/exits', 'halt_wait_hist', '--for', '2s', '--every', '200ms');
    expect(performance.now() - startMs).toBeGreaterThan(1900);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^kvm vcpu exits, growth per second$/m);
    expect(run.stdout).toMatch(/^kvm vcpu halt_wait_hist/m);
    expect(run.stdout).not.toContain('\u001b');
  });
});

describe('a recorder that is killed', () => {
  it(
    'loses the open minute only, and the next one goes on beside what is there',
    async () => {
      const output = pathOf('killed.parquet');
      const parts = `${output}.parts`;
      const minutes = (): readonly string[] => readdirSync(parts).filter((name) => /^\d.*\.parquet$/.test(name));
      await expect.poll(minutes, { timeout: MINUTE_LIMIT_MS - 20_000, interval: 200 }).toHaveLength(1);
      killed.kill('SIGKILL');
      await ended(killed);
      const killedMs = Date.now();
      const before = await timesOf(`${parts}/*.parquet`);
      expect(before.at(-1)! - before[0]!).toBeGreaterThan(50_000);
      // Every reader of virtstat finds them there.
      expect(await virtstat('plot', output, 'vcpu/exits')).toMatchObject({ status: 0, stderr: '' });

      const run = await virtstat(...record(1, EVERY_MS).slice(2), '--for', '2s', '-o', output);
      expect(run).toMatchObject({ status: 0, stderr: '' });
      expect(existsSync(parts)).toBe(false);
      const both = await timesOf(output);
      expect(both.filter((time) => time < killedMs)).toEqual(before);
      expect(both.filter((time) => time > killedMs).length).toBeGreaterThan(5);
      expect(new Set(both).size).toBe(both.length);
    },
    MINUTE_LIMIT_MS,
  );
});

describe('a disk that is full', () => {
  it(
    'costs the minute that it has no room for, which is said once, and ends with status 1',
    async (context) => {
      if (onFullDisk === undefined) return context.skip(noMount);
      const status = await ended(onFullDisk);
      const said = (name: string): string => readFileSync(pathOf(`left/${name}`), 'utf8');
      expect(said('err')).toMatch(/^virtstat: writing \S+ failed: .*see that there is room.*\n$/);
      expect(said('dd')).toContain('No space left on device');
      expect(status).toBe(1);
      const segments = readdirSync(pathOf('left/rec')).filter((name) => name.endsWith('.parquet'));
      expect(segments).toHaveLength(2);
      const times = await timesOf(pathOf('left/rec/*.parquet'));
      const gaps = times.slice(1).map((time, index) => time - times[index]!);
      // Two seconds before the minute that is lost, and some after it.
      expect(gaps.filter((gap) => gap > 50_000)).toHaveLength(1);
      expect(gaps.findIndex((gap) => gap > 50_000)).toBeGreaterThan(5);
      const replayed = await virtstatJson('-c', `replay:${pathOf('left/rec')}`, 'query', 'vcpu');
      expect(replayed).toHaveLength(2);
    },
    MINUTE_LIMIT_MS,
  );
});
