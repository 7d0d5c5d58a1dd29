import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import type { Sample } from '../src/model/sample.ts';
import { Registry } from '../src/registry/registry.ts';
import { LocalSource } from '../src/source/local/local-source.ts';
import { virtstat, virtstatJson } from './lab/cli.ts';
import { LAB } from './lab/folder.js';
import { type HostCounters, Network, opening, whyNoNetwork } from './lab/network.ts';
import { asNobody, objectionToNobody } from './lab/nobody.ts';
import { newerQemuRoot, startQemu, type Vm, type VmOptions, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';
import { TextSocket } from './lab/text-socket.ts';

const noNetwork = whyNoNetwork();

/** A network of the test's own, which ends with it. */
function network(context: TestContext): Network {
  const reason = noNetwork ?? whyNoVm();
  if (reason !== undefined) context.skip(reason);
  const made = new Network();
  onTestFinished(() => made.close());
  return made;
}

async function start(options: VmOptions): Promise<Vm> {
  const vm = await startQemu({ accel: 'tcg', smp: 1, hmp: false, ...options });
  onTestFinished(() => vm.stop());
  return vm;
}

/** This machine's QEMU, and the newer one. */
function rootOf(context: TestContext, which: string): { readonly root?: string } {
  if (which === 'this machine’s QEMU') return {};
  const newer = newerQemuRoot();
  if ('reason' in newer) context.skip(newer.reason);
  return newer;
}

const QEMUS = ['this machine’s QEMU', 'a newer QEMU'] as const;

function localOf(...vms: readonly Vm[]): Registry {
  const host = new Registry([new LocalSource({ pids: vms.map(({ pid }) => pid) })]);
  onTestFinished(() => host.close());
  return host;
}

/** The readings of NICs, by path. */
async function nicsOf(host: Registry): Promise<ReadonlyMap<string, HostCounters>> {
  const [answer] = await host.query({ target: 'interface', providers: [{ provider: 'interface' }] });
  const items = (answer?.items ?? []) as readonly Sample[];
  return new Map(
    items.map(({ path = '', stats }) => [
      path,
      Object.fromEntries(stats.map(({ name, value }) => [name, value as bigint])),
    ]),
  );
}

async function reasons(host: Registry): Promise<readonly (string | undefined)[]> {
  const [answer] = await host.list();
  return (answer?.items ?? []).filter(({ provider }) => provider === 'interface').map(({ reason }) => reason);
}

/** The eight counters that are read, of what a device's own files say. */
function counted(host: HostCounters, isSwapped: boolean): HostCounters {
  const of = (guest: string, own: string) =>
    ['bytes', 'packets', 'errors', 'dropped'].map((name) => [`${guest}_${name}`, host[`${own}_${name}`] ?? -1n]);
  const [rx, tx] = isSwapped ? ['tx', 'rx'] : ['rx', 'tx'];
  return Object.fromEntries([...of('rx', rx as string), ...of('tx', tx as string)]);
}

/** Waits until nothing moves any more. */
async function settled(read: () => HostCounters): Promise<HostCounters> {
  const text = (counters: HostCounters) => Object.entries(counters).join();
  for (let before = read(); ; ) {
    await sleep(200);
    const after = read();
    if (text(after) === text(before)) return after;
    before = after;
  }
}

function injectorPath({ name }: Network): string {
  const path = join(LAB, name);
  onTestFinished(() => rmSync(path, { force: true }));
  return path;
}

/** Options that let `inject` send frames as the guest would. */
function injector(path: string, netdev: string): readonly string[] {
  return [
    ...['-chardev', `socket,id=inject,path=${path},server=on,wait=off`],
    ...['-object', `filter-redirector,id=redirect,netdev=${netdev},queue=rx,indev=inject`],
  ];
}

async function inject(path: string, count: number, sizeBytes: number): Promise<void> {
  const socket = await TextSocket.open(path);
  const frame = `\0\0\0${String.fromCharCode(sizeBytes)}${'\x01'.repeat(12)}xx${'x'.repeat(sizeBytes - 14)}`;
  socket.write(frame.repeat(count));
  await sleep(300);
  socket.close();
}

/** A NIC that takes every frame, though its guest has no driver, and from which no firmware boots. */
const TAKES_ALL = 'rtl8139,romfile=';

describe.each(QEMUS)('with %s', (which) => {
  it('a tap is counted from the guest’s point of view', async (context) => {
    const own = network(context);
    own.addTap('t0');
    const path = injectorPath(own);
    const vm = await start({
      ...rootOf(context, which),
      launcher: own.launcher(),
      args: [
        ...['-netdev', 'tap,id=h0,ifname=t0,script=no,downscript=no', '-device', `${TAKES_ALL},netdev=h0,id=net0`],
        ...injector(path, 'h0'),
      ],
    });
    const host = localOf(vm);
    const before = (await nicsOf(host)).get('/machine/peripheral/net0');
    own.send('t0', 10, 100);
    await inject(path, 3, 90);
    const bracket = await settled(() => counted(own.counters('t0'), true));
    const after = (await nicsOf(host)).get('/machine/peripheral/net0');
    expect(after).toEqual(bracket);
    expect(counted(own.counters('t0'), true)).toEqual(bracket);
    const grown = Object.entries(after ?? {}).map(([name, value]) => [name, value - (before?.[name] ?? 0n)]);
    expect(Object.fromEntries(grown)).toEqual({
      rx_bytes: 1000n,
      rx_packets: 10n,
      rx_errors: 0n,
      rx_dropped: 0n,
      tx_bytes: 270n,
      tx_packets: 3n,
      tx_errors: 0n,
      // Nobody on the host takes frames of this kind.
      tx_dropped: 3n,
    });
  });

  it('what a guest does not take is dropped', async (context) => {
    const own = network(context);
    own.addTap('t0', ['multi_queue']);
    const vm = await start({
      ...rootOf(context, which),
      launcher: own.launcher('tap|t0|30|2'),
      args: [
        ...['-netdev', '{"type":"tap","id":"h0","fds":"30:31"}'],
        ...['-device', '{"driver":"virtio-net-pci","netdev":"h0","mq":true,"vectors":6}'],
      ],
    });
    const host = localOf(vm);
    own.send('t0', 5000, 60);
    const seen = (await nicsOf(host)).get('/machine/peripheral-anon/device[0]');
    expect(seen).toEqual(counted(own.counters('t0'), true));
    expect(seen?.['rx_dropped']).toBeGreaterThan(1000n);
    expect(await reasons(host)).toEqual([undefined]);
  });

  it('a macvtap is counted as it is', async (context) => {
    const own = network(context);
    const { address, node } = own.addMacvtap('m0', 'cable');
    const path = injectorPath(own);
    const vm = await start({
      ...rootOf(context, which),
      launcher: own.launcher(`node|${node}|33|1`),
      args: [
        ...['-netdev', 'tap,id=h0,fd=33', '-device', `${TAKES_ALL},netdev=h0,id=net0,mac=${address}`],
        ...injector(path, 'h0'),
      ],
    });
    const host = localOf(vm);
    own.send('cable', 10, 100, address);
    await inject(path, 3, 90);
    const bracket = await settled(() => counted(own.counters('m0'), false));
    const seen = (await nicsOf(host)).get('/machine/peripheral/net0');
    expect(seen).toEqual(bracket);
    expect(seen).toMatchObject({ rx_packets: 10n, rx_bytes: 1000n, tx_packets: 3n, tx_bytes: 270n });
  });

  it('NICs without a device say why, each for itself', async (context) => {
    const own = network(context);
    own.addTap('t0');
    const vm = await start({
      ...rootOf(context, which),
      launcher: own.launcher(),
      args: [
        ...['-netdev', 'user,id=h0', '-device', 'e1000,netdev=h0,id=net0'],
        ...['-device', 'e1000,id=alone'],
        ...['-netdev', 'tap,id=h1,ifname=t0,script=no,downscript=no', '-device', 'e1000,netdev=h1'],
        ...['-nic', 'socket,model=rtl8139,udp=127.0.0.1:1,localaddr=127.0.0.1:0,id=h2'],
      ],
    });
    const host = localOf(vm);
    expect([...(await nicsOf(host)).keys()]).toEqual(['/machine/peripheral-anon/device[0]']);
    expect((await reasons(host)).toSorted()).toEqual([
      expect.stringMatching(/^\/machine\/unattached\/device\[\d+\] is a socket: it has no device on this host$/),
      'alone is connected to nothing',
      'net0 is user-mode networking: it has no device on this host',
      undefined,
    ]);
  });

  it('NICs that are plugged appear, and vanish when they are unplugged', async (context) => {
    const own = network(context);
    own.addTap('t0');
    own.addTap('t1');
    const vm = await start({
      ...rootOf(context, which),
      launcher: own.launcher(),
      qmp: 2,
      args: [
        '-device',
        'piix3-usb-uhci',
        '-netdev',
        'tap,id=h0,ifname=t0,script=no,downscript=no',
        '-device',
        'e1000,netdev=h0,id=net0',
      ],
    });
    const monitor = await RawQmp.open(vm.qmpPaths[1] ?? '');
    onTestFinished(() => monitor.close());
    const host = localOf(vm);
    const paths = async () => [...(await nicsOf(host)).keys()];
    expect(await paths()).toEqual(['/machine/peripheral/net0']);
    await monitor.execute('netdev_add', { type: 'tap', id: 'h1', ifname: 't1', script: 'no', downscript: 'no' });
    await monitor.execute('device_add', { driver: 'usb-net', netdev: 'h1', id: 'net1' });
    const both = ['/machine/peripheral/net0', '/machine/peripheral/net1'];
    await expect.poll(paths, { timeout: 10_000, interval: 300 }).toEqual(both);
    expect((await nicsOf(host)).get(both[1] as string)).toEqual(counted(own.counters('t1'), true));
    await monitor.execute('device_del', { id: 'net1' });
    await monitor.execute('netdev_del', { id: 'h1' });
    expect(await paths()).toEqual(['/machine/peripheral/net0']);
    expect(await reasons(host)).toEqual([undefined]);
  });
});

describe('a tap', () => {
  const NIC = ['-netdev', 'tap,id=h0,ifname=t0,script=no,downscript=no', '-device', `${TAKES_ALL},netdev=h0,id=net0`];

  it('that is renamed goes on counting', async (context) => {
    const own = network(context);
    own.addTap('t0');
    const host = localOf(await start({ launcher: own.launcher(), args: NIC }));
    own.send('t0', 10, 100);
    await sleep(200);
    expect((await nicsOf(host)).get('/machine/peripheral/net0')?.['rx_packets']).toBe(10n);
    own.ip('link', 'set', 't0', 'down');
    own.ip('link', 'set', 't0', 'name', 'other name'.replace(' ', ','));
    own.ip('link', 'set', 'other,name', 'up');
    own.send('other,name', 5, 100);
    await sleep(200);
    expect((await nicsOf(host)).get('/machine/peripheral/net0')?.['rx_packets']).toBe(15n);
  });

  it('that was made in our namespace for a VM in another is found there', async (context) => {
    const own = network(context);
    const name = own.name.slice(-6);
    const args = ['-netdev', 'tap,id=h0,fd=40', '-device', `${TAKES_ALL},netdev=h0,id=net0`];
    const vm = await start({ launcher: [...opening(`tap|${name}|40|1`), ...own.launcher()], args });
    const host = localOf(vm);
    const [counters] = (await nicsOf(host)).values();
    expect(counters?.['rx_packets']).toBe(BigInt(readFileSync(`/sys/class/net/${name}/statistics/tx_packets`, 'utf8')));
    expect(await reasons(host)).toEqual([undefined]);
  });

  it('that was moved to where we do not see it is not taken for one of its name here', async (context) => {
    const own = network(context);
    const other = network(context);
    own.addTap('t0');
    const vm = await start({ launcher: own.launcher(), args: NIC });
    const host = localOf(vm);
    expect((await nicsOf(host)).size).toBe(1);
    own.ip('link', 'set', 't0', 'netns', other.name);
    expect((await nicsOf(host)).size).toBe(0);
    expect(await reasons(host)).toEqual([
      'net0 has the device t0, which is not in the network namespace of the VMM, nor seen from here',
    ]);
  });

  it('that another VM has now is not counted to the one that had it', async (context) => {
    const own = network(context);
    own.addTap('t0');
    const first = await start({ launcher: own.launcher(), args: NIC });
    const host = localOf(first);
    expect((await nicsOf(host)).size).toBe(1);
    await first.stop();
    const second = await start({ launcher: own.launcher(), args: NIC });
    expect((await nicsOf(host)).size).toBe(0);
    expect((await nicsOf(localOf(second))).size).toBe(1);
  });

  it('is found by the command line where the monitor is taken', async (context) => {
    const own = network(context);
    own.addTap('t0');
    own.addTap('t1');
    const vm = await start({
      launcher: own.launcher('tap|t1|40|1'),
      args: [...NIC, '-netdev', '{"type":"tap","id":"h1","fd":"40"}', '-device', '{"driver":"e1000","netdev":"h1"}'],
    });
    const taken = await RawQmp.open(vm.qmpPath);
    onTestFinished(() => taken.close());
    const nics = await nicsOf(localOf(vm));
    expect([...nics.keys()]).toEqual(['/machine/peripheral/net0', '/machine/peripheral-anon/device[0]']);
    expect(nics.get('/machine/peripheral/net0')).toEqual(counted(own.counters('t0'), true));
  });

  it('in a network that two VMs share is read once for both', async (context) => {
    const own = network(context);
    own.addTap('t0');
    own.addTap('t1');
    const other = NIC.map((word) => word.replace('t0', 't1'));
    const vms = [
      await start({ launcher: own.launcher(), args: NIC }),
      await start({ launcher: own.launcher(), args: other }),
    ];
    const host = localOf(...vms);
    own.send('t1', 7, 100);
    await sleep(200);
    await host.query({ target: 'interface' });
    const answers = await host.query({ target: 'interface' });
    const times = answers.flatMap(({ items }) => (items as readonly Sample[]).map((item) => item.collectedAtNs));
    expect(times).toHaveLength(2);
    expect(new Set(times).size).toBe(1);
    const packets = answers.map(({ items }) => (items as readonly Sample[])[0]?.stats[1]?.value);
    expect(packets.toSorted()).toEqual([0n, 7n]);
  });

  it('is counted for a user without any rights by its name, and not where only a descriptor tells', async (context) => {
    const own = network(context);
    const objection = await objectionToNobody();
    if (objection !== undefined) context.skip(objection);
    own.addTap('t0');
    own.addTap('t1');
    const second = ['-netdev', 'tap,id=h1,fd=40', '-device', `${TAKES_ALL},netdev=h1,id=net1`];
    const vm = await start({ launcher: own.launcher('tap|t1|40|1'), args: [...NIC, ...second] });
    own.send('t0', 10, 100);
    await settled(() => own.counters('t0'));
    const { stdout } = await asNobody('query', 'interface', 'rx_packets', '--domain', vm.name, '--json');
    expect(JSON.parse(stdout)).toMatchObject([
      { 'qom-path': '/machine/peripheral/net0', stats: [{ name: 'rx_packets', value: 10 }] },
    ]);
    const listed = await asNobody('list');
    expect(listed.stdout).toContain('not all of interface: net1 has a device without a name, and the descriptors');
  });

  it('reads well on the command line', async (context) => {
    const own = network(context);
    own.addTap('t0');
    const vm = await start({ launcher: own.launcher(), args: [...NIC, '-nic', 'user,id=u,model=e1000'] });
    own.send('t0', 10, 100);
    await sleep(200);
    const [query] = (await virtstatJson('query', 'interface', '--domain', vm.name)) as readonly Record<
      string,
      unknown
    >[];
    expect(query).toMatchObject({
      provider: 'interface',
      target: 'interface',
      'qom-path': '/machine/peripheral/net0',
      via: 'proc',
      stats: [{ name: 'rx_bytes', value: 1000n }, { name: 'rx_packets', value: 10n }, {}, {}, {}, {}, {}, {}],
    });
    const { stdout } = await virtstat('list');
    const [, ...lines] = stdout.slice(stdout.indexOf(`${vm.name} `)).split('\n');
    expect(lines.find((line) => line.endsWith('(proc)'))).toMatch(/\binterface\b/);
    expect(stdout).toMatch(
      /not all of interface: \/machine\/unattached\/device\[\d+\] is user-mode networking: it has no device on this host/,
    );
  });
});
