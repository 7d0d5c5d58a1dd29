import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QEMU_WORDS } from '../src/protocol/hmp/command-line.ts';
import { virtstat, virtstatJson } from './lab/cli.ts';
import { guestRuns, hasKvm, newerQemuRoot, startQemu, type Vm, type VmOptions, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';

/**
 * What virtstat says of a real VM is what QEMU itself says of it. The guest runs for a while and is then paused, so that
 * both look at the same values; the second monitor is ours, the first virtstat's.
 */
interface QemuStats {
  readonly provider: string;
  readonly 'qom-path'?: string;
  readonly stats: readonly { readonly name: string; readonly value: unknown }[];
}
interface QemuSchema {
  readonly provider: string;
  readonly target: string;
  readonly stats: readonly { readonly name: string }[];
}
type Named = { readonly name: string };

const byName = <T extends Named>(stats: readonly T[]) => Object.fromEntries(stats.map((stat) => [stat.name, stat]));
/** QEMU sends histograms with the largest bucket first. */
const inKernelOrder = (value: unknown) => (Array.isArray(value) ? [...value].reverse() : value);
/** What QEMU itself measures: virtstat has more, of other origin. */
const ofQemu = <T extends { readonly provider: string }>(all: readonly T[]) =>
  all.filter(({ provider }) => QEMU_WORDS.providers.includes(provider));
const normalised = (results: readonly QemuStats[]) =>
  results
    .map((result) => ({
      provider: result.provider,
      path: result['qom-path'],
      stats: byName(result.stats.map(({ name, value }) => ({ name, value: inKernelOrder(value) }))),
    }))
    .sort((a, b) => String(a.path).localeCompare(String(b.path)));

const QEMUS: readonly (readonly [name: string, options: () => VmOptions | { readonly reason: string }])[] = [
  ['the QEMU of this machine', () => ({})],
  ['a newer QEMU', () => newerQemuRoot()],
];

describe.each(QEMUS)('%s', (_, choose) => {
  let vm: Vm | undefined;
  let qemu: RawQmp;
  let reason: string | undefined;

  beforeAll(async () => {
    const options = choose();
    reason = 'reason' in options ? options.reason : whyNoVm({ accel: 'kvm', paused: true, ...options });
    if (reason !== undefined || 'reason' in options) return;
    // Where there is no KVM a VM has captured statistics, and none that move.
    vm = await startQemu({ ...options, accel: 'kvm', smp: 2, qmp: 2, guest: true, paused: !hasKvm() });
    if (hasKvm()) {
      await guestRuns(vm);
      await sleep(1000);
    }
    qemu = await RawQmp.open(vm.qmpPaths[1] ?? '');
    await qemu.execute('stop');
  });
  afterAll(async () => {
    qemu?.close();
    await vm?.stop();
  });

  /** The ways to the same VM: found on this host (kernel files where QEMU keeps them), and by its monitor alone. */
  const ways = (): readonly (readonly string[])[] =>
    vm === undefined
      ? []
      : [
          ['-c', 'local:', '--domain', vm.name],
          ['-c', `qmp+unix:${vm.qmpPaths[0]}`],
        ];

  const live = (name: string, test: (uri: readonly string[]) => Promise<void>): void => {
    it(name, async (context) => {
      if (reason !== undefined) context.skip(reason);
      for (const way of ways()) await test(way);
    });
  };

  live('has the schemas that QEMU says it has', async ([c, uri, ...domain]) => {
    const theirs = (await qemu.execute('query-stats-schemas')) as readonly QemuSchema[];
    const ours = (await virtstatJson('schemas', c ?? '', uri ?? '', ...domain)) as readonly (QemuSchema & {
      domain: string;
    })[];
    const table = (schemas: readonly QemuSchema[]) =>
      Object.fromEntries(schemas.map(({ provider, target, stats }) => [`${provider} ${target}`, byName(stats)]));
    expect(ours.every(({ domain: name }) => name === vm?.name)).toBe(true);
    expect(table(ofQemu(ours))).toEqual(table(theirs));
    expect(Object.keys(table(ours))).toContain('kvm vcpu');
  });

  for (const target of ['vm', 'vcpu']) {
    live(`has the values that QEMU gives for ${target}`, async ([c, uri, ...domain]) => {
      const theirs = (await qemu.execute('query-stats', { target })) as readonly QemuStats[];
      const ours = (await virtstatJson('query', target, c ?? '', uri ?? '', ...domain)) as readonly QemuStats[];
      const mine = ofQemu(ours)
        .map((result) => ({ provider: result.provider, path: result['qom-path'], stats: byName(result.stats) }))
        .sort((a, b) => String(a.path).localeCompare(String(b.path)));
      expect(mine).toEqual(normalised(theirs));
      expect(mine).toHaveLength(target === 'vm' ? 1 : 2);
    });

    live(`prints what QEMU prints for info stats ${target}`, async ([c, uri, ...domain]) => {
      for (const rest of ['', ' *', ' * kvm', ' exits', ' halt_wait_hist,exits,nx_lpage_splits']) {
        const names = rest.trim().split(' ').filter(Boolean);
        const theirs = await qemu.execute('human-monitor-command', { 'command-line': `info stats ${target}${rest}` });
        const ours = await virtstat('info', 'stats', target, ...names, c ?? '', uri ?? '', ...domain);
        // A name that this target does not have is a mistake on our command line, and nothing at all for QEMU.
        if (ours.status === 2) expect(ours.stderr).toMatch(/no stat of target/);
        else expect(ours.stdout).toBe(String(theirs).replaceAll('\r\n', '\n'));
      }
    });
  }

  live('prints what QEMU prints for the other vCPU', async ([c, uri, ...domain]) => {
    const command = { 'command-line': 'info stats vcpu', 'cpu-index': 1 };
    const theirs = await qemu.execute('human-monitor-command', command);
    const ours = await virtstat('info', 'stats', 'vcpu', '--cpu', '1', c ?? '', uri ?? '', ...domain);
    expect(ours.stdout).toBe(String(theirs).replaceAll('\r\n', '\n'));
    expect(ours.stdout).toMatch(/exits \(cumulative\): [1-9]/);
  });

  it('gives the same by the kernel’s file and by the monitor', async (context) => {
    if (reason !== undefined) context.skip(reason);
    const [local, monitor] = await Promise.all(
      ways().map(
        async (way) => (await virtstatJson('query', 'vcpu', ...way)) as readonly (QemuStats & { via: string })[],
      ),
    );
    if (local?.[0]?.via !== 'kvm-file') context.skip('this QEMU keeps no stats files open');
    expect(ofQemu(monitor ?? []).map(({ via }) => via)).toEqual(['qmp', 'qmp']);
    const plain = (results: typeof local) =>
      ofQemu(results ?? []).map((result) => ({ path: result['qom-path'], stats: result.stats }));
    expect(plain(local)).toEqual(plain(monitor));
  });

  it('takes the way that fits its version', async (context) => {
    if (reason !== undefined) context.skip(reason);
    if (!hasKvm()) context.skip('/dev/kvm cannot be opened: no QEMU has stats files of the kernel');
    const domains = (await virtstatJson('list')) as readonly {
      readonly name: string;
      readonly providers: readonly { readonly provider: string; readonly target: string; readonly via: string }[];
    }[];
    const domain = domains.find(({ name }) => name === vm?.name);
    const via = Object.fromEntries(ofQemu(domain?.providers ?? []).map((way) => [way.target, way.via]));
    const { qemu: version } = (await qemu.execute('query-version')) as { readonly qemu: { readonly major: bigint } };
    expect(via).toMatchObject({ vm: 'qmp', vcpu: version.major >= 9n ? 'kvm-file' : 'qmp' });
  });
});
