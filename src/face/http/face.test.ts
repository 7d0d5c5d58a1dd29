import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type RequestOptions, request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_HEAD_BYTES } from '../../host/http-listener.ts';
import type { HostPort } from '../../host/tcp-listening.ts';
import { readTlsMaterial, type TlsMaterial } from '../../host/tls-material.ts';
import { TestAuthority, whyNoCertificates } from '../../testing/certificates.ts';
import type { Caller, FaceContext, LogFacts, Reader, WebSecurity } from '../face.ts';
import { HttpFace } from './face.ts';

const why = whyNoCertificates();

let folder: string;
let callers: Caller[];
let lines: (LogFacts & { readonly msg: string })[];
const faces: HttpFace[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-http-'));
  callers = [];
  lines = [];
});
afterEach(async () => {
  await Promise.all(faces.splice(0).map((face) => face.close()));
  rmSync(folder, { recursive: true, force: true });
});

async function listen(
  security?: WebSecurity,
  { port = 0, mayBeAbsent = false }: { port?: number; mayBeAbsent?: boolean } = {},
): Promise<HttpFace> {
  const addresses: readonly HostPort[] = [{ host: '127.0.0.1', port }];
  const face = new HttpFace({
    addresses,
    mayBeAbsent,
    requiresSocket: false,
    telemetryPath: '/metrics',
    views: new Map([
      ['curated', { read: async () => ({ families: [], domains: 0, dropped: { budget: 0, name: 0 } }) }],
    ]),
    profile: 'curated',
    maxSeries: 1,
    maxAgeMs: 0,
    version: '1',
  });
  faces.push(face);
  const context: FaceContext = {
    runtimeDir: folder,
    sockets: { mode: 0o600 },
    domains: { current: [], subscribe: () => () => undefined },
    log: { info: () => undefined, warn: (facts, msg) => void lines.push({ ...facts, msg }) },
    activated: () => undefined,
    ...(security && { web: { current: security, subscribe: () => () => undefined } }),
    isToken: () => false,
    readerFor: (caller) => {
      callers.push(caller);
      return {} as Reader;
    },
  };
  await face.listen(context);
  return face;
}

/** What is answered to bytes. */
async function answerTo(face: HttpFace, bytes: string): Promise<string> {
  const socket = connect({ port: face.ports[0] ?? 0, host: '127.0.0.1' });
  socket.setEncoding('latin1').on('error', () => undefined);
  let text = '';
  socket.on('data', (chunk: string) => (text += chunk));
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

describe('the HTTP face', () => {
  it('knows the user of this very process', async () => {
    const face = await listen();
    const answer = await fetch(`http://127.0.0.1:${face.ports[0]}/metrics`);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('virtstat_build_info');
    expect(callers).toMatchObject([{ kind: 'user', uid: process.getuid?.() }]);
  });

  it('refuses what is no request, too long a head, and methods that write', async () => {
    const face = await listen();
    expect(await answerTo(face, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    const long = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(MAX_HEAD_BYTES)}\r\n\r\n`;
    expect(await answerTo(face, long)).toMatch(/^HTTP\/1\.1 431 /);
    const post = 'POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
    expect(await answerTo(face, post)).toMatch(/^HTTP\/1\.1 404 /);
    expect(callers).toEqual([]);
  });

  it('goes on without an address that nobody chose, and not without one that somebody did', async () => {
    const [port = 0] = (await listen()).ports;
    const other = await listen(undefined, { port, mayBeAbsent: true });
    expect(other.ports).toEqual([]);
    expect(lines.map(({ msg }) => msg)).toEqual(['there are no metrics over HTTP; set web.listen-address']);
    await expect(listen(undefined, { port })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
  });
});

describe.skipIf(why !== undefined)(`the HTTP face behind TLS${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let authority: TestAuthority;
  let material: TlsMaterial;

  beforeEach(async () => {
    authority = new TestAuthority(folder);
    const server = authority.issue('server', 'serverAuth');
    const signal = new AbortController().signal;
    const outcome = await readTlsMaterial({ ...server, clientCaFile: authority.caFile }, signal);
    if ('problems' in outcome) throw new Error(JSON.stringify(outcome));
    material = outcome.material;
  });

  const secured = (requiresCertificate: boolean): WebSecurity => ({
    tls: { material, requiresCertificate, minVersion: 'TLSv1.2' },
    passwords: new Map([['prom', hashSync('right', 4)]]),
    headers: {},
  });

  /** The status of the answer, or the code of what went wrong. */
  function get(face: HttpFace, options: RequestOptions = {}): Promise<number | string | undefined> {
    const at = { host: '127.0.0.1', port: face.ports[0], path: '/metrics', ca: readFileSync(authority.caFile) };
    return new Promise((resolve) => {
      const asked = request({ ...at, agent: false, ...options }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode));
      });
      asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code)).end();
    });
  }

  function identity(name: string): RequestOptions {
    const { certFile, keyFile } = authority.issue(name, 'clientAuth');
    return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  }

  it('knows users by their passwords, and readers by their certificates', async () => {
    const face = await listen(secured(false));
    expect(await get(face)).toBe(401);
    expect(await get(face, { auth: 'prom:wrong' })).toBe(401);
    expect(await get(face, { auth: 'prom:right' })).toBe(200);
    expect(await get(face, identity('grafana'))).toBe(200);
    expect(callers).toMatchObject([
      { kind: 'password', user: 'prom' },
      { kind: 'certificate', commonName: 'grafana' },
    ]);
  });

  it('gives no connection to who has no certificate, where one is required', async () => {
    const face = await listen(secured(true));
    expect(typeof (await get(face, { auth: 'prom:right' }))).toBe('string');
    expect(await get(face, identity('grafana'))).toBe(200);
  });
});
