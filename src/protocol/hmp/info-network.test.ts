import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_NET_CLIENTS, parseInfoNetwork } from './info-network.ts';
import { MAX_TEXT_LENGTH } from './info-stats-parse.ts';

/** As QEMU 7.2 printed it. */
const TEXT = `hub 0
 \\ hp: net5: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:59
rtl8139.0: index=0,type=nic,model=rtl8139,macaddr=52:54:00:12:34:56
 \\ u: index=0,type=user,net=10.0.2.0,restrict=off
net0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:00:00:01
 \\ h0: index=0,type=tap,ifname=t0,script=no,downscript=no
virtio-net-pci.1: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:57
 \\ h1: index=0,type=tap,fd=30
virtio-net-pci.2: index=1,type=nic,
 \\ h1: index=1,type=tap,fd=31
lonely: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:5a
net2: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:5b
filters:
  - f0: type=filter-redirector,netdev=h2,queue=rx,indev=c,status=on,position=tail,insert=behind
 \\ h2: index=0,type=tap,helper=/usr/lib/qemu/qemu-bridge-helper,br=br0
h9: index=0,type=tap,ifname=t9,script=no,downscript=no
`;

const nic = (name: string, model: string, netdev: string, backend?: object) => ({
  name,
  model,
  netdev,
  isShared: false,
  ...(backend && { backend: { name: netdev, ...backend } }),
});

it('tells each NIC with its backend, and all descriptors of several queues', () => {
  const expected = [
    nic('net5', 'e1000', 'hp'),
    nic('rtl8139.0', 'rtl8139', 'u', { type: 'user', fds: [] }),
    nic('net0', 'virtio-net-pci', 'h0', { type: 'tap', ifname: 't0', fds: [] }),
    nic('virtio-net-pci.1', 'virtio-net-pci', 'h1', { type: 'tap', fds: [30, 31] }),
    nic('lonely', 'e1000', ''),
    nic('net2', 'e1000', 'h2', { type: 'tap', fds: [] }),
  ];
  expect(parseInfoNetwork(TEXT)).toEqual(expected);
  expect(parseInfoNetwork(TEXT.replaceAll('\n', '\r\n'))).toEqual(expected);
});

describe('a hub', () => {
  const NIC0 = ' \\ hub0port0: pcnet.0: index=0,type=nic,model=pcnet,macaddr=52:54:00:12:34:56\n';
  const NIC1 = ' \\ hub0port1: pcnet.1: index=0,type=nic,model=pcnet,macaddr=52:54:00:12:34:57\n';
  const TAP = ' \\ hub0port2: #net157: index=0,type=tap,ifname=t0,script=no,downscript=no\n';
  const USER = ' \\ hub0port3: u: index=0,type=user,net=10.0.2.0,restrict=off\n';

  it.each([
    ['one NIC and a tap', TAP + NIC0, [[false, 't0']]],
    ['one NIC and an empty port', `${NIC0} \\ hub0port9\n${TAP}`, [[false, 't0']]],
    ['one NIC and two backends', NIC0 + TAP + USER, [[true, undefined]]],
    [
      'two NICs and a tap',
      NIC0 + NIC1 + TAP,
      [
        [true, undefined],
        [true, undefined],
      ],
    ],
    ['one NIC alone', NIC0, [[false, undefined]]],
  ])('with %s', (_what, ports, expected) => {
    const nics = parseInfoNetwork(`hub 0\n${ports}`);
    expect(nics.map(({ isShared, backend }) => [isShared, backend?.ifname])).toEqual(expected);
    expect(nics[0]?.netdev).toBe('hub0port0');
  });

  it('ends where no port comes any more', () => {
    const text = `hub 0\n${NIC0}hub 1\n${TAP}net0: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:59\n \\ u: index=0,type=user,x\n`;
    expect(parseInfoNetwork(text).map(({ name, backend }) => [name, backend?.type])).toEqual([
      ['pcnet.0', undefined],
      ['net0', 'user'],
    ]);
  });
});

describe('a text of somebody who means no good', () => {
  it.each(['a b', 'a: b', ': index=0', 'x,script=', 'é'])('may have a NIC and a tap named %s', (name) => {
    const text = `${name}: index=0,type=nic,model=m,macaddr=x\n \\ ${name}: index=0,type=tap,ifname=a,b:,script=no,downscript=no\n`;
    expect(parseInfoNetwork(text)).toHaveLength(1);
    if (!name.includes('index')) expect(parseInfoNetwork(text)[0]).toMatchObject({ name, backend: { ifname: 'a,b:' } });
  });

  it('costs no more than the bounds', () => {
    const line = 'h: index=0,type=tap,fd=1\n';
    expect(parseInfoNetwork(line.repeat(MAX_NET_CLIENTS))).toEqual([]);
    const many = () => parseInfoNetwork(line.repeat(MAX_NET_CLIENTS + 1));
    expect(many).toThrow(expect.objectContaining({ code: 'HMP_TEXT_INVALID' }));
    expect(parseInfoNetwork('\n'.repeat(100_000))).toEqual([]);
    expect(() => parseInfoNetwork(' '.repeat(MAX_TEXT_LENGTH + 1))).toThrow(/too|at most/);
  });

  it('may be any text, cut anywhere', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: TEXT.length }), (end) => void parseInfoNetwork(TEXT.slice(0, end))),
    );
    const words = fc.constantFrom(
      'hub 0',
      ' \\ ',
      'a: ',
      'index=0',
      ',type=nic,',
      ',type=tap,',
      'fd=3',
      '\n',
      'ifname=x',
    );
    fc.assert(fc.property(fc.array(fc.oneof(words, fc.string())), (all) => void parseInfoNetwork(all.join(''))));
  });
});
