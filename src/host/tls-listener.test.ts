import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { type IssuedCertificate, TestAuthority, whyNoCertificates } from '../testing/certificates.ts';
import { networkOf } from './tcp-listening.ts';
import { listenTls, type TlsListener, type TlsListenOptions, type TlsPeer } from './tls-listener.ts';
import { readTlsMaterial, type TlsMaterial, type TlsServerFiles } from './tls-material.ts';

const reason = whyNoCertificates();
const signal = new AbortController().signal;

let folder: string;
let authority: TestAuthority;
let server: IssuedCertificate;
let material: TlsMaterial;
let listener: TlsListener | undefined;
const sockets: Socket[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-tls-'));
  if (reason !== undefined) return;
  authority = new TestAuthority(folder);
  server = authority.issue('server', 'serverAuth');
  material = await materialOf({ ...server, clientCaFile: authority.caFile });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await listener?.close();
});

async function materialOf(files: TlsServerFiles): Promise<TlsMaterial> {
  const outcome = await readTlsMaterial(files, signal);
  if ('problems' in outcome) throw new Error(JSON.stringify(outcome.problems));
  return outcome.material;
}

/** Listens, echoes, and says who came. */
async function listen(context: TestContext, options: Partial<TlsListenOptions> = {}): Promise<TlsPeer[]> {
  if (reason !== undefined) context.skip(reason);
  const peers: TlsPeer[] = [];
  listener = await listenTls({
    at: { host: '127.0.0.1', port: 0 },
    material,
    onConnection: (connection) => {
      peers.push(connection.peer);
      connection.listen({
        onData: (chunk) => connection.write(chunk),
        onDrained: () => undefined,
        onHalfClosed: () => connection.finish(),
        onClosed: () => undefined,
      });
    },
    ...options,
  });
  return peers;
}

function openTcp(): Socket {
  const socket = connectTcp((listener as TlsListener).port, '127.0.0.1').on('error', () => undefined);
  sockets.push(socket);
  return socket;
}

/** A client that has done its handshake and was echoed, so that the server has it too. */
async function open(options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port: (listener as TlsListener).port,
    ca: readFileSync(authority.caFile),
    ...options,
  });
  sockets.push(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject).once('close', () => reject(new Error('closed')));
    socket.once('secureConnect', () => socket.write('x'));
    socket.once('data', () => resolve());
  });
  socket.on('error', () => undefined);
  return socket;
}

function shown({ certFile, keyFile }: IssuedCertificate): ConnectionOptions {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve));

describe('a listener for TLS', () => {
  it('says which certificate a client showed, if it is signed by an authority of ours', async (context) => {
    const peers = await listen(context);
    const right = authority.issue('grafana', 'clientAuth');
    const stranger = new TestAuthority(folder, 'stranger').issue('grafana-of-another', 'clientAuth');
    const wrongUse = authority.issue('no-client', 'serverAuth');
    await open(shown(right));
    await open();
    await open(shown(stranger));
    await open(shown(wrongUse));
    const address = '127.0.0.1';
    expect(peers).toEqual([
      { address, port: expect.any(Number), certificate: { commonName: 'grafana', sha256: right.sha256 } },
      { address, port: expect.any(Number) },
      { address, port: expect.any(Number), refusal: expect.stringMatching(/\w/) },
      { address, port: expect.any(Number), refusal: expect.stringMatching(/\w/) },
    ]);
  });

  it('believes no certificate where no authority is configured', async (context) => {
    if (reason !== undefined) context.skip(reason);
    const peers = await listen(context, { material: await materialOf(server) });
    await open(shown(authority.issue('somebody', 'clientAuth')));
    expect(peers).toEqual([{ address: '127.0.0.1', port: expect.any(Number) }]);
  });

  it('takes TLS 1.2 and nothing older', async (context) => {
    await listen(context);
    expect((await open({ maxVersion: 'TLSv1.2' })).getProtocol()).toBe('TLSv1.2');
    const old = open({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' });
    await expect(old).rejects.toThrow();
  });

  it('resumes no session, so that nobody keeps a certificate that is no longer accepted', async (context) => {
    const peers = await listen(context);
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const sessions: Buffer[] = [];
      const first = connect({
        host: '127.0.0.1',
        port: (listener as TlsListener).port,
        ca: readFileSync(authority.caFile),
        maxVersion,
        ...shown(authority.issue('resumer', 'clientAuth')),
      });
      sockets.push(first);
      first.on('session', (session: Buffer) => sessions.push(session));
      await new Promise((resolve) => first.once('data', resolve).write('x'));
      const session = sessions.at(-1) ?? first.getSession();
      const second = await open({ maxVersion, ...(session && { session }) });
      expect(second.isSessionReused()).toBe(false);
    }
    expect(peers.map(({ certificate }) => certificate?.commonName)).toEqual([
      'resumer',
      undefined,
      'resumer',
      undefined,
    ]);
  });

  it('has new connections meet another certificate, and keeps the old ones', async (context) => {
    const peers = await listen(context);
    const before = await open();
    const other = new TestAuthority(folder, 'other');
    const next = other.issue('next', 'serverAuth');
    (listener as TlsListener).material = await materialOf({ ...next, clientCaFile: other.caFile });
    const ca = readFileSync(other.caFile);
    await open({ ca, ...shown(other.issue('new-client', 'clientAuth')) });
    await open({ ca, ...shown(authority.issue('old-client', 'clientAuth')) });
    expect(peers.map(({ certificate }) => certificate?.commonName)).toEqual([undefined, 'new-client', undefined]);
    await expect(open()).rejects.toThrow();
    const echoed = new Promise((resolve) => before.once('data', resolve));
    before.write('still here');
    expect(String(await echoed)).toBe('still here');
  });

  it('ends handshakes that take too long, and survives what is none', async (context) => {
    await listen(context, { handshakeTimeoutMs: 200 });
    const silent = openTcp();
    const noise = openTcp();
    noise.write('GET / HTTP/1.1\r\n\r\n');
    await Promise.all([closed(silent.resume()), closed(noise.resume())]);
    await open();
    await expect.poll(() => listener?.connections).toBe(1);
  });

  it('counts from the first packet, and lets those who say nothing make room', async (context) => {
    const crowded: string[] = [];
    await listen(context, { maxConnectionsPerPeer: 3, onCrowded: (network) => crowded.push(network) });
    const first = openTcp();
    await expect.poll(() => listener?.connections).toBe(1);
    const [second, third] = [await open(), await open()];
    const ended = closed(first.resume());
    const fourth = await open();
    await ended;
    await expect(open()).rejects.toThrow();
    expect(crowded).toEqual(['127.0.0.1', '127.0.0.1']);
    expect([second, third, fourth].map((socket) => socket.closed)).toEqual([false, false, false]);
    fourth.destroy();
    await expect.poll(() => listener?.connections).toBe(2);
    await open();
  });

  it('says where it cannot listen', async (context) => {
    await listen(context);
    const { port } = listener as TlsListener;
    const at = (host: string, number: number) =>
      listenTls({ at: { host, port: number }, material, onConnection: () => undefined });
    await expect(at('127.0.0.1', port)).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    await expect(at('192.0.2.1', port)).rejects.toMatchObject({ code: 'CONNECT_FAILED' });
    const passed = listenTls({ at: { fd: 0 }, material, onConnection: () => undefined });
    await expect(passed).rejects.toMatchObject({ code: 'USAGE' });
  });
});

it.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:2::6', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['', ''],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
