import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import type { Availability } from '../src/model/domain.ts';
import type { ListAnswer } from '../src/registry/answer.ts';
import { Registry } from '../src/registry/registry.ts';
import { LocalSource } from '../src/source/local/local-source.ts';
import { hasKvm, newerQemuRoot, qemuVersion, startQemu, type Vm, type VmOptions, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';

/** VMs on this host, as `local:` finds them. */
function localOf(vms: readonly Vm[], deadlineMs = 5000): Registry {
  const registry = new Registry([new LocalSource({ pids: vms.map(({ pid }) => pid) })], { deadlineMs });
  onTestFinished(() => registry.close());
  return registry;
}

async function start(context: TestContext, options: VmOptions): Promise<Vm> {
  const reason = whyNoVm(options);
  if (reason !== undefined) context.skip(reason);
  const vm = await startQemu(options);
  onTestFinished(() => vm.stop());
  return vm;
}

/** A VM of a QEMU that keeps its vCPUs' stats files open. */
async function startNewer(context: TestContext, options: VmOptions = {}): Promise<Vm> {
  const newer = newerQemuRoot();
  if ('reason' in newer) return context.skip(newer.reason);
  // A stand-in for KVM has no stats files that could be taken.
  if (!hasKvm()) return context.skip('/dev/kvm cannot be opened');
  return start(context, { accel: 'kvm', paused: true, ...newer, ...options });
}

/** What is said of KVM's statistics: other providers have tests of their own. */
function ofKvm(answer: ListAnswer | undefined): readonly Availability[] | undefined {
  return answer?.items.filter(({ provider }) => provider === 'kvm');
}

const openFds = () => readdirSync('/proc/self/fd').length;

describe('a VM on this host', () => {
  it('is found by its process, with name, uuid and what can be read', async (context) => {
    const vm = await start(context, { accel: 'kvm', name: 'one two', paused: true });
    const everything = new Registry([new LocalSource()]);
    onTestFinished(() => everything.close());
    const [answer] = await everything.list({ domains: [vm.uuid] });
    expect(answer?.domain).toMatchObject({
      name: 'one two',
      uuid: vm.uuid,
      pid: vm.pid,
      vcpus: 2,
      state: 'prelaunch',
    });
    expect(ofKvm(answer)?.map(({ target, available }) => [target, available])).toEqual([
      ['vm', true],
      ['vcpu', true],
    ]);
  });

  it('without KVM is listed with the reason why nothing can be read', async (context) => {
    const vm = await start(context, { accel: 'tcg', paused: true });
    const host = localOf([vm]);
    const [listed] = await host.list();
    expect(ofKvm(listed)?.map(({ available, reason }) => [available, reason?.includes('without KVM')])).toEqual([
      [false, true],
      [false, true],
    ]);
    await expect(host.resolve({ target: 'vcpu', provider: 'kvm' })).rejects.toMatchObject({
      code: 'NOTHING_MATCHED',
      message: expect.stringContaining('without KVM'),
    });
  });

  it('whose monitor is taken says so, and is read by its stats files all the same', async (context) => {
    const vm = await startNewer(context);
    const taken = await RawQmp.open(vm.qmpPath);
    onTestFinished(() => taken.close());
    const host = localOf([vm]);
    const [vmAnswer] = await host.query({ target: 'vm' });
    expect(vmAnswer?.errors).toMatchObject([{ code: 'MONITOR_BUSY' }]);
    const [vcpus] = await host.query({ target: 'vcpu' });
    expect(vcpus?.items.map(({ path, via }) => [path, via])).toEqual([
      ['vcpu-0', 'kvm-file'],
      ['vcpu-1', 'kvm-file'],
      ['vcpu-0', 'proc'],
      ['vcpu-1', 'proc'],
    ]);
    const [listed] = await host.list();
    expect(ofKvm(listed)).toMatchObject([
      { target: 'vm', available: false },
      { target: 'vcpu', available: true },
    ]);
    expect(listed?.domain.vcpus).toBe(2);
  });

  it('is given back all that was opened when it exits', async (context) => {
    const vm = await startNewer(context);
    const host = localOf([vm]);
    const filter = { target: 'vcpu', providers: [{ provider: 'kvm' }] };
    await host.query({ target: 'vm' });
    const before = openFds();
    await host.query(filter);
    expect(openFds()).toBeGreaterThanOrEqual(before + 3);
    await vm.stop();
    await sleep(300);
    expect(openFds()).toBeLessThanOrEqual(before);
    const [answer] = await host.query(filter);
    expect(answer?.items ?? []).toEqual([]);
    expect(answer?.errors.map(({ code }) => code) ?? ['DOMAIN_GONE']).toEqual(['DOMAIN_GONE']);
    await sleep(2000);
    expect(await host.query(filter)).toEqual([]);
  });

  it('gets a new reading for a vCPU that is plugged in', async (context) => {
    const vm = await startNewer(context, { smp: 1, qmp: 2, args: ['-smp', '1,maxcpus=2'] });
    const monitor = await RawQmp.open(vm.qmpPaths[1] ?? '');
    onTestFinished(() => monitor.close());
    const host = localOf([vm]);
    const filter = { target: 'vcpu', providers: [{ provider: 'kvm' }] };
    const paths = async () => (await host.query(filter))[0]?.items.map(({ path }) => path);
    expect(await paths()).toHaveLength(1);
    const [slot] = (await monitor.execute('query-hotpluggable-cpus')) as readonly { type: string; props: object }[];
    const props = Object.fromEntries(Object.entries(slot?.props ?? {}).map(([key, value]) => [key, Number(value)]));
    await monitor.execute('device_add', { driver: slot?.type ?? '', id: 'plugged', ...props });
    await sleep(5500);
    expect(await paths()).toContain('/machine/peripheral/plugged');
    expect(await paths()).toHaveLength(2);
  }, 30_000);
});

describe('one VM that hangs', () => {
  it('costs the others nothing, and is served from its last values with age and reason', async (context) => {
    const hanging = await start(context, { accel: 'kvm', paused: true, name: 'hanging' });
    const sound = await start(context, { accel: 'kvm', paused: true, name: 'sound' });
    const host = localOf([hanging, sound], 700);
    const query = () => host.query({ target: 'vm', providers: [{ provider: 'kvm' }] });
    expect((await query()).flatMap(({ errors }) => errors)).toEqual([]);
    process.kill(hanging.pid, 'SIGSTOP');
    const startMs = performance.now();
    const answers = new Map((await query()).map((answer) => [answer.domain.name, answer]));
    expect(performance.now() - startMs).toBeLessThan(2000);
    expect(answers.get('sound')?.items[0]?.stale).toBeUndefined();
    expect(answers.get('sound')?.errors).toEqual([]);
    expect(answers.get('hanging')?.items[0]?.stale).toMatchObject({ code: 'TIMEOUT' });
    process.kill(hanging.pid, 'SIGCONT');
    await expect
      .poll(async () => (await query())[0]?.items[0]?.stale, { timeout: 15_000, interval: 500 })
      .toBeUndefined();
  }, 30_000);
});

it('whose ways are all closed fails with the reason, and does not pass for a VM without statistics', async (context) => {
  const vm = await start(context, { accel: 'kvm', paused: true });
  if (!qemuVersion()?.startsWith('7.')) context.skip('this QEMU keeps its stats files open');
  const taken = await RawQmp.open(vm.qmpPath);
  onTestFinished(() => taken.close());
  const [answer] = await localOf([vm]).schemas();
  expect(answer?.items.filter(({ provider }) => provider === 'kvm')).toEqual([]);
  expect(answer?.errors).toMatchObject([{ code: 'MONITOR_BUSY' }]);
});
