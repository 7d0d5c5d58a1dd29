import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { U64_MAX } from '../model/u64.ts';
import { MAX_DEVICES, MAX_PAGE_BYTES, NetworkDevices, NetworkNamespaces } from './network-devices.ts';

const HEADER = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;

const line = (name: string, ...numbers: readonly (bigint | number | string)[]) => `${name}: ${numbers.join('  ')}\n`;
const NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18];
const COUNTERS = {
  received: { bytes: 1n, packets: 2n, errors: 3n, dropped: 4n },
  sent: { bytes: 11n, packets: 12n, errors: 13n, dropped: 14n },
};

describe('a page of devices', () => {
  it('has the counters of each, to the last bit', () => {
    const devices = new NetworkDevices(`${HEADER}${line('    lo', ...NUMBERS)}${line('t0', ...NUMBERS)}`);
    expect(devices.size).toBe(2);
    expect(devices.counters('lo')).toEqual(COUNTERS);
    const most = line('t1', ...Array.from({ length: 16 }, () => U64_MAX));
    expect(new NetworkDevices(HEADER + most).counters('t1')?.sent.dropped).toBe(U64_MAX);
  });

  it.each(['a:b', 'a,b', ':', 'é', 'vnet0:1', '|'])('takes a device named %s', (name) => {
    expect(new NetworkDevices(HEADER + line(name, ...NUMBERS)).counters(name)).toEqual(COUNTERS);
  });

  it('takes a name of the kernel’s that touches its first number', () => {
    expect(new NetworkDevices(`${HEADER}eth0:${NUMBERS.join(' ')}\n`).counters('eth0')).toEqual(COUNTERS);
  });

  it('finds columns by their names', () => {
    const page = 'Inter-|\n face |packets bytes drop errs|drop errs packets bytes\n a: 2 1 4 3 14 13 12 11\n';
    expect(new NetworkDevices(page).counters('a')).toEqual(COUNTERS);
    expect(new NetworkDevices(page.replace('errs|', 'x|')).counters('a')).toBeUndefined();
    expect(new NetworkDevices(page.replace(' face', ' face |')).counters('a')).toBeUndefined();
  });

  it.each([
    ['fewer columns', line('a', ...NUMBERS.slice(0, 11))],
    ['a number above 64 bits', line('a', U64_MAX + 1n, ...NUMBERS.slice(1))],
    ['a negative number', line('a', -1, ...NUMBERS.slice(1))],
    ['a word', line('a', 'x', ...NUMBERS.slice(1))],
    ['nothing', 'a:\n'],
    ['no end', line('a', ...NUMBERS).slice(0, -1)],
  ])('has no counters of a line with %s', (_what, text) => {
    expect(new NetworkDevices(HEADER + text).counters('a')).toBeUndefined();
  });

  it('is cut anywhere without giving a number that is not there', () => {
    const page = HEADER + line('a', ...NUMBERS) + line('b', ...NUMBERS);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: page.length }), (end) => {
        const devices = new NetworkDevices(page.slice(0, end));
        for (const name of ['a', 'b']) expect([undefined, COUNTERS]).toContainEqual(devices.counters(name));
      }),
    );
  });

  it('takes any text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (page, name) => {
        new NetworkDevices(page).counters(name);
        new NetworkDevices(HEADER + page).counters(name);
      }),
    );
  });

  it('is looked at up to the most devices', () => {
    const many = Array.from({ length: MAX_DEVICES + 1 }, (_, index) => line(`t${index}`, ...NUMBERS)).join('');
    const devices = new NetworkDevices(HEADER + many);
    expect(devices.size).toBe(MAX_DEVICES);
    expect(devices.counters(`t${MAX_DEVICES - 1}`)).toBeDefined();
    expect(devices.counters(`t${MAX_DEVICES}`)).toBeUndefined();
  });
});

describe('namespaces', () => {
  let proc: string;
  beforeAll(() => {
    proc = mkdtempSync(join(tmpdir(), 'proc-'));
    for (const pid of ['1', '2', '3', '4']) mkdirSync(join(proc, pid, 'net'), { recursive: true });
    writeFileSync(join(proc, '1/net/dev'), HEADER + line('a', ...NUMBERS));
    linkSync(join(proc, '1/net/dev'), join(proc, '2/net/dev'));
    writeFileSync(join(proc, '3/net/dev'), HEADER);
  });
  afterAll(() => rmSync(proc, { recursive: true }));

  it('are read once for all who live in them', () => {
    const namespaces = new NetworkNamespaces(proc, 60_000);
    expect(namespaces.of(2)).toBe(namespaces.of(1));
    expect(namespaces.of(3)?.devices.size).toBe(0);
    expect(namespaces.reads).toBe(2);
    expect(namespaces.of(1)?.devices.counters('a')).toEqual(COUNTERS);
  });

  it('are read anew when the page is old', () => {
    const namespaces = new NetworkNamespaces(proc, 0);
    expect(namespaces.of(1)?.collectedAtNs).toBeLessThanOrEqual(namespaces.of(1)?.collectedAtNs ?? 0n);
    expect(namespaces.reads).toBe(2);
  });

  it('have no page of a process that is gone', () => {
    expect(new NetworkNamespaces(proc).of(4)).toBeUndefined();
    expect(new NetworkNamespaces(proc).of(99)).toBeUndefined();
  });

  it('are read up to the bound, and no further', () => {
    const long = line('a', ...NUMBERS)
      .padStart(200)
      .repeat(Math.ceil(MAX_PAGE_BYTES / 200));
    writeFileSync(join(proc, '4/net/dev'), `${HEADER}${long}${line('beyond', ...NUMBERS)}`);
    const page = new NetworkNamespaces(proc).of(4);
    expect(page?.devices.counters('a')).toEqual(COUNTERS);
    expect(page?.devices.has('beyond')).toBe(false);
  });

  it('show this very machine', () => {
    expect(new NetworkNamespaces().of('self')?.devices.counters('lo')?.received.bytes).toBeTypeOf('bigint');
  });
});
