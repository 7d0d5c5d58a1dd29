import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS,
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
  VIR_DOMAIN_STATS_STATE,
} from '../../protocol/libvirt/constants.ts';
import type { DomainStatsRecord } from '../../protocol/libvirt/domain-stats.ts';
import { remoteError } from '../../protocol/libvirt/error.ts';
import { encodeMessage } from '../../protocol/libvirt/message.ts';
import { CONNECT_GET_HOSTNAME } from '../../protocol/libvirt/procedures.ts';
import { type FakeLibvirtAnswer, type FakeLibvirtCall, FakeLibvirtd } from '../../testing/fake-libvirtd.ts';
import { LibvirtConnection } from './connection.ts';
import { findDomain } from './lookup.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtstat-libvirt-'));
afterAll(() => rmSync(folder, { recursive: true }));

let sockets = 0;
const newPath = (): string => join(folder, `${++sockets}.sock`);

const record = (name: string, digit: number, id: number): DomainStatsRecord => ({
  domain: { name, uuid: `${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(11)}${digit}`, id },
  params: [
    { field: 'state.state', type: 'int', value: 1 },
    { field: 'cpu.time', type: 'ullong', value: 2n ** 64n - 1n },
  ],
});
const RECORDS = [record('alpha', 1, 7), record('beta', 2, -1), record('7', 3, 9)];

const statsCalls = (fake: FakeLibvirtd): readonly FakeLibvirtCall[] =>
  fake.calls.filter(({ name }) => name === 'CONNECT_GET_ALL_DOMAIN_STATS');

