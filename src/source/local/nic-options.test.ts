import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from './command-line.ts';
import { MAX_CONFIGURED_NICS } from './nic-options.ts';

function nicsOf(...words: readonly string[]) {
  return parseCommandLine(['qemu', ...words]).nics;
}

/** Of words that are parted by blanks. */
function brief(line: string) {
  return nicsOf(...line.split(' ')).map(({ path, backend, isShared }) =>
    isShared ? [path, 'shared'] : [path, backend?.type, backend?.name, backend?.ifname ?? backend?.fds.join()],
  );
}

const NET0 = '/machine/peripheral/net0';
const anonymous = (index: number) => `/machine/peripheral-anon/device[${index}]`;

describe('the NICs of a command line', () => {
  it.each([
    ['-netdev tap,id=h,ifname=t0,script=no -device e1000,netdev=h,id=net0', [[NET0, 'tap', 'h', 't0']]],
    ['-device e1000,netdev=h,id=net0 -netdev tap,id=h,ifname=t0', [[NET0, 'tap', 'h', 't0']]],
    ['--netdev type=tap,id=h,ifname=a,,b --device driver=e1000,netdev=h,id=net0', [[NET0, 'tap', 'h', 'a,b']]],
    ['-netdev tap,id=h,fd=33,vhost=on,vhostfd=34 -device e1000,netdev=h,id=net0', [[NET0, 'tap', 'h', '33']]],
    ['-netdev tap,id=h,fds=33:34:35 -device e1000,netdev=h,id=net0', [[NET0, 'tap', 'h', '33,34,35']]],
    ['-netdev tap,id=h,fd=by-name -device e1000,netdev=h,id=net0', [[NET0, 'tap', 'h', '']]],
    ['-netdev tap,id=h,ifname=tap%d -device e1000,netdev=h,id=net0', [[NET0, 'tap', 'h', '']]],
    ['-netdev bridge,id=h,br=br0 -device e1000,netdev=h,id=net0', [[NET0, 'tap', 'h', '']]],
    ['-netdev user,id=h -device e1000,netdev=h,id=net0', [[NET0, 'user', 'h', '']]],
    ['-netdev vhost-user,id=h,chardev=c -device e1000,netdev=h,id=net0', [[NET0, 'vhost-user', 'h', '']]],
    ['-device e1000,netdev=missing,id=net0', [[NET0, undefined, undefined, undefined]]],
    ['-device e1000,id=net0', []],
    ['-netdev tap,id=h', []],
    ['-nic none', []],
    ['-nic tap,ifname=t0,model=e1000', [['nic-0', 'tap', 'nic-0', 't0']]],
    [
      '-nic user,id=u -nic tap,fd=3',
      [
        ['nic-0', 'user', 'u', ''],
        ['nic-1', 'tap', 'nic-1', '3'],
      ],
    ],
    ['-net nic -net tap,ifname=t0', [['nic-0', 'tap', 'tap', 't0']]],
    ['-net nic,netdev=h -netdev tap,id=h,ifname=t0', [['nic-0', 'tap', 'h', 't0']]],
    [
      '-net nic -net nic -net tap,ifname=t0',
      [
        ['nic-0', 'shared'],
        ['nic-1', 'shared'],
      ],
    ],
    ['-net nic -net tap,ifname=t0 -net user', [['nic-0', 'shared']]],
    ['-net none', []],
  ])('%s', (line, expected) => {
    expect(brief(line)).toEqual(expected);
  });

  it('may be JSON', () => {
    const netdev = '{"type":"tap","id":"h","fds":"33:34","vhost":true,"n":{"x":1}}';
    expect(nicsOf('-netdev', netdev, '-device', '{"driver":"virtio-net-pci","netdev":"h","id":"net0"}')).toEqual([
      { path: NET0, name: 'net0', backend: { name: 'h', type: 'tap', fds: [33, 34] }, isShared: false },
    ]);
    for (const bad of ['{', '{}', '{"id":5}', '{"a":'.repeat(100_000)]) {
      expect(nicsOf('-netdev', bad, '-device', bad)).toEqual([]);
    }
  });

  it('without an id are counted among all devices without one, those in JSON last', () => {
    const json = '{"driver":"e1000","netdev":"h"}';
    const words = '-device rtl8139,netdev=h -device balloon -device e1000,netdev=h,id=net0 -device e1000,netdev=h';
    expect(nicsOf('-device', json, ...words.split(' ')).map(({ path }) => path)).toEqual([
      anonymous(0),
      NET0,
      anonymous(2),
      anonymous(3),
    ]);
  });

  it('are found in a configuration file', () => {
    const text = '[netdev "h"]\n type = "tap"\n ifname = "t0"\n[device "net0"]\n driver = "e1000"\n netdev = "h"\n';
    expect(parseCommandLine(['qemu', '-readconfig', 'x'], () => text).nics).toMatchObject([
      { path: NET0, backend: { ifname: 't0' } },
    ]);
  });

  it('are no more than a VM may sensibly have', () => {
    const words = (count: number) => Array.from({ length: count }, () => ['-nic', 'tap,ifname=t']).flat();
    expect(nicsOf(...words(MAX_CONFIGURED_NICS))).toHaveLength(MAX_CONFIGURED_NICS);
    expect(nicsOf(...words(MAX_CONFIGURED_NICS + 1))).toHaveLength(MAX_CONFIGURED_NICS);
  });

  it('may be of any words', () => {
    const word = fc.oneof(
      fc.constantFrom(
        '-netdev',
        '-device',
        '-nic',
        '-net',
        'tap',
        'id=h,',
        'netdev=h,',
        'fds=1:2',
        '{',
        '}',
        '"type":',
      ),
      fc.string(),
    );
    fc.assert(fc.property(fc.array(word), (argv) => Array.isArray(nicsOf(...argv))));
  });
});
