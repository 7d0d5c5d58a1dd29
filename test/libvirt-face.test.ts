import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { type LibvirtLab, startLibvirt, whyNoLibvirt } from './lab/libvirt.ts';
import { defineFour } from './lab/libvirt-four.ts';
import { startQemu, type Vm, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';
import { ServedFace, whyNoPythonLibvirt, whyNoVirsh } from './lab/served-face.ts';

const TAP = `vsface${process.pid % 100_000}`;

/** What libvirtd says and we do not, and why. */
const NOT_OURS: readonly (readonly [key: RegExp, why: string])[] = [
  [/^cpu\.cache\.monitor\.count$/, 'libvirt 9.0 says 0 where there are none; 12.8 does not'],
  [/^cpu\.haltpoll\./, 'without KVM nobody polls, and libvirt says 0 then'],
  [/^vcpu\.\d+\.wait$/, 'the kernel does not tell without CONFIG_SCHEDSTATS, and libvirt says 0 then'],
  [/^perf\./, 'libvirt itself opened the events that are counted'],
];

/** By how much values may differ beyond what changed meanwhile. */
const TOLERANCES: readonly (readonly [key: RegExp, tolerance: bigint, why: string])[] = [
  [/^vcpu\.\d+\.time$/, 10_000_000n, 'libvirt counts in ticks of 10 ms, we in nanoseconds'],
  [/^balloon\.rss$/, 4096n, 'the kernel adds exact counts of threads up only now and then'],
];

function needVirsh(context: TestContext): void {
  const reason = whyNoVirsh();
  if (reason !== undefined) context.skip(reason);
}

function needPython(context: TestContext): void {
  const reason = whyNoPythonLibvirt();
  if (reason !== undefined) context.skip(reason);
}

/** The statistics of each element of a reply. */
async function list(
  monitor: RawQmp,
  command: string,
  args?: Readonly<Record<string, unknown>>,
): Promise<readonly { readonly stats: readonly { name: string; type: string; value: unknown }[] }[]> {
  return (await monitor.execute(command, args)) as Awaited<ReturnType<typeof list>>;
}

/** What `virsh domstats` prints of one domain. */
function fieldsOf(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\n').filter((line) => line.startsWith('  '));
  return new Map(lines.map((line) => line.trim().split(/=(.*)/s, 2) as [string, string]));
}

function agrees(key: string, value: string, low: string | undefined, high: string | undefined): boolean {
  if (low === undefined || high === undefined) return false;
  if (!/^\d+$/.test(value)) return value === low;
  const tolerance = TOLERANCES.find(([pattern]) => pattern.test(key))?.[1] ?? 0n;
  return BigInt(low) - tolerance <= BigInt(value) && BigInt(value) <= BigInt(high) + tolerance;
}

/** Prints what libvirt says beside what we say, before and after; every key must agree, or be one that is explained. */
function expectAgreement(
  libvirt: ReadonlyMap<string, string>,
  low: ReadonlyMap<string, string>,
  high: ReadonlyMap<string, string>,
): void {
  const table = [...libvirt].map(([key, value]) => {
    const explained = low.has(key) ? undefined : NOT_OURS.find(([pattern]) => pattern.test(key))?.[1];
    const isSame = explained !== undefined || agrees(key, value, low.get(key), high.get(key));
    const why = explained ?? (isSame ? '' : 'DIFFERS');
    return { key, value, low: low.get(key), high: high.get(key), isSame, why };
  });
  const rows = table.map((row) => [row.key, row.value, row.low ?? '-', row.high ?? '-', row.why]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(9, ...rows.map((row) => row[column]?.length ?? 0)));
  const lines = [['key', 'libvirt', 'before', 'after', ''], ...rows].map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '),
  );
  console.log(lines.join('\n'));
  expect(table.filter(({ isSame }) => !isSame)).toEqual([]);
  expect([...low.keys()].filter((key) => !libvirt.has(key))).toEqual([]);
  // In libvirt's order, too, of what is stable in it: what the kernel names is in that of a hash table.
  const unstable = /^(vm|iothread)\.|^vcpu\.\d+\..+\.(sum|cur|max)$/;
  const stable = (keys: Iterable<string>) => [...keys].filter((key) => !unstable.test(key) && low.has(key));
  expect(stable(low.keys())).toEqual(stable(libvirt.keys()));
}

