import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { virtstat, virtstatJson } from './lab/cli.ts';
import { guestRuns, newerQemuRoot, startQemu, type Vm, type VmOptions, whyNoVm } from './lab/qemu.ts';

const VCPUS = 2;
const SLOW_MS = 120_000;
const noVm = whyNoVm({ accel: 'kvm' });
const newer = newerQemuRoot();

let folder: string;
/** Guests that run: one behind a monitor and, where there is a QEMU that keeps its stats files open, one behind those. */
const vms: Vm[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-kvm-'));
  if (noVm !== undefined) return;
  const options: VmOptions = { accel: 'kvm', smp: VCPUS, guest: true, qmp: 2 };
  vms.push(await startQemu(options));
  if ('root' in newer) vms.push(await startQemu({ ...options, root: newer.root }));
  await Promise.all(vms.map(guestRuns));
}, SLOW_MS);

afterAll(async () => {
  await Promise.all(vms.map((vm) => vm.stop()));
  rmSync(folder, { recursive: true, force: true });
});

const ours = (): readonly string[] => vms.flatMap(({ name }) => ['--domain', name]);

interface Row {
  readonly domain: string;
  readonly path: string;
  readonly via: string;
  readonly value: bigint;
}

/** The values of one stat of a recording, as another reader of Parquet has them, each object's by time. */
async function valuesOf(file: string, stat: string): Promise<readonly Row[]> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  try {
    const columns = `domain, path, via, "${stat}" AS value`;
    const sql = `SELECT ${columns} FROM '${file}' WHERE "${stat}" IS NOT NULL ORDER BY domain, path, time`;
    return (await connection.runAndReadAll(sql)).getRowObjects() as unknown as readonly Row[];
  } finally {
    connection.closeSync();
  }
}

describe('VMs that run under KVM', () => {
  beforeEach((context) => context.skip(noVm !== undefined, noVm));

  it('are recorded as they count, from their stats files and from their monitors', async () => {
    const output = join(folder, 'r.parquet');
    const args = ['halt_poll_fail_ns', 'exits', '--every', '200ms', '--for', '6s', '-o', output];
    const run = await virtstat('record', ...args, ...ours());
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toMatch(/^0:06 of 0:06 {2}\d+ sweeps, \d+ samples, \d+ values {2}\S+ KiB in \S+\n$/);

    const rows = await valuesOf(output, 'exits');
    const objects = Map.groupBy(rows, ({ domain, path }) => `${domain} ${path}`);
    expect(objects.size).toBe(vms.length * VCPUS);
    for (const values of objects.values()) {
      expect(values.length).toBeGreaterThan(10);
      const counts = values.map(({ value }) => value);
      expect(counts.toSorted((a, b) => Number(a - b))).toEqual(counts);
      // The guest wakes up a hundred times a second.
      expect(counts.at(-1)! - counts[0]!).toBeGreaterThan(50n);
    }
    const ways = new Map(rows.map(({ domain, via }) => [domain, via]));
    expect([...ways.keys()].toSorted()).toEqual(vms.map(({ name }) => name).toSorted());
    expect(vms.map(({ name }) => ways.get(name))).toEqual(['qmp', 'kvm-file'].slice(0, vms.length));

    // Counters go on where the recording ended.
    const live = await virtstatJson('query', 'vcpu', 'exits', 'kvm', ...ours());
    for (const { domain, 'qom-path': path, stats } of live as readonly Live[]) {
      expect(stats[0]?.value).toBeGreaterThan(objects.get(`${domain} ${path}`)!.at(-1)!.value);
    }
  });

  it('are drawn with a line each, or one for each vCPU', async () => {
    const input = join(folder, 'r.parquet');
    const sum = await virtstat('plot', input, 'halt_poll_fail_ns', '--sum');
    expect(sum).toMatchObject({ status: 0, stderr: '' });
    expect(sum.stdout).toMatch(/^kvm vcpu halt_poll_fail_ns, growth per second\n/);
    const [vm] = vms as [Vm];
    for (const { name } of vms) {
      expect(sum.stdout).toMatch(new RegExp(`${name} \\(sum of ${VCPUS}\\) {2}last \\S+ \\S+/s, min .*, max [1-9]`));
    }
    const each = await virtstat('plot', input, 'exits', '--domain', vm.name);
    expect(each.stdout.match(new RegExp(`${vm.name} /machine/\\S+ {2}last [1-9]`, 'g'))).toHaveLength(VCPUS);

    const svg = join(folder, 'r.svg');
    expect(await virtstat('plot', input, 'halt_poll_fail_ns', '--svg', svg)).toMatchObject({ status: 0 });
    for (const { name } of vms) expect(readFileSync(svg, 'utf8')).toContain(name);
  });
});

interface Live {
  readonly domain: string;
  readonly 'qom-path': string;
  readonly stats: readonly { readonly value: bigint }[];
}
