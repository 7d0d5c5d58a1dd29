import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import type { Sample } from '../src/model/sample.ts';
import { Registry } from '../src/registry/registry.ts';
import { QemuSource } from '../src/source/qemu/source.ts';
import { LAB } from './lab/folder.js';
import { newerQemuRoot, startQemu, type Vm, type VmOptions, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';

const VIRTIO = '/machine/peripheral/vd0/virtio-backend';
const SCSI = '/machine/peripheral/hd1';
const BOUNDARIES = [1000n, 100_000n, 10_000_000n];

interface RawDevice {
  readonly qdev?: string;
  readonly device: string;
  readonly stats: Readonly<Record<string, unknown>>;
  readonly parent?: { readonly stats: Readonly<Record<string, unknown>> };
}

/** What there is of disks: on an iothread by -blockdev, by -drive with averages, and an empty cdrom. */
const disks = (image: string): readonly string[] => [
  ...['-object', 'iothread,id=io1'],
  ...[
    '-blockdev',
    `node-name=file0,driver=file,filename=${image}`,
    '-blockdev',
    'node-name=fmt0,driver=raw,file=file0',
  ],
  ...['-device', 'virtio-blk-pci,drive=fmt0,id=vd0,iothread=io1'],
  ...['-device', 'virtio-scsi-pci,id=scsi0', '-device', 'scsi-hd,drive=d1,id=hd1,bus=scsi0.0'],
  ...['-drive', 'if=none,id=d1,driver=null-co,size=2097152,read-zeroes=on,stats-intervals.0=3600'],
  ...['-drive', 'if=ide,index=2,media=cdrom'],
];

const QEMUS: readonly (readonly [name: string, root: () => VmOptions | { readonly reason: string }])[] = [
  ['this machine’s QEMU', () => ({})],
  ['a newer QEMU', newerQemuRoot],
];

describe.each(QEMUS)('block devices of %s', (_, root) => {
  let folder: string | undefined;
  let vm: Vm | undefined;
  let raw: RawQmp | undefined;
  let registry: Registry | undefined;
  let why: string | undefined;

  beforeAll(async () => {
    const found = root();
    why = 'reason' in found ? found.reason : whyNoVm(found);
    if (why !== undefined || 'reason' in found) return;
    // Below the lab folder, where a QEMU in a chroot sees it too.
    folder = mkdtempSync(join(LAB, 'images-'));
    const image = join(folder, 'disk.img');
    writeFileSync(image, '');
    truncateSync(image, 4 * 2 ** 20);
    vm = await startQemu({ ...found, paused: true, qmp: 2, args: disks(image) });
    raw = await RawQmp.open(vm.qmpPaths[1] ?? '');
    await raw.execute('block-latency-histogram-set', { id: VIRTIO, boundaries: BOUNDARIES.map(Number) });
    for (const line of [
      `qemu-io -d ${VIRTIO} "aio_read 0 64k"`,
      `qemu-io -d ${VIRTIO} "aio_write 1M 4k"`,
      'qemu-io d1 "aio_read 512k 64k"',
      'qemu-io d1 "aio_flush"',
    ]) {
      await raw.execute('human-monitor-command', { 'command-line': line });
    }
    registry = new Registry([new QemuSource(`qmp+unix:${vm.qmpPath}`)]);
  });
  afterAll(async () => {
    await registry?.close();
    raw?.close();
    await vm?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  const need = (context: TestContext) => {
    if (registry === undefined || raw === undefined) context.skip(why ?? 'QEMU did not start');
    return { registry: registry as Registry, raw: raw as RawQmp };
  };
  const samplesOf = async (from: Registry): Promise<readonly Sample[]> => {
    const [answer] = await from.query({ target: 'block' });
    expect(answer?.errors).toEqual([]);
    return answer?.items ?? [];
  };
  const valuesOf = (samples: readonly Sample[], path: string) =>
    Object.fromEntries(samples.find((sample) => sample.path === path)?.stats.map((s) => [s.name, s.value]) ?? []);

  it('have exactly the values that QEMU says', async (context) => {
    const { registry: from, raw: qemu } = need(context);
    const samples = await samplesOf(from);
    const devices = (await qemu.execute('query-blockstats')) as readonly RawDevice[];
    expect(samples).toHaveLength(devices.length);
    for (const { qdev = '', device, stats, parent } of devices) {
      const values = valuesOf(samples, qdev.startsWith('/') ? qdev : `/machine/peripheral/${qdev || device}`);
      const told = Object.entries(stats).filter(
        ([name, value]) => typeof value !== 'object' && name !== 'idle_time_ns',
      );
      expect(told.length).toBeGreaterThan(20);
      expect(values).toMatchObject(Object.fromEntries(told));
      if (parent !== undefined) expect(values['allocation']).toBe(parent.stats['wr_highest_offset']);
    }
  });

  it('have sizes, averages and histograms', async (context) => {
    const samples = await samplesOf(need(context).registry);
    expect(valuesOf(samples, VIRTIO)).toMatchObject({
      ...{ rd_operations: 1n, rd_bytes: 65_536n, wr_bytes: 4096n },
      ...{ capacity: 4_194_304n, allocation: 1_052_672n, rd_latency_histogram_boundaries: BOUNDARIES },
    });
    const histogram = valuesOf(samples, VIRTIO)['rd_latency_histogram'] as readonly bigint[];
    expect(histogram.reduce((sum, count) => sum + count)).toBe(1n);
    const scsi = valuesOf(samples, SCSI);
    expect(scsi).toMatchObject({ rd_operations: 1n, flush_operations: 1n, capacity: 2_097_152n });
    expect(scsi['timed_3600s_min_rd_latency_ns']).toBe(scsi['rd_total_time_ns']);
    expect(scsi).not.toHaveProperty('rd_latency_histogram');
    const cdrom = samples.find(({ path }) => path?.startsWith('/machine/unattached/'));
    expect(valuesOf(samples, cdrom?.path ?? '')).toMatchObject({ rd_operations: 0n, wr_bytes: 0n });
    expect(cdrom?.stats.map(({ name }) => name)).not.toContain('capacity');
  });

  it('have a schema that describes each value, in one order', async (context) => {
    const { registry: from } = need(context);
    const [answer] = await from.schemas({ target: 'block' });
    const names = answer?.items[0]?.stats.map(({ name }) => name) ?? [];
    for (const { stats } of await samplesOf(from)) {
      const own = new Set(stats.map(({ name }) => name));
      expect(stats.map(({ name }) => name)).toEqual(names.filter((name) => own.has(name)));
    }
  });

  it('come and go', async (context) => {
    const { registry: from, raw: qemu } = need(context);
    const path = '/machine/peripheral/hot';
    await qemu.execute('blockdev-add', { 'node-name': 'n2', driver: 'null-co', size: 1_048_576 });
    await qemu.execute('device_add', { driver: 'scsi-hd', drive: 'n2', id: 'hot', bus: 'scsi0.0' });
    expect(valuesOf(await samplesOf(from), path)).toMatchObject({ rd_operations: 0n });
    // Its image is asked for with the next counters.
    expect(valuesOf(await samplesOf(from), path)).toMatchObject({ capacity: 1_048_576n });
    await qemu.execute('device_del', { id: 'hot' });
    await expect.poll(async () => (await samplesOf(from)).map((sample) => sample.path)).not.toContain(path);
  });
});

describe('a VM without block devices', () => {
  it('has no schema of them, and says why', async (context) => {
    const why = whyNoVm();
    if (why !== undefined) context.skip(why);
    await using vm = await startQemu({ paused: true });
    const registry = new Registry([new QemuSource(`qmp+unix:${vm.qmpPath}`)]);
    try {
      expect((await registry.schemas({ target: 'block' }))[0]?.items).toEqual([]);
      const [{ items } = { items: [] }] = await registry.list();
      expect(items).toContainEqual(
        expect.objectContaining({ provider: 'block', available: false, reason: 'the VM has no block devices' }),
      );
    } finally {
      await registry.close();
    }
  });
});