describe('virsh domstats', () => {
  it('says of the same paused domain what it says when it asks libvirtd', async (context) => {
    const reason = whyNoLibvirt();
    if (reason !== undefined) context.skip(reason);
    await using lab = await startLibvirt();
    const domain = await lab.start({ name: 'face', tap: TAP, iothreads: 2, paused: true });
    await using served = await ServedFace.start([lab.pidOf(domain)]);
    const ours = async () => fieldsOf(await served.virsh('domstats', '--raw', domain.name));
    await ours();
    await sleep(1100);
    const low = await ours();
    const libvirt = fieldsOf(await lab.virsh('domstats', '--raw', domain.name));
    await sleep(1100);
    const high = await ours();

    expectAgreement(libvirt, low, high);
    expect(libvirt.size).toBeGreaterThan(50);

    const dumped = await served.virsh('dumpxml', domain.name);
    const original = await lab.virsh('dumpxml', domain.name);
    for (const pattern of [
      /<target dev='vda' bus='virtio'\/>/,
      /<source file='[^']+' index='\d'\/>/,
      /<uuid>.*<\/uuid>/,
    ]) {
      expect(pattern.exec(dumped)?.[0]).toBe(pattern.exec(original)?.[0]);
    }
    expect(dumped).toContain(`<target dev='${TAP}'/>`);
    for (const command of [
      ['domifstat', domain.name, TAP],
      ['domblkstat', domain.name, 'vda'],
      ['domblklist', domain.name],
      ['domiflist', domain.name],
      ['domstate', domain.name, '--reason'],
      ['vcpucount', domain.name],
    ]) {
      expect([command, await served.virsh(...command)]).toEqual([command, await lab.virsh(...command)]);
    }
  });
});

describe('of four domains of libvirt’s, read without libvirt', () => {
  const whyNot = whyNoLibvirt();
  let lab: LibvirtLab | undefined;
  let served: ServedFace | undefined;

  beforeAll(async () => {
    if (whyNot !== undefined) return;
    lab = await startLibvirt();
    const { alpha, beta, gamma } = await defineFour(lab, TAP);
    served = await ServedFace.start([alpha, beta, gamma].map((domain) => lab?.pidOf(domain) ?? 0));
  });
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
    await lab?.stop();
  });

  for (const name of ['alpha', 'beta', 'gamma']) {
    it(`virsh says of ${name}, with every layer of its disks, what it says when it asks libvirtd`, async (context) => {
      if (lab === undefined || served === undefined) return context.skip(whyNot ?? 'there is no libvirtd');
      const words = ['domstats', '--raw', '--backing', name];
      await served.virsh(...words);
      await sleep(1100);
      const low = fieldsOf(await served.virsh(...words));
      const libvirt = fieldsOf(await lab.virsh(...words));
      await sleep(1100);
      expectAgreement(libvirt, low, fieldsOf(await served.virsh(...words)));
    });
  }
});

