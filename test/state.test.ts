import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { Registry } from '../src/registry/registry.ts';
import { QemuSource } from '../src/source/qemu/source.ts';
import { newerQemuRoot, startQemu, type Vm, type VmOptions, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';

const QEMUS: readonly (readonly [name: string, root: () => VmOptions | { readonly reason: string }])[] = [
  ['this machine’s QEMU', () => ({})],
  ['a newer QEMU', newerQemuRoot],
];

describe.each(QEMUS)('the state of a VM of %s', (_, root) => {
  let vm: Vm | undefined;
  let raw: RawQmp | undefined;
  let registry: Registry | undefined;
  let why: string | undefined;

  beforeAll(async () => {
    const found = root();
    why = 'reason' in found ? found.reason : whyNoVm(found);
    if (why !== undefined || 'reason' in found) return;
    const args = ['-smp', '2,maxcpus=4', '-m', '64,slots=2,maxmem=128M', '-no-shutdown'];
    vm = await startQemu({ ...found, paused: true, qmp: 2, args });
    raw = await RawQmp.open(vm.qmpPaths[1] ?? '');
    registry = new Registry([new QemuSource(`qmp+unix:${vm.qmpPath}`)]);
  });
  afterAll(async () => {
    await registry?.close();
    raw?.close();
    await vm?.stop();
  });

  const need = (context: TestContext) => {
    if (registry === undefined || raw === undefined) context.skip(why ?? 'QEMU did not start');
    return { registry: registry as Registry, raw: raw as RawQmp };
  };
  const read = async (from: Registry) => {
    const [answer] = await from.query({ target: 'vm', providers: [{ provider: 'state' }] });
    expect(answer?.errors).toEqual([]);
    return Object.fromEntries(answer?.items[0]?.stats.map(({ name, value }) => [name, value]) ?? []);
  };

  it('is what it was started as', async (context) => {
    expect(await read(need(context).registry)).toEqual({
      ...{ state: 3n, reason: 1n, running: false },
      ...{ vcpu_current: 2n, vcpu_maximum: 4n, memory_current: 2n ** 26n, memory_maximum: 2n ** 27n },
      ...{ dirty_rate_status: 0n, dirty_rate_mode: 0n },
    });
  });

  it('follows what happens, and knows since when', async (context) => {
    const { registry: from, raw: qemu } = need(context);
    await read(from);
    for (const [command, expected] of [
      ['cont', { state: 1n, reason: 0n, running: true }],
      ['stop', { state: 3n, reason: 1n, running: false }],
    ] as const) {
      const beforeUs = BigInt(Date.now() - 1) * 1000n;
      await qemu.execute(command);
      await expect.poll(() => read(from)).toMatchObject(expected);
      const { since } = await read(from);
      expect(since).toBeGreaterThanOrEqual(beforeUs);
      expect(since).toBeLessThanOrEqual(BigInt(Date.now() + 1) * 1000n);
    }
  });

  it('has the rate at which memory changes once somebody measured it', async (context) => {
    const { raw: qemu } = need(context);
    await qemu.execute('calc-dirty-rate', { 'calc-time': 1 });
    let told = {};
    for (let status: unknown = ''; status !== 'measured'; await sleep(200)) {
      told = (await qemu.execute('query-dirty-rate')) as object;
      status = (told as { status: unknown }).status;
    }
    // Another reader, who has not asked before.
    const other = new Registry([new QemuSource(`qmp+unix:${vm?.qmpPath}`)]);
    await registry?.close();
    registry = other;
    const raws = told as Readonly<Record<string, bigint>>;
    expect(await read(other)).toMatchObject({
      dirty_rate: raws['dirty-rate'],
      dirty_rate_start_time: raws['start-time'],
      dirty_rate_calc_time: 1n,
      dirty_rate_status: 2n,
    });
  });
});
