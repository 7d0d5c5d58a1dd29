import { describe, expect, it } from 'vitest';
import { isLibvirtUri, parseLibvirtUri } from './uri.ts';

const name = 'qemu:///system';
const ssh = { kind: 'ssh', host: 'h', command: 'ssh', noTty: false, netcat: 'nc', proxy: 'auto' };

describe('parseLibvirtUri', () => {
  it.each([
    ['qemu:///system', { transport: { kind: 'unix', mode: 'auto' }, name, isSession: false }],
    ['QEMU:///session', { transport: { kind: 'unix', mode: 'auto' }, name: 'qemu:///session', isSession: true }],
    ['qemu:///system?mode=legacy', { transport: { kind: 'unix', mode: 'legacy' }, name, isSession: false }],
    [
      'qemu+unix:///system?socket=/run/a+b%20c/sock',
      { transport: { kind: 'unix', mode: 'auto', socket: '/run/a+b c/sock' }, name, isSession: false },
    ],
    [
      'qemu:///system?authfile=/etc/my+file',
      { transport: { kind: 'unix', mode: 'auto' }, name, isSession: false, authFile: '/etc/my+file' },
    ],
    ['qemu+tcp://h/system', { transport: { kind: 'tcp', host: 'h', port: 16509 }, name, isSession: false }],
    ['qemu+tcp://[::1]:9/system', { transport: { kind: 'tcp', host: '::1', port: 9 }, name, isSession: false }],
    [
      'qemu+tcp://h/system?name=qemu:///session',
      { transport: { kind: 'tcp', host: 'h', port: 16509 }, name: 'qemu:///session', isSession: false },
    ],
    ['qemu://h/system', { transport: { kind: 'tls', host: 'h', port: 16514 }, name, isSession: false }],
    [
      'qemu+tls://me@h/system?pkipath=/etc/my%20pki&no_verify=0',
      {
        transport: { kind: 'tls', host: 'h', port: 16514, pkiPath: '/etc/my pki' },
        name,
        isSession: false,
        user: 'me',
      },
    ],
    ['qemu+ssh://h/system', { transport: ssh, name, isSession: false }],
    [
      'qemu+ssh://me@h:22/system?socket=/s&command=/bin/ssh&keyfile=/k&no_tty=1',
      {
        transport: {
          ...ssh,
          port: 22,
          user: 'me',
          socket: '/s',
          command: '/bin/ssh',
          keyFile: '/k',
          noTty: true,
          proxy: 'netcat',
        },
        name,
        isSession: false,
        user: 'me',
      },
    ],
    [
      'qemu+ssh://h/system?netcat=ncat',
      { transport: { ...ssh, netcat: 'ncat', proxy: 'netcat' }, name, isSession: false },
    ],
    ['qemu+ssh://h/system?proxy=native', { transport: { ...ssh, proxy: 'native' }, name, isSession: false }],
  ])('reads %s', (uri, parsed) => {
    expect(parseLibvirtUri(uri)).toEqual(parsed);
    expect(isLibvirtUri(uri)).toBe(true);
  });

  it.each([
    'qemu:/system',
    'qemu://',
    'qemu:///',
    'qemu:///embed?root=/x',
    'qemu:///system#x',
    'qemu:///system?socket=relative',
    'qemu:///system?socket=',
    'qemu:///system?mode=other',
    'qemu:///system?pkipath=/x',
    'qemu+unix://h/system',
    'qemu+unix://me@/system',
    'qemu+tcp:///system',
    'qemu+tcp://h:0/system',
    'qemu+tcp://h:65536/system',
    'qemu+tcp://me:secret@h/system',
    'qemu+tls://h/system?no_verify=1',
    'qemu+tls://h/system?cacert=/x',
    'qemu+tls://h/system?__proto__=x',
    'qemu+ssh:///system',
    'qemu+ssh://-oProxyCommand=x/system',
    'qemu+ssh://a%20b/system',
    "qemu+ssh://a'b/system",
    'qemu+ssh://h/system?no_verify=1',
    'qemu+ssh://h/system?proxy=other',
  ])('refuses %s', (uri) => {
    expect(() => parseLibvirtUri(uri)).toThrow(expect.objectContaining({ code: 'URI_INVALID' }));
  });

  it.each(['qemu+libssh2://h/system', 'qemu+ext:///system', 'qemu+constructor://h/system'])('has no %s', (uri) => {
    expect(() => parseLibvirtUri(uri)).toThrow(expect.objectContaining({ code: 'URI_UNSUPPORTED' }));
  });

  it.each(['local:', 'qmp+unix:/x', 'test:///default', 'qemux:///system', ''])('leaves %s to others', (uri) => {
    expect(isLibvirtUri(uri)).toBe(false);
  });
});