describe('LibvirtConnection', () => {
  it('opens for reading and gives records with exact values', async () => {
    await using fake = await FakeLibvirtd.listen({ path: newPath(), records: RECORDS });
    await using connection = await LibvirtConnection.open(fake.uri);
    const flags = VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
    const records = await connection.getAllDomainStats(VIR_DOMAIN_STATS_STATE, flags);
    expect(records).toMatchObject(RECORDS);
    expect(fake.calls).toMatchObject([
      { name: 'AUTH_LIST' },
      { name: 'CONNECT_OPEN', args: { name: 'qemu:///system', flags: 1 } },
      { args: { domains: [], stats: 1, flags: 0xa000_0000 } },
    ]);
  });

  it('asks for listed domains, which keep their order', async () => {
    await using fake = await FakeLibvirtd.listen({ path: newPath(), records: RECORDS });
    await using connection = await LibvirtConnection.open(fake.uri);
    const domains = [await connection.lookupByName('beta'), await connection.lookupByID(7)];
    const records = await connection.domainListGetStats(domains);
    expect(records.map(({ domain }) => domain.name)).toEqual(['beta', 'alpha']);
    expect(records.every(({ domain }) => domain.isOf(connection))).toBe(true);
    expect((await connection.listAllDomains()).map(({ id }) => id)).toEqual([7, -1, 9]);
  });

  it('refuses an empty list and domains of two connections before anything is sent', async () => {
    await using fake = await FakeLibvirtd.listen({ path: newPath(), records: RECORDS });
    await using connection = await LibvirtConnection.open(fake.uri);
    await using other = await LibvirtConnection.open(fake.uri);
    const domains = [await connection.lookupByName('alpha'), await other.lookupByName('beta')];
    for (const list of [[], domains, domains.slice(1)]) {
      await expect(connection.domainListGetStats(list)).rejects.toMatchObject({
        code: 'LIBVIRT_CALL_FAILED',
        errorCode: 8,
        errorDomain: 20,
      });
    }
    expect(statsCalls(fake)).toEqual([]);
    for (const wrong of [2 ** 32, 0.5, Number.NaN, -(2 ** 31) - 1]) {
      await expect(connection.getAllDomainStats(wrong)).rejects.toMatchObject({ code: 'USAGE' });
      await expect(connection.getAllDomainStats(0, wrong)).rejects.toMatchObject({ code: 'USAGE' });
    }
    expect(statsCalls(fake)).toEqual([]);
  });

  it('finds the domain that a person means as virsh does', async () => {
    await using fake = await FakeLibvirtd.listen({ path: newPath(), records: RECORDS });
    await using connection = await LibvirtConnection.open(fake.uri);
    const idOf = async (word: string): Promise<number | undefined> => (await findDomain(connection, word))?.id;
    expect(await idOf('7')).toBe(7);
    expect(await idOf('alpha')).toBe(7);
    expect(await idOf(RECORDS[1]?.domain.uuid.toUpperCase() ?? '')).toBe(-1);
    expect(await idOf('9999999999')).toBeUndefined();
    expect(await idOf('')).toBeUndefined();
    expect(await idOf('00000000-0000-4000-8000-000000000009')).toBeUndefined();
  });

  it('tells what the daemon refuses', async () => {
    const answer = ({ name }: FakeLibvirtCall) =>
      name === 'CONNECT_GET_ALL_DOMAIN_STATS' ? { error: remoteError(74, 10, 'argument unsupported: x') } : undefined;
    await using fake = await FakeLibvirtd.listen({ path: newPath(), answer });
    await using connection = await LibvirtConnection.open(fake.uri);
    await expect(connection.getAllDomainStats()).rejects.toMatchObject({ code: 'LIBVIRT_CALL_FAILED', errorCode: 74 });
    await expect(findDomain(connection, 'x')).resolves.toBeUndefined();
  });

  it('connects anew with the next call', async () => {
    await using fake = await FakeLibvirtd.listen({ path: newPath(), records: RECORDS });
    await using connection = new LibvirtConnection(fake.uri);
    expect(fake.calls).toEqual([]);
    const domain = await connection.lookupByName('alpha');
    fake.dropAll();
    await expect.poll(() => fake.connectionCount).toBe(0);
    expect(await connection.domainListGetStats([domain])).toHaveLength(1);
    expect(fake.calls.at(-1)?.connection).toBe(2);
  });

  it.each([
    ['closes in the middle of a reply', { answer: onStats('hang up') }, 'CONNECTION_LOST'],
    ['answers a call that nobody made', { answer: onStats({ bytes: reply(99) }) }, 'LIBVIRT_MESSAGE_INVALID'],
    ['sends a length that cannot be', { answer: onStats({ bytes: new Uint8Array(4) }) }, 'LIBVIRT_MESSAGE_INVALID'],
    ['sends a length without bound', { answer: onStats({ bytes: new Uint8Array(4).fill(255) }) }, 'FRAME_TOO_LARGE'],
    [
      'sends something else',
      { answer: onStats({ bytes: new TextEncoder().encode('HTTP/1.1 400') }) },
      'FRAME_TOO_LARGE',
    ],
  ] as const)('fails the call of a daemon that %s, and connects anew', async (_, options, code) => {
    await using fake = await FakeLibvirtd.listen({ path: newPath(), ...options });
    await using connection = await LibvirtConnection.open(fake.uri);
    await expect(connection.getAllDomainStats()).rejects.toMatchObject({ code });
    await expect.poll(() => fake.connectionCount).toBe(0);
    expect(await connection.getHostname()).toBe('fake');
  });

  it('leaves a daemon that never answers at the limit, and does not connect anew while it is there', async () => {
    await using fake = await FakeLibvirtd.listen({ path: newPath(), answer: onStats('silence') });
    await using connection = await LibvirtConnection.open(fake.uri, { callTimeoutMs: 50 });
    await expect(connection.getAllDomainStats()).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(await connection.getHostname({ timeoutMs: 5000 })).toBe('fake');
    for (let call = 2; call <= 6; call++) {
      await expect(connection.getAllDomainStats()).rejects.toMatchObject({ code: 'TIMEOUT' });
    }
    // Five of its workers are all that a client takes.
    expect(statsCalls(fake)).toHaveLength(5);
    await expect(connection.getHostname()).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(new Set(fake.calls.map(({ connection: number }) => number))).toEqual(new Set([1]));
  });

  it('gives a daemon up that does not answer pings either', async () => {
    await using fake = await FakeLibvirtd.listen({ path: newPath(), answer: onStats('silence'), isAlive: false });
    await using connection = await LibvirtConnection.open(fake.uri, { callTimeoutMs: 20 });
    await expect(connection.getAllDomainStats()).rejects.toMatchObject({ code: 'TIMEOUT' });
    await expect.poll(() => fake.connectionCount, { timeout: 8000 }).toBe(0);
    expect(await connection.getHostname({ timeoutMs: 5000 })).toBe('fake');
    expect(fake.calls.at(-1)?.connection).toBe(2);
  });

  it('ends a wait with its caller, and all of them when it is closed', async () => {
    await using fake = await FakeLibvirtd.listen({ path: newPath(), answer: onStats('silence') });
    const connection = await LibvirtConnection.open(fake.uri);
    const caller = new AbortController();
    const wait = connection.getAllDomainStats(0, 0, { signal: caller.signal });
    caller.abort();
    await expect(wait).rejects.toMatchObject({ code: 'CANCELLED' });
    const other = connection.getAllDomainStats();
    await expect.poll(() => statsCalls(fake).length).toBeGreaterThan(0);
    await Promise.all([connection.close(), expect(other).rejects.toMatchObject({ code: 'CLOSED' })]);
    await expect(connection.getHostname()).rejects.toMatchObject({ code: 'CLOSED' });
    await expect.poll(() => fake.connectionCount).toBe(0);
  });

  it('gives up a daemon that does not let us in', async () => {
    const silence = await FakeLibvirtd.listen({ path: newPath(), answer: () => 'silence' });
    await using _ = silence;
    await expect(LibvirtConnection.open(silence.uri, { openTimeoutMs: 50 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    await expect.poll(() => silence.connectionCount).toBe(0);
    await using sasl = await FakeLibvirtd.listen({
      answer: ({ name }) => (name === 'AUTH_LIST' ? { result: [1] } : undefined),
    });
    await expect(LibvirtConnection.open(sasl.uri)).rejects.toMatchObject({ code: 'LIBVIRT_AUTH_FAILED' });
    await expect.poll(() => sasl.connectionCount).toBe(0);
  });

  it('says which sockets are not there', async () => {
    const path = join(folder, 'none.sock');
    await expect(LibvirtConnection.open(`qemu+unix:///system?socket=${path}`)).rejects.toMatchObject({
      code: 'PATH_NOT_FOUND',
    });
  });
});

describe('qemu+tls:', () => {
  const pki = join(folder, 'pki');
  const pem = (name: string): string => readFileSync(join(pki, name), 'utf8');

  beforeAll(() => {
    const script = `mkdir ${pki} && cd ${pki} &&
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout serverkey.pem -out cacert.pem`;
    execFileSync('sh', ['-ec', script], { stdio: 'ignore' });
  });

  const tls = () => ({ cert: pem('cacert.pem'), key: pem('serverkey.pem') });

  it('waits for the greeting of a daemon that accepts us', async () => {
    await using fake = await FakeLibvirtd.listen({ tls: tls(), records: RECORDS });
    await using connection = await LibvirtConnection.open(`${fake.uri}?pkipath=${pki}`);
    expect(await connection.getAllDomainStats()).toHaveLength(3);
  });

  it.each([
    ['greets otherwise', Uint8Array.of(0)],
    ['sends messages at once', reply(0)],
  ])('refuses a daemon that %s', async (_, greeting) => {
    await using fake = await FakeLibvirtd.listen({ tls: tls(), greeting });
    const opening = LibvirtConnection.open(`${fake.uri}?pkipath=${pki}`);
    await expect(opening).rejects.toMatchObject({ code: 'TLS_FAILED' });
  });

  it('authenticates by SASL as the user of the URI', async () => {
    const sasl: Readonly<Record<string, unknown>> = {
      AUTH_LIST: [1],
      AUTH_SASL_INIT: 'PLAIN',
      AUTH_SASL_START: { complete: 1, nil: true, data: new Uint8Array(0) },
    };
    const answer = ({ name }: FakeLibvirtCall) => (name in sasl ? { result: sasl[name] } : undefined);
    await using fake = await FakeLibvirtd.listen({ tls: tls(), answer });
    const uri = `${fake.uri.replace('//', '//me@')}?pkipath=${pki}`;
    await expect(LibvirtConnection.open(uri)).rejects.toMatchObject({ code: 'LIBVIRT_AUTH_FAILED' });
    await using connection = await LibvirtConnection.open(uri, { credentials: { password: 'secret' } });
    const start = fake.calls.find(({ name }) => name === 'AUTH_SASL_START');
    expect(start?.args).toMatchObject({ data: new TextEncoder().encode('\0me\0secret') });
    expect(await connection.getHostname()).toBe('fake');
  });

  it('says that a daemon wants to know us better', async () => {
    await using fake = await FakeLibvirtd.listen({ tls: tls(), greeting: new Uint8Array(0) });
    const opening = LibvirtConnection.open(`${fake.uri}?pkipath=${pki}`);
    await expect.poll(() => fake.connectionCount).toBe(1);
    fake.dropAll();
    await expect(opening).rejects.toMatchObject({ code: 'TLS_FAILED', message: expect.stringContaining('pkipath') });
  });

  it('reads no certificate that is not there', async () => {
    const opening = LibvirtConnection.open(`qemu+tls://localhost/system?pkipath=${folder}/none`);
    await expect(opening).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
  });
});

describe('qemu+ssh:', () => {
  const ssh = join(folder, 'ssh');
  const netcat = join(folder, "it's nc");

  beforeAll(() => {
    // What the other host would run is run here, by the same kind of shell.
    script(ssh, `#!/bin/sh\nfor word; do echo "$word" >>"$0.words"; last=$word; done\nexec sh -c "$last"\n`);
    const program = `const [, , flag, path] = process.argv;
      if (flag !== '-U') process.exit(1);
      const socket = require('node:net').connect({ path });
      process.stdin.pipe(socket).pipe(process.stdout);
      socket.on('close', () => process.exit());`;
    writeFileSync(`${netcat}.js`, program);
    script(netcat, `#!/bin/sh\nexec "${process.execPath}" "$0.js" "$@"\n`);
  });

  const script = (path: string, text: string): void => {
    writeFileSync(path, text);
    chmodSync(path, 0o700);
  };

  it('speaks through the user’s ssh and a netcat, and ends both', async () => {
    const path = join(folder, "it's a socket");
    await using fake = await FakeLibvirtd.listen({ path, records: RECORDS });
    const uri = new URL('qemu+ssh://me@host:2222/system');
    const parameters = { socket: path, command: ssh, netcat, keyfile: '/my key', no_tty: '1' };
    for (const [name, value] of Object.entries(parameters)) uri.searchParams.set(name, value);
    const connection = await LibvirtConnection.open(uri.href.replaceAll('+', '%20').replace('qemu%20', 'qemu+'));
    expect(await connection.getAllDomainStats()).toMatchObject(RECORDS);
    const words = readFileSync(`${ssh}.words`, 'utf8').split('\n');
    const options = [
      '-T',
      '-e',
      'none',
      '-p',
      '2222',
      '-l',
      'me',
      '-i',
      '/my key',
      '-o',
      'BatchMode=yes',
      '--',
      'host',
    ];
    expect(words.slice(0, options.length)).toEqual(options);
    await connection.close();
    await expect.poll(() => fake.connectionCount).toBe(0);
  });

  it('says what ssh says', async () => {
    const broken = join(folder, 'broken-ssh');
    script(broken, '#!/bin/sh\necho "ssh: no route to host" >&2\nexit 255\n');
    const opening = LibvirtConnection.open(`qemu+ssh://host/system?command=${broken}`);
    await expect(opening).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
      message: expect.stringContaining('ssh: no route to host'),
    });
    const none = LibvirtConnection.open(`qemu+ssh://host/system?command=${folder}/none`);
    await expect(none).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    const socket = LibvirtConnection.open(`qemu+ssh://host/system?command=${ssh}&socket=${folder}/none`);
    await expect(socket).rejects.toMatchObject({ message: expect.stringContaining('no socket of libvirt is there') });
  });

  it('ends an ssh that says nothing', async () => {
    const deaf = join(folder, 'deaf-ssh');
    script(deaf, `#!/bin/sh\necho $$ >"$0.pid"\nexec sleep 60\n`);
    const opening = LibvirtConnection.open(`qemu+ssh://host/system?command=${deaf}`, { openTimeoutMs: 500 });
    await expect(opening).rejects.toMatchObject({ code: 'TIMEOUT' });
    const pid = Number(readFileSync(`${deaf}.pid`, 'utf8'));
    await expect.poll(() => isRunning(pid)).toBe(false);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function reply(serial: number): Uint8Array {
  const header = { program: 0x2000_8086, version: 1, procedure: 344, type: 1, serial, status: 0 };
  return encodeMessage(header, CONNECT_GET_HOSTNAME.result, 'x');
}

function onStats(answer: FakeLibvirtAnswer): (call: FakeLibvirtCall) => FakeLibvirtAnswer | undefined {
  return ({ name }) => (name === 'CONNECT_GET_ALL_DOMAIN_STATS' ? answer : undefined);
}