describe('on a host without libvirt', () => {
  const vms: Vm[] = [];
  afterEach(async () => {
    await Promise.all(vms.splice(0).map((vm) => vm.stop()));
  });

  const vm = async (options: Parameters<typeof startQemu>[0]): Promise<Vm> => {
    const started = await startQemu(options);
    vms.push(started);
    return started;
  };

  it('what KVM counts has libvirt’s names, and QEMU’s values', async (context) => {
    needVirsh(context);
    const reason = whyNoVm({ accel: 'kvm', paused: true });
    if (reason !== undefined) context.skip(reason);
    const { pid, name, qmpPaths } = await vm({ accel: 'kvm', paused: true, qmp: 2 });
    await using served = await ServedFace.start([pid]);
    const text = await served.virsh('domstats', '--vcpu', '--vm', name);
    const ours = new Map([...fieldsOf(text)].filter(([key]) => /\.(sum|cur|max)$/.test(key)));
    const monitor = await RawQmp.open(qmpPaths[1] as string);
    const types = new Map<string, string>();
    const expected = new Map<string, string>();
    try {
      for (const { stats } of await list(monitor, 'query-stats-schemas')) {
        for (const { name: stat, type } of stats) types.set(stat, type);
      }
      for (const target of ['vcpu', 'vm'] as const) {
        const results = (await list(monitor, 'query-stats', { target })).toReversed();
        for (const [index, { stats }] of results.entries()) {
          for (const { name: stat, value } of stats) {
            const suffix = { cumulative: 'sum', instant: 'cur', peak: 'max' }[types.get(stat) ?? ''];
            if (suffix === undefined) continue;
            const key = `${target === 'vm' ? 'vm' : `vcpu.${index}`}.${stat}.${suffix}`;
            expected.set(key, value === true ? 'yes' : value === false ? 'no' : String(value));
          }
        }
      }
    } finally {
      monitor.close();
    }
    expect(expected.size).toBeGreaterThan(60);
    expect(new Map([...ours].toSorted())).toEqual(new Map([...expected].toSorted()));
  });

  it('virsh and the bindings for Python find their way', async (context) => {
    needVirsh(context);
    needPython(context);
    const reason = whyNoVm();
    if (reason !== undefined) context.skip(reason);
    const { pid, name, uuid } = await vm({ paused: true, accel: 'tcg' });
    await using served = await ServedFace.start([pid]);
    expect(await served.virsh('list', '--all')).toMatch(new RegExp(`^ 1 +${name} +paused\\s*$`));
    expect((await served.virsh('domuuid', '1')).trim()).toBe(uuid);
    expect(await served.virsh('dominfo', name)).toMatch(/Max memory: +32768 KiB/);
    expect(await served.virsh('domstate', name, '--reason')).toBe('paused (user)\n');
    await expect(served.virsh('destroy', name)).rejects.toMatchObject({
      stderr: expect.stringContaining('operation forbidden: read only access prevents virDomainDestroy'),
    });
    await expect(served.virsh('domstats', 'nope')).rejects.toMatchObject({
      stderr: expect.stringContaining("failed to get domain 'nope'"),
    });
    const script = `
d = c.lookupByName(${JSON.stringify(name)})
print(json.dumps([c.getAllDomainStats()[0][1]['vcpu.current'], d.state(), d.maxVcpus(), len(d.vcpus()[0]), c.isAlive(),
  len(c.domainListGetStats([d, d], libvirt.VIR_DOMAIN_STATS_STATE)), len(c.listAllDomains(2)),
  'virtstat.vm.process.0.stat.cpu_time' in c.getAllDomainStats(1 << 31)[0][1]]))`;
    expect(JSON.parse(await served.python(script))).toEqual([2, [3, 1], 2, 2, 1, 2, 0, true]);
  });

  it('one VM that hangs keeps nobody waiting', async (context) => {
    needPython(context);
    const reason = whyNoVm();
    if (reason !== undefined) context.skip(reason);
    const [hung, other] = [await vm({ paused: true, accel: 'tcg' }), await vm({ paused: true, accel: 'tcg' })];
    await using served = await ServedFace.start([hung.pid, other.pid]);
    await served.python('c.getAllDomainStats()');
    await sleep(1100);
    process.kill(hung.pid, 'SIGSTOP');
    try {
      const script = `
rounds = []
for _ in range(7):
    before = time.monotonic()
    records = {d.name(): len(stats) for d, stats in c.getAllDomainStats()}
    rounds.append([round(1000 * (time.monotonic() - before)), records])
    time.sleep(1.1)
print(json.dumps(rounds))`;
      const rounds: readonly [number, Record<string, number>][] = JSON.parse(await served.python(script));
      const times = rounds.map(([ms]) => ms).toSorted((a, b) => a - b);
      console.log(`with one VM stopped, all statistics of both took ${times.join(', ')} ms`);
      expect(times[3]).toBeLessThan(200);
      for (const [, records] of rounds) {
        expect(records[hung.name]).toBeGreaterThan(10);
        expect(records[other.name]).toBeGreaterThan(10);
      }
    } finally {
      process.kill(hung.pid, 'SIGCONT');
    }
  });
});
