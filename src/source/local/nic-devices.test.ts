import { describe, expect, it } from 'vitest';
import type { TapFd } from '../../host/tap-fds.ts';
import type { NetBackend } from '../../protocol/hmp/info-network.ts';
import type { Nic } from '../qemu/nics.ts';
import { type MatchInput, matchDevices } from './nic-devices.ts';

const nic = (name: string, backend?: Partial<NetBackend>, isShared = false): Nic => ({
  path: `/machine/peripheral/${name}`,
  name,
  ...(backend && { backend: { name: `h-${name}`, type: 'tap', fds: [], ...backend } }),
  isShared,
});
const tap = (fd: number, device: string, kind: TapFd['kind'] = 'tap'): TapFd => ({ fd, device, kind, link: '/dev/x' });

function match(nics: readonly Nic[], taps: MatchInput['taps'], known: MatchInput['known'] = new Map()) {
  return matchDevices({ nics, taps, known }).map(({ device, reason }) => device?.device ?? reason);
}

describe('the device of a NIC', () => {
  it('is that of its descriptors', () => {
    const nics = [nic('a', { fds: [31] }), nic('b', { fds: [33, 34] }), nic('c', { fds: [35] })];
    const taps = [tap(31, 't1'), tap(33, 't2'), tap(34, 't2'), tap(35, 'm', 'macvtap')];
    expect(match(nics, taps)).toEqual(['t1', 't2', 'm']);
    expect(match([nic('a', { fds: [32] })], taps)).toEqual([
      'a was given descriptor 32, which is no tap that the VMM holds now',
    ]);
  });

  it('is that of its name, which the VMM has to hold', () => {
    expect(match([nic('a', { ifname: 't1' })], [tap(9, 't0'), tap(10, 't1')])).toEqual(['t1']);
    expect(match([nic('a', { ifname: 't1' })], [])).toEqual([
      'a was given the tap t1, and the VMM holds none of which it can be told that it is that one',
    ]);
  });

  it('is the one that is left', () => {
    expect(match([nic('a', { ifname: 't1' }), nic('b', {})], [tap(9, 't1'), tap(10, 'x')])).toEqual(['t1', 'x']);
    expect(match([nic('a', { ifname: 't1' })], [tap(9, 'x'), tap(10, 'x')])).toEqual(['x']);
    expect(match([nic('a', { ifname: 't1' })], [tap(9, 'm', 'macvtap')])[0]).toMatch(/^a was given the tap t1/);
  });

  it('is nothing that could as well be another’s', () => {
    expect(match([nic('a', {}), nic('b', {})], [tap(9, 'x'), tap(10, 'y')])).toEqual([
      expect.stringMatching(/^a was given a tap/),
      expect.stringMatching(/^b was given a tap/),
    ]);
    expect(match([nic('a', { ifname: 't' })], [tap(9, 'x'), tap(10, 'y')])[0]).toMatch(/^a was given the tap t,/);
  });

  it('is the one that it had under another name', () => {
    const known = new Map([
      ['h-a', tap(9, 't0')],
      ['h-b', tap(10, 't1')],
    ]);
    const nics = [nic('a', { ifname: 't0' }), nic('b', { ifname: 't1' })];
    expect(match(nics, [tap(9, 'x'), tap(10, 'y')], known)).toEqual(['x', 'y']);
  });

  it('is believed by its name where descriptors may not be looked at', () => {
    const nics = [nic('a', { ifname: 't0' }), nic('b', { fds: [3] }), nic('c', { ifname: 't0' })];
    expect(match(nics, undefined)).toEqual([
      't0',
      expect.stringMatching(/^b has a device without a name, .*; run as root/),
      expect.any(String),
    ]);
  });

  it.each([
    [nic('a'), 'a is connected to nothing'],
    [nic('a', undefined, true), 'a is on a hub with others: no device counts its frames alone'],
    [nic('a', { type: 'user' }), 'a is user-mode networking: it has no device on this host'],
    [nic('a', { type: 'dgram' }), 'a is a socket: it has no device on this host'],
    [nic('a', { type: 'vhost-user' }), 'a is connected by vhost-user: it has no device on this host'],
  ])('is none', (each, reason) => {
    expect(match([each], [tap(9, 't0')])).toEqual([reason]);
  });
});
