import { clockTicksPerSecond, scaleOfTicks } from '../../src/host/clock-ticks.ts';
import type { Schema, StatDescriptor } from '../../src/model/stat.ts';
import { Registry } from '../../src/registry/registry.ts';
import { LocalSource } from '../../src/source/local/local-source.ts';
import { cgroupSheets } from '../../src/source/process/cgroup-stats.ts';
import { vcpuSheets } from '../../src/source/process/stats.ts';
import { newerQemuRoot, startQemu, type VmOptions } from './qemu.ts';
import { RawQmp } from './qmp.ts';

/** Those whose stats the kernel or QEMU describe: they are others on every machine. */
const DESCRIBED_ELSEWHERE: ReadonlySet<string> = new Set(['kvm', 'cryptodev']);

const DEADLINE_MS = 20_000;

/** Devices of every kind that a provider of ours measures. A tap takes root. */
export function devices(tap: string): readonly string[] {
  return [
    ...['-device', 'virtio-balloon-pci,id=balloon0', '-object', 'iothread,id=io0'],
    ...['-blockdev', 'driver=null-co,node-name=node0,read-zeroes=on'],
    ...['-device', 'virtio-blk-pci,drive=node0,iothread=io0,id=disk0'],
    ...['-drive', 'driver=null-co,id=drive1,if=none,stats-intervals.0=60,read-zeroes=on'],
    ...['-device', 'virtio-blk-pci,drive=drive1,id=disk1'],
    ...['-netdev', `tap,id=host0,ifname=${tap},script=no,downscript=no`],
    ...['-device', 'virtio-net-pci,netdev=host0,id=net0'],
  ];
}

/**
 * What our own providers measure of VMs that have one of everything, of this machine's QEMU and, where it is there, of a newer
 * one: a schema for each provider and target, with every stat that any of them has.
 */
export async function ownSchemas(): Promise<readonly Schema[]> {
  const newer = newerQemuRoot();
  const qemus: readonly VmOptions[] = 'reason' in newer ? [{}] : [{}, newer];
  const all: Schema[] = [];
  for (const [index, options] of qemus.entries())
    all.push(...(await schemasOf(options, `vsdoc${index}${process.pid % 10_000}`)));
  const byKey = Map.groupBy(all, ({ provider, target }) => `${provider} ${target}`);
  return [...byKey.values()].map(([first, ...others]) => {
    const { provider, target } = first as Schema;
    const more = provider === 'process' ? ofEveryKernel(target) : [];
    const stats = [first as Schema, ...others].flatMap((schema) => schema.stats);
    // The same name may have another unit elsewhere.
    const different = new Map([...stats, ...more].map((stat) => [JSON.stringify(stat), stat]));
    return { provider, target, stats: [...different.values()] };
  });
}

/** A machine has control groups of one version, as a rule, and its scheduler keeps few accounts; the page has all. */
function ofEveryKernel(target: string): readonly StatDescriptor[] {
  const ticks = scaleOfTicks(clockTicksPerSecond());
  const sheets = target === 'vm' ? cgroupSheets(ticks) : vcpuSheets({ ticks, hasWaits: true });
  return sheets.flatMap(({ stats }) => stats);
}

async function schemasOf(options: VmOptions, tap: string): Promise<readonly Schema[]> {
  await using vm = await startQemu({ ...options, accel: 'tcg', paused: true, qmp: 2, args: devices(tap) });
  const monitor = await RawQmp.open(vm.qmpPaths[1] ?? '');
  for (const ops of ['read', 'write', 'flush']) {
    const boundaries = { [`boundaries-${ops}`]: [1000, 10_000, 100_000] };
    await monitor.execute('block-latency-histogram-set', {
      id: '/machine/peripheral/disk1/virtio-backend',
      ...boundaries,
    });
  }
  monitor.close();
  const registry = new Registry([new LocalSource({ pids: [vm.pid] })], { deadlineMs: DEADLINE_MS });
  try {
    // Sizes of a disk come one turn after the disk itself.
    await registry.query({ target: 'block' });
    const [answer] = await registry.schemas();
    const [error] = answer?.errors ?? [];
    if (error !== undefined) throw error;
    return (answer?.items ?? []).filter(({ provider }) => !DESCRIBED_ELSEWHERE.has(provider));
  } finally {
    await registry.close();
  }
}
