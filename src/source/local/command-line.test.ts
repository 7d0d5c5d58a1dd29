import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_MONITORS, parseCommandLine } from './command-line.ts';

function parse(line: string, readConfig?: (path: string) => string | undefined) {
  return parseCommandLine(['/usr/bin/qemu-system-x86_64', ...line.split(' ')], readConfig);
}

describe('the guest', () => {
  it.each([
    ['-name web', 'web'],
    ['-name web,debug-threads=on', 'web'],
    ['--name guest=web,debug-threads=on', 'web'],
    ['-name guest=a,,b,process=qemu', 'a,b'],
    ['-name debug-threads=on', undefined],
    ['-m 64', undefined],
  ])('%s is named %s', (line, name) => {
    expect(parse(line).name).toBe(name);
  });

  it('has the uuid that it was given', () => {
    expect(parse('-uuid 1ab00000-0000-4000-8000-000000000001').uuid).toBe('1ab00000-0000-4000-8000-000000000001');
  });
});

describe('monitors', () => {
  const unix = (path: string) => ({ kind: 'unix', path });
  const tcp = (host: string, port: number) => ({ kind: 'tcp', host, port });

  it.each([
    ['-qmp unix:/run/a.qmp,server=on,wait=off', [unix('/run/a.qmp')]],
    ['-qmp unix:/run/a.qmp,server,nowait', [unix('/run/a.qmp')]],
    ['-qmp-pretty unix:a=b.qmp,server=on', [unix('a=b.qmp')]],
    ['-qmp tcp:localhost:4444,server=on', [tcp('localhost', 4444)]],
    ['-qmp tcp::4444,server=on', [tcp('127.0.0.1', 4444)]],
    ['-qmp tcp:[::]:4444,server=on', [tcp('::1', 4444)]],
    ['-qmp tcp:0.0.0.0:99999,server=on', []],
    ['-qmp unix:/run/a.qmp', []],
    ['-qmp stdio', []],
    ['-chardev socket,id=c,path=/p,server=on -mon chardev=c,mode=control', [unix('/p')]],
    ['-mon chardev=c,mode=control -chardev socket,id=c,path=/p,server=on', [unix('/p')]],
    ['-mon c,mode=control -chardev socket,id=c,host=::1,port=5,server=yes', [tcp('::1', 5)]],
    ['-chardev socket,id=c,path=/p,server=on -mon chardev=c,mode=readline', []],
    ['-chardev socket,id=c,path=/p,server=on -mon chardev=c', []],
    ['-chardev socket,id=c,path=/p,server=on -qmp chardev:c', [unix('/p')]],
    ['-chardev socket,id=c,fd=22,server=on -mon chardev=c,mode=control', []],
    ['-chardev socket,id=c,path=/p,server=on,telnet=on -mon chardev=c,mode=control', []],
    ['-chardev socket,id=c,host=h,port=1,server=on,tls-creds=t -mon chardev=c,mode=control', []],
    ['-chardev socket,id=c,path=/p,server=on,abstract=on -mon chardev=c,mode=control', []],
    ['-chardev pty,id=c -mon chardev=c,mode=control', []],
    ['-qmp unix:/1,server=on -qmp unix:/2,server=on', [unix('/1'), unix('/2')]],
    ['-mon chardev=missing,mode=control', []],
    ['-qmp', []],
  ])('%s', (line, monitors) => {
    expect(parse(line).monitors).toEqual(monitors);
  });

  it('are found in a configuration file', () => {
    const text = `
# written by a management layer
[machine]
type = "q35"
[name]
  guest = "box"
[chardev "monitor"]
  backend = "socket"
  path = "/var/lib/box/qemu.monitor"
  server = "on"
  wait = "off"

[mon]
  chardev = "monitor"
  mode = "control"
`;
    expect(parse('-readconfig /etc/box.conf', (path) => (path === '/etc/box.conf' ? text : undefined))).toEqual({
      name: 'box',
      monitors: [unix('/var/lib/box/qemu.monitor')],
      nics: [],
    });
    expect(parse('-readconfig /gone').monitors).toEqual([]);
  });
});

it('believes no more monitors than a VM may sensibly have', () => {
  const words = Array.from({ length: MAX_MONITORS + 1 }, (_, index) => ['-qmp', `unix:/run/${index},server`]).flat();
  const { monitors } = parseCommandLine(['qemu', ...words]);
  expect(monitors).toHaveLength(MAX_MONITORS);
  expect(monitors.at(-1)).toEqual({ kind: 'unix', path: `/run/${MAX_MONITORS - 1}` });
});

it('takes any arguments without failing', () => {
  const word = fc.oneof(
    fc.constantFrom('-name', '-uuid', '-qmp', '-chardev', '-mon', '-readconfig', '--qmp', ',', '=', '-'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(word), fc.string(), (argv, config) => {
      expect(Array.isArray(parseCommandLine(argv, () => config).monitors)).toBe(true);
    }),
  );
});
