import { describe, expect, it } from 'vitest';
import { parseVirtstatUri } from './uri.ts';

describe('parseVirtstatUri', () => {
  it.each([
    ['virtstat+unix:/run/a b?c', { address: { kind: 'unix', path: '/run/a b?c' } }],
    ['VIRTSTAT+TLS://[::1]:16515', { address: { kind: 'tls', host: '::1', port: 16515 } }],
    [
      'virtstat+tls://h.example:1?ca=/ca.pem&token-file=/t%20o',
      { address: { kind: 'tls', host: 'h.example', port: 1, caFile: '/ca.pem' }, tokenFile: '/t o' },
    ],
    [
      'virtstat+tls://h:1?cert=/c&key=/k',
      { address: { kind: 'tls', host: 'h', port: 1, certFile: '/c', keyFile: '/k' } },
    ],
  ])('reads %s', (uri, address) => {
    expect(parseVirtstatUri(uri)).toEqual(address);
  });

  it.each([
    'virtstat+unix:',
    'virtstat:/run/x',
    'virtstat+tls:host:1',
    'virtstat+tls://host',
    'virtstat+tls://host:1?cert=/c',
    'virtstat+tls://user@host:1',
    'virtstat+tls://host:1/path',
  ])('refuses %s', (uri) => {
    expect(() => parseVirtstatUri(uri)).toThrow(expect.objectContaining({ code: 'URI_INVALID' }));
  });

  it('repeats no secret that was written into it', () => {
    expect(() => parseVirtstatUri('virtstat+tls://host:1?token=secret')).toThrow(
      '"virtstat+tls://host:1?…" is not the URI of a virtstatd: virtstat+tls takes ca, cert, key, token-file, not token',
    );
  });
});
