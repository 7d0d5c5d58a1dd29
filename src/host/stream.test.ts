import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { VirtstatError } from '../model/errors.ts';
import { TestAuthority, whyNoCertificates } from '../testing/certificates.ts';
import { type ByteStream, connectStream, MAX_UNSENT_BYTES, type StreamAddress } from './stream.ts';

let folder: string;
const servers: { readonly server: Server; readonly sockets: Set<Socket> }[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-stream-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

const limits = { signal: new AbortController().signal, timeoutMs: 5000 };

async function listen(server: Server, where: string | number): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  servers.push({ server, sockets });
  await new Promise<void>((resolve) =>
    typeof where === 'string' ? server.listen(where, resolve) : server.listen(where, '127.0.0.1', resolve),
  );
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** What a stream brings, and why it ended. */
function collect(stream: ByteStream): { readonly text: () => string; readonly ended: Promise<VirtstatError> } {
  let text = '';
  const ended = new Promise<VirtstatError>((resolve) =>
    stream.listen({ onData: (chunk) => (text += new TextDecoder().decode(chunk)), onEnd: resolve }),
  );
  return { text: () => text, ended };
}

function echo(socket: Socket): void {
  socket.write('hello ');
  socket.once('data', (chunk) => socket.end(chunk));
}

describe('connectStream', () => {
  it.each(['unix', 'tcp'] as const)('carries bytes both ways over %s, and says when the peer is done', async (kind) => {
    const path = join(folder, 'echo');
    const port = await listen(createServer(echo), kind === 'unix' ? path : 0);
    const address: StreamAddress = kind === 'unix' ? { kind, path } : { kind, host: 'localhost', port };
    const stream = await connectStream(address, limits);
    const { text, ended } = collect(stream);
    stream.write(new TextEncoder().encode('world'));
    expect(await ended).toMatchObject({ code: 'CONNECTION_LOST' });
    expect(text()).toBe('hello world');
  });

  it('carries bytes over TLS, and only where the certificate is trusted', async (context) => {
    if (whyNoCertificates() !== undefined) context.skip(whyNoCertificates());
    const authority = new TestAuthority(folder);
    const { certFile, keyFile } = authority.issue('server', 'serverAuth');
    const { caFile } = authority;
    const port = await listen(createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, echo), 0);
    const stream = await connectStream({ kind: 'tls', host: '127.0.0.1', port, caFile }, limits);
    const { text, ended } = collect(stream);
    stream.write(new TextEncoder().encode('world'));
    await ended;
    expect(text()).toBe('hello world');
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      await expect(connectStream({ kind: 'tls', host: '127.0.0.1', port }, limits)).rejects.toMatchObject({
        code: 'TLS_FAILED',
        message: expect.stringContaining('; name the authority'),
      });
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    }
  });

  it('fails where the peer does not speak TLS, or a file of ours is no key', async () => {
    const port = await listen(
      createServer((socket) => socket.end('220 no TLS here\r\n')),
      0,
    );
    const address = { kind: 'tls', host: '127.0.0.1', port } as const;
    await expect(connectStream(address, limits)).rejects.toMatchObject({
      code: 'TLS_FAILED',
      message: `TLS with tls 127.0.0.1:${port} failed: what answers there speaks no TLS`,
    });
    const keyFile = join(folder, 'no-key');
    writeFileSync(keyFile, 'nothing');
    await expect(connectStream({ ...address, keyFile, certFile: keyFile }, limits)).rejects.toMatchObject({
      code: 'TLS_FAILED',
    });
    await expect(connectStream({ ...address, caFile: join(folder, 'none') }, limits)).rejects.toMatchObject({
      code: 'PATH_NOT_FOUND',
    });
  });

  it('says that a path does not exist, is nobody’s, or cannot be a socket', async () => {
    const path = join(folder, 'none');
    await expect(connectStream({ kind: 'unix', path }, limits)).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    writeFileSync(path, '');
    await expect(connectStream({ kind: 'unix', path }, limits)).rejects.toMatchObject({ code: 'CONNECT_REFUSED' });
    await expect(connectStream({ kind: 'unix', path: 'x'.repeat(107) }, limits)).rejects.toMatchObject({
      code: 'PATH_NOT_FOUND',
    });
    await expect(connectStream({ kind: 'unix', path: 'x'.repeat(108) }, limits)).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
      message: expect.stringContaining('108 bytes'),
    });
    await expect(connectStream({ kind: 'unix', path: 'a\0b' }, limits)).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
    });
  });

  it('says that a socket may not be used', async (context) => {
    if (process.getuid?.() !== 0) context.skip('only root can become somebody else');
    const path = join(folder, 'private');
    await listen(createServer(), path);
    chmodSync(folder, 0o755);
    chmodSync(path, 0o600);
    process.seteuid?.(65534);
    try {
      await expect(connectStream({ kind: 'unix', path }, limits)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    } finally {
      process.seteuid?.(0);
    }
  });

  it('says that nobody listens, or that there is no such host', async () => {
    const port = await listen(createServer(), 0);
    servers.at(-1)?.server.close();
    await expect(connectStream({ kind: 'tcp', host: '127.0.0.1', port }, limits)).rejects.toMatchObject({
      code: 'CONNECT_REFUSED',
    });
    await expect(connectStream({ kind: 'tcp', host: 'no.such.host.invalid', port }, limits)).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
    });
  });

  it('gives up at its limit and when told to, and leaves nothing open', async () => {
    let closed = 0;
    const port = await listen(
      createServer((socket) => socket.on('close', () => closed++).resume()),
      0,
    );
    const address = { kind: 'tls', host: '127.0.0.1', port } as const;
    await expect(connectStream(address, { ...limits, timeoutMs: 100 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    await expect(connectStream(address, { ...limits, signal: controller.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await expect.poll(() => closed).toBe(2);
  });

  it('leaves no listener behind when it is told something after its end', async () => {
    const path = join(folder, 'ended');
    await listen(createServer(), path);
    const stream = await connectStream({ kind: 'unix', path }, limits);
    const warnings: Error[] = [];
    const note = (warning: Error): number => warnings.push(warning);
    process.on('warning', note);
    stream.close();
    for (let count = 0; count < 20; count++) stream.keepAlive(count % 2 === 0);
    await sleep(20);
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  it('holds back as much as the bound allows for a peer that does not read, and no more', async () => {
    const path = join(folder, 'deaf');
    await listen(
      createServer((socket) => socket.pause()),
      path,
    );
    const fill = async (sizeBytes: number): Promise<{ stream: ByteStream; ended: Promise<unknown> }> => {
      const stream = await connectStream({ kind: 'unix', path }, limits);
      const { ended } = collect(stream);
      stream.write(new Uint8Array(sizeBytes));
      return { stream, ended };
    };
    const over = await fill(MAX_UNSENT_BYTES + 1);
    expect(await over.ended).toMatchObject({ code: 'QUEUE_FULL' });
    const { stream, ended } = await fill(MAX_UNSENT_BYTES);
    expect(await Promise.race([ended, sleep(50, 'still open')])).toBe('still open');
    stream.write(new Uint8Array(MAX_UNSENT_BYTES));
    expect(await ended).toMatchObject({ code: 'QUEUE_FULL' });
  });
});
