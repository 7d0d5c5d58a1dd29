import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MAX_AUTH_FILE_BYTES } from '../../protocol/libvirt/auth-file.ts';
import { CredentialsMissing, type GivenCredentials, saslCredentials } from './credentials.ts';
import { parseLibvirtUri } from './uri.ts';

const URI = 'qemu+tls://one.example.com/system';
const FILE = `[credentials-a]\nauthname=joe\npassword=pw\n[credentials-b]\nauthname=here\npassword=1\n
[auth-libvirt-one.example.com]\ncredentials=a\n[auth-libvirt-localhost]\ncredentials=b\n`;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-credentials-'));
  vi.stubEnv('XDG_CONFIG_HOME', folder);
  vi.stubEnv('LIBVIRT_AUTH_FILE', undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string | Buffer = FILE): string {
  const path = join(folder, name);
  mkdirSync(join(folder, 'libvirt'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const find = (uri: string, given: GivenCredentials = {}, signal = new AbortController().signal) =>
  saslCredentials(parseLibvirtUri(uri), given, { signal });

describe('saslCredentials', () => {
  it('takes those of the host, and of this host for a unix socket', async () => {
    write('libvirt/auth.conf');
    expect(await find(URI)).toEqual({ username: 'joe', password: 'pw' });
    for (const uri of ['qemu:///system', 'qemu+unix:///session?socket=/s']) {
      expect(await find(uri)).toEqual({ username: 'here', password: '1' });
    }
  });

  it('takes the file of the environment before that of the URI, and either before the user’s', async () => {
    write('libvirt/auth.conf');
    const [ofUri, ofEnvironment] = ['uri', 'env'].map((name) => write(name, FILE.replace('joe', name)));
    expect(await find(`${URI}?authfile=${ofUri}`)).toMatchObject({ username: 'uri' });
    vi.stubEnv('LIBVIRT_AUTH_FILE', ofEnvironment);
    expect(await find(`${URI}?authfile=${ofUri}`)).toMatchObject({ username: 'env' });
    vi.stubEnv('LIBVIRT_AUTH_FILE', '');
    expect(await find(`${URI}?authfile=${ofUri}`)).toMatchObject({ username: 'uri' });
  });

  it('takes what a program or the URI says before what is in the file', async () => {
    expect(await find(URI, { username: 'me', password: '2' })).toEqual({ username: 'me', password: '2' });
    expect(await find(URI.replace('//', '//me@'), { password: '2' })).toEqual({ username: 'me', password: '2' });
    write('libvirt/auth.conf');
    expect(await find(URI, { password: '2' })).toEqual({ username: 'joe', password: '2' });
    expect(await find(URI.replace('//', '//joe@'))).toEqual({ username: 'joe', password: 'pw' });
  });

  it('gives nobody the password of another', async () => {
    write('libvirt/auth.conf');
    await expect(find(URI.replace('//', '//me@'))).rejects.toMatchObject({
      code: 'LIBVIRT_AUTH_FAILED',
      message: expect.stringContaining('has those of joe for one.example.com, not of me'),
    });
  });

  it('says what is missing, and where to write it', async () => {
    const nothing = await find(URI).catch((error: unknown) => error);
    expect(nothing).toBeInstanceOf(CredentialsMissing);
    expect(nothing).toMatchObject({
      ...{ code: 'LIBVIRT_AUTH_FAILED', host: 'one.example.com', username: undefined },
      message: expect.stringContaining(`have [auth-libvirt-one.example.com] in ${folder}/libvirt/auth.conf name them`),
    });
    const file = write('other', '[credentials-a]\nauthname=joe\n[auth-libvirt-default]\ncredentials=a\n');
    await expect(find(`${URI}?authfile=${file}`)).rejects.toMatchObject({
      username: 'joe',
      message: expect.stringContaining(`the password of joe; have [auth-libvirt-one.example.com] in ${file}`),
    });
  });

  it('refuses a file that was named and is not there, or is none', async () => {
    await expect(find(`${URI}?authfile=${folder}/none`)).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    await expect(find(`${URI}?authfile=${folder}`)).rejects.toMatchObject({ code: 'LIBVIRT_AUTH_FAILED' });
    const binary = write('binary', Buffer.from([0x23, 0xff]));
    await expect(find(`${URI}?authfile=${binary}`)).rejects.toThrow(/not UTF-8/);
  });

  it('reads a file up to its bound', async () => {
    const whole = FILE.padEnd(MAX_AUTH_FILE_BYTES - 1, '#').concat('\n');
    const path = write('libvirt/auth.conf', whole);
    expect(await find(URI)).toMatchObject({ username: 'joe' });
    writeFileSync(path, `${whole}\n`);
    await expect(find(URI)).rejects.toMatchObject({
      code: 'LIBVIRT_AUTH_FAILED',
      message: expect.stringContaining(`larger than ${MAX_AUTH_FILE_BYTES} bytes`),
    });
  });

  it('ends with the caller', async () => {
    write('libvirt/auth.conf');
    await expect(find(URI, {}, AbortSignal.abort())).rejects.toThrow();
  });
});
