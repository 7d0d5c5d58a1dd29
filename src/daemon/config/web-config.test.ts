import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readWebConfig } from './web-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtstat-web-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HASH = `$2b$10$${'a'.repeat(53)}`;

function read(text: string) {
  const file = join(folder, 'web.yml');
  writeFileSync(file, text);
  return readWebConfig(file, new AbortController().signal);
}

describe('readWebConfig', () => {
  it('takes users and headers', async () => {
    const text = `
http_server_config:
  http2: true
  headers: { X-Frame-Options: deny }
basic_auth_users:
  prometheus: ${HASH}
`;
    expect(await read(text)).toEqual({
      security: { passwords: new Map([['prometheus', HASH]]), headers: { 'X-Frame-Options': 'deny' } },
      files: [join(folder, 'web.yml')],
    });
  });

  it('takes a file that says nothing', async () => {
    const nothing = { security: { passwords: new Map(), headers: {} }, files: [join(folder, 'web.yml')] };
    expect(await read('')).toEqual(nothing);
    expect(await read('basic_auth_users:\n')).toEqual(nothing);
  });

  it.each([
    ['a: 1', /: Unrecognized key/],
    ['basic_auth_users: { a: plain }', /basic_auth_users\.a: is no bcrypt hash/],
    [`basic_auth_users: { a: ${HASH.replace('10', '15')} }`, /is no bcrypt hash/],
    [`basic_auth_users: { "a:b": ${HASH} }`, /basic_auth_users/],
    ['http_server_config: { headers: { Set-Cookie: x } }', /headers/],
    ['http_server_config: { headers: { X-Frame-Options: "a\\nb" } }', /headers\.X-Frame-Options/],
    ['tls_server_config: { cert_file: a }', /tls_server_config\.key_file/],
    ['tls_server_config: { cert_file: a, key_file: b, cipher_suites: [] }', /Unrecognized key/],
    ['tls_server_config: { cert_file: a, key_file: b, client_auth_type: RequireAnyClientCert }', /client_auth_type/],
    [
      'tls_server_config: { cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert }',
      /client_ca_file/,
    ],
    ['tls_server_config: { cert_file: a, key_file: b }', /tls_server_config: .*\/a/],
    ['a: [', /cannot be understood/],
    ['a: &x 1\nb: *x', /cannot be understood/],
  ])('refuses %j', async (text, reason) => {
    const outcome = await read(text);
    expect('mistakes' in outcome ? outcome.mistakes.join('\n') : 'none').toMatch(reason);
  });

  it('says that a file is missing', async () => {
    const outcome = await readWebConfig(join(folder, 'absent'), new AbortController().signal);
    expect('mistakes' in outcome && outcome.mistakes[0]).toContain('absent');
  });
});
