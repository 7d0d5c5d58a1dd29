import { describe, expect, it } from 'vitest';
import { parseMonitorUri } from './uri.ts';

describe('parseMonitorUri', () => {
  it.each([
    ['qmp+unix:/run/vm.qmp', { kind: 'unix', path: '/run/vm.qmp' }],
    ['qmp+unix:odd name?%20#.qmp', { kind: 'unix', path: 'odd name?%20#.qmp' }],
    ['qmp+tcp://localhost:4444', { kind: 'tcp', host: 'localhost', port: 4444 }],
    ['QMP+TCP://[::1]:4444/', { kind: 'tcp', host: '::1', port: 4444 }],
    ['qmp+tls://host.example:1', { kind: 'tls', host: 'host.example', port: 1 }],
    [
      'qmp+tls://h:65535?ca=/a.pem&cert=c%20d.pem&key=k.pem',
      { kind: 'tls', host: 'h', port: 65535, caFile: '/a.pem', certFile: 'c d.pem', keyFile: 'k.pem' },
    ],
  ])('reads %s', (uri, address) => {
    expect(parseMonitorUri(uri)).toEqual(address);
  });

  it.each([
    'qmp:/run/vm.qmp',
    'qmp+unix:',
    'qmp+tcp:localhost:4444',
    'qmp+tcp://localhost',
    'qmp+tcp://localhost:0',
    'qmp+tcp://localhost:65536',
    'qmp+tcp://:4444',
    'qmp+tcp://user@host:4444',
    'qmp+tcp://host:4444/path',
    'qmp+tcp://host:4444?ca=x',
    'qmp+tls://host:4444?ca=x&verify=no',
    'qmp+tls://host:4444?__proto__=x',
    'qmp+tls://host:4444?cert=x',
    'qmp+tls://host:4444#x',
  ])('refuses %s', (uri) => {
    expect(() => parseMonitorUri(uri)).toThrow(expect.objectContaining({ code: 'URI_INVALID' }));
  });
});
