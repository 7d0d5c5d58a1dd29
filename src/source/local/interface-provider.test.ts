import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { NetworkNamespaces } from '../../host/network-devices.ts';
import type { Nic } from '../qemu/nics.ts';
import { InterfaceProvider } from './interface-provider.ts';

const PID = 7;
const options = { signal: new AbortController().signal };
const domain = { id: 'a', name: 'a', source: 'test:' };
const TITLES = ' | Receive | Transmit\n face |bytes packets errs drop|bytes packets errs drop\n';
const PATH = '/machine/peripheral/net0';

let procRoot: string;
let nics: readonly Nic[];
let asked: number;
let forgotten: number;
let hasExited: boolean;

const nic = (id: string, ifname: string): Nic => ({
  path: `/machine/peripheral/${id}`,
  name: id,
  backend: { name: `h-${id}`, type: 'tap', ifname, fds: [] },
  isShared: false,
});

function addTap(fd: number, name: string): void {
  symlinkSync('/dev/net/tun', join(procRoot, `${PID}/fd/${fd}`));
  nameTap(fd, name);
}

function nameTap(fd: number, name: string): void {
  writeFileSync(join(procRoot, `${PID}/fdinfo/${fd}`), `pos:\t0\niff:\t${name}\n`);
}

function count(...lines: readonly string[]): void {
  writeFileSync(join(procRoot, `${PID}/net/dev`), TITLES + lines.map((line) => `${line}\n`).join(''));
}

function provider(): InterfaceProvider {
  return new InterfaceProvider(PID, {
    procRoot,
    namespaces: new NetworkNamespaces(procRoot, 0),
    nics: async () => {
      asked++;
      return nics;
    },
    forgetNics: () => void forgotten++,
    hasExited: () => hasExited,
  });
}

async function read(from: InterfaceProvider): Promise<Readonly<Record<string, bigint>>> {
  const readings = await from.stats(domain, { target: 'interface' }, options);
  return Object.fromEntries(readings.map(({ path, stats }) => [path, stats[0]?.value as bigint]));
}

beforeEach(() => {
  procRoot = mkdtempSync(join(tmpdir(), 'proc-'));
  for (const folder of ['fd', 'fdinfo', 'net']) mkdirSync(join(procRoot, `${PID}/${folder}`), { recursive: true });
  [nics, asked, forgotten, hasExited] = [[nic('net0', 't0')], 0, 0, false];
});
afterEach(() => rmSync(procRoot, { recursive: true }));

it('what the host sends into a tap the guest receives', async () => {
  addTap(9, 't0');
  count('t0: 1 2 3 4 11 12 13 14');
  const [reading] = await provider().stats(domain, { target: 'interface' }, options);
  expect(reading).toMatchObject({ path: PATH, via: 'proc' });
  expect(reading?.stats.map(({ name, value }) => [name, value])).toEqual([
    ['rx_bytes', 11n],
    ['rx_packets', 12n],
    ['rx_errors', 13n],
    ['rx_dropped', 14n],
    ['tx_bytes', 1n],
    ['tx_packets', 2n],
    ['tx_errors', 3n],
    ['tx_dropped', 4n],
  ]);
  const [schema] = await provider().schemas(domain, options);
  expect(schema?.stats.map(({ name }) => name)).toEqual(reading?.stats.map(({ name }) => name));
  expect(schema?.stats.map(({ type, unit }) => `${type} ${unit}`).slice(0, 2)).toEqual([
    'cumulative bytes',
    'cumulative undefined',
  ]);
});

it('a device that cannot be counted is absent, with the reason', async () => {
  addTap(9, 't0');
  count('t1: 1 2 3 4 11 12 13 14');
  const own = provider();
  expect(await own.schemas(domain, options)).toEqual([]);
  expect(await read(own)).toEqual({});
  expect(await own.availability(domain, options)).toMatchObject([
    {
      available: false,
      reason: 'net0 has the device t0, which is not in the network namespace of the VMM, nor seen from here',
    },
  ]);
  nics = [];
  expect(await own.availability(domain, options)).toMatchObject([
    { available: false, reason: 'the VM has no NICs that are known of' },
  ]);
});

it('a name that is not there any more is looked for at once, and found by its descriptor', async () => {
  addTap(9, 't0');
  addTap(10, 't1');
  nics = [nic('net0', 't0'), nic('net1', 't1')];
  count('t0: 0 0 0 0 5 0 0 0', 't1: 0 0 0 0 6 0 0 0');
  const own = provider();
  expect(await read(own)).toEqual({ [PATH]: 5n, '/machine/peripheral/net1': 6n });
  nameTap(9, 'x');
  nameTap(10, 'y');
  count('x: 0 0 0 0 7 0 0 0', 'y: 0 0 0 0 8 0 0 0');
  expect(await read(own)).toEqual({ [PATH]: 7n, '/machine/peripheral/net1': 8n });
  expect(forgotten).toBe(1);
});

it('a NIC whose descriptor was closed counts no longer, whoever has its device now', async () => {
  addTap(9, 't0');
  count('t0: 0 0 0 0 5 0 0 0');
  const own = provider();
  expect(await read(own)).toEqual({ [PATH]: 5n });
  unlinkSync(join(procRoot, `${PID}/fd/9`));
  expect(await read(own)).toEqual({});
  expect(forgotten).toBe(1);
  const before = asked;
  expect(await read(own)).toEqual({});
  expect(asked).toBe(before + 1);
});

it('a process that has exited counts nothing', async () => {
  addTap(9, 't0');
  count('t0: 0 0 0 0 5 0 0 0');
  hasExited = true;
  await expect(read(provider())).rejects.toMatchObject({ code: 'DOMAIN_GONE' });
});
