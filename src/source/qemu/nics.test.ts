import { describe, expect, it } from 'vitest';
import type { JsonInput } from '../../protocol/json/json.ts';
import { FakeMonitor } from '../../testing/fake-monitor.ts';
import { Monitor } from './monitor.ts';
import { MonitorNics } from './nics.ts';

const options = { signal: new AbortController().signal };
const TAP = ' \\ h0: index=0,type=tap,ifname=t0,script=no,downscript=no\n';
const nicLine = (name: string) => `${name}: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:56\n`;
const device = (name: string, type: string) => ({ name, type: `child<${type}>` });

/** A QEMU with these devices by folder, whose property netdev is in `netdevs`. */
async function withNics(
  text: JsonInput,
  folders: Readonly<Record<string, JsonInput>>,
  netdevs: Readonly<Record<string, string>>,
  use: (nics: MonitorNics, fake: FakeMonitor) => Promise<void>,
) {
  await using fake = await FakeMonitor.listen({
    commands: {
      'human-monitor-command': () => text,
      'qom-list': (args) => folders[String(args?.['path'])] ?? [],
      'qom-get': (args) => netdevs[String(args?.['path'])] ?? '',
    },
  });
  const monitor = new Monitor(fake.address);
  try {
    await use(new MonitorNics(monitor), fake);
  } finally {
    await monitor.close();
  }
}

describe('the NICs that a monitor tells', () => {
  it('with an id take two questions', async () => {
    const folders = { '/machine/peripheral': [device('net0', 'e1000')] };
    await withNics(nicLine('net0') + TAP, folders, {}, async (nics, fake) => {
      const backend = { name: 'h0', type: 'tap', ifname: 't0', fds: [] };
      expect(await nics.get(options)).toEqual([
        { path: '/machine/peripheral/net0', name: 'net0', backend, isShared: false },
      ]);
      await nics.get(options);
      const asked = fake.requests.map(({ command }) => command).filter((command) => command !== 'qmp_capabilities');
      expect(asked.toSorted()).toEqual(['human-monitor-command', 'qom-list']);
      nics.forget();
      await nics.get(options);
      expect(fake.requests.filter(({ command }) => command === 'qom-list')).toHaveLength(2);
    });
  });

  it('without an id are found by their netdev, among those of the user, then of the board', async () => {
    const text = `${nicLine('e1000.0')}${TAP}${nicLine('e1000.1')}${TAP.replaceAll('h0', 'h1')}${nicLine('e1000.2')}`;
    const folders = {
      '/machine/peripheral-anon': [device('device[0]', 'balloon'), device('device[1]', 'e1000')],
      '/machine/unattached': [device('device[17]', 'e1000'), device('device[18]', 'cpu')],
    };
    const netdevs = { '/machine/peripheral-anon/device[1]': 'h1', '/machine/unattached/device[17]': 'h0' };
    await withNics(text, folders, netdevs, async (nics, fake) => {
      expect((await nics.get(options)).map(({ path }) => path)).toEqual([
        '/machine/unattached/device[17]',
        '/machine/peripheral-anon/device[1]',
        'e1000.2',
      ]);
      expect(fake.requests.filter(({ command }) => command === 'qom-get')).toHaveLength(2);
    });
  });

  it.each([
    ['no text', 5, {}],
    ['no list of objects', '', { '/machine/peripheral': 5 }],
  ])('are refused where there is %s', async (_what, text, folders) => {
    await withNics(text, folders, {}, async (nics) => {
      await expect(nics.get(options)).rejects.toMatchObject({ code: 'QMP_REPLY_INVALID' });
    });
  });
});
