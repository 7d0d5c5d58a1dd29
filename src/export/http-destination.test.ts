import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestAuthority, whyNoCertificates } from '../testing/certificates.ts';
import { type EndpointOptions, HttpDestination } from './http-destination.ts';
import type { PushOutcome } from './push-outcome.ts';

const why = whyNoCertificates();
const { signal } = new AbortController();
const BATCH = { body: Buffer.from('a'), samples: 1, sequence: 1n };

let folder: string;
let authority: TestAuthority;
/** Common names of the certificates that requests came with. */
let shown: (string | undefined)[];
const closers: (() => void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-destination-'));
  shown = [];
});
afterEach(() => {
  for (const close of closers.splice(0)) close();
  rmSync(folder, { recursive: true, force: true });
});

/** A server with a certificate of the authority, and its port. */
async function listen(options: ServerOptions = {}, address = '127.0.0.1'): Promise<number> {
  const { certFile, keyFile } = authority.issue('server', 'serverAuth');
  const own = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const server = createServer({ ...own, ...options }, (request, response) => {
    shown.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN as string | undefined);
    response.writeHead(204).end();
  });
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return (server.address() as AddressInfo).port;
}

function destinationAt(host: string, files: Partial<EndpointOptions>): HttpDestination {
  return new HttpDestination({
    ...{ protocol: 'remote-write', url: new URL(`https://${host}/api/v1/write`), timeoutMs: 5000, userAgent: 'test' },
    ...{ headers: {}, headerFiles: {}, ...files },
  });
}

async function push(host: string, files: Partial<EndpointOptions> = {}): Promise<PushOutcome> {
  using destination = destinationAt(host, files);
  return await destination.push(BATCH, signal);
}

describe.skipIf(why !== undefined)(`a destination behind TLS${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  beforeEach(() => {
    authority = new TestAuthority(folder);
  });

  it('is trusted by the authority that the push names', async () => {
    const port = await listen();
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`]) {
      expect(await push(host, { caFile: authority.caFile })).toMatchObject({ kind: 'taken' });
    }
    expect(shown).toEqual([undefined, undefined]);
  });

  it('gets nothing where another authority signed its certificate, whatever the environment says', async () => {
    const port = await listen();
    mkdirSync(join(folder, 'b'));
    const { caFile } = new TestAuthority(join(folder, 'b'), 'another');
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      for (const files of [{ caFile }, {}]) {
        await expect(push(`127.0.0.1:${port}`, files)).rejects.toMatchObject({
          code: 'TLS_FAILED',
          message: expect.stringMatching(/failed: no authority that is trusted here signed its certificate/),
        });
      }
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    }
    expect(shown).toEqual([]);
  });

  it('gets nothing where its certificate is for another name', async () => {
    const port = await listen({}, '127.0.0.2');
    await expect(push(`127.0.0.2:${port}`, { caFile: authority.caFile })).rejects.toMatchObject({
      code: 'TLS_FAILED',
      message: expect.stringContaining('127.0.0.2 is not in the cert'),
    });
    expect(shown).toEqual([]);
  });

  it('is shown a certificate, where the push has one', async () => {
    const port = await listen({ requestCert: true, rejectUnauthorized: true, ca: readFileSync(authority.caFile) });
    const { certFile, keyFile } = authority.issue('host1', 'clientAuth');
    const at = `127.0.0.1:${port}`;
    expect(await push(at, { caFile: authority.caFile, certFile, keyFile })).toMatchObject({ kind: 'taken' });
    expect(shown).toEqual(['host1']);
    await expect(push(at, { caFile: authority.caFile })).rejects.toMatchObject({ code: 'TLS_FAILED' });
    expect(shown).toEqual(['host1']);
  });

  it('is not asked with files that are of no use', async () => {
    const port = await listen();
    const { certFile } = authority.issue('host1', 'clientAuth');
    const { keyFile } = authority.issue('host2', 'clientAuth');
    const at = `127.0.0.1:${port}`;
    const { caFile } = authority;
    await expect(push(at, { caFile, certFile, keyFile })).rejects.toMatchObject({ code: 'TLS_FAILED' });
    await expect(push(at, { caFile: join(folder, 'none') })).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    const empty = join(folder, 'empty');
    writeFileSync(empty, '');
    for (const wrong of [empty, keyFile]) {
      await expect(push(at, { caFile: wrong })).rejects.toMatchObject({ code: 'TLS_FAILED' });
    }
    expect(shown).toEqual([]);
  });

  it('is met with files that have changed, from the next request on', async () => {
    const port = await listen({ requestCert: true, ca: readFileSync(authority.caFile) });
    const [first, second] = [authority.issue('first', 'clientAuth'), authority.issue('second', 'clientAuth')];
    const [certFile, keyFile] = [join(folder, 'own.crt'), join(folder, 'own.key')];
    const install = (from: typeof first): void => {
      copyFileSync(from.certFile, certFile);
      copyFileSync(from.keyFile, keyFile);
    };
    install(first);
    using destination = destinationAt(`127.0.0.1:${port}`, { caFile: authority.caFile, certFile, keyFile });
    for (const from of [first, first, second]) {
      install(from);
      expect(await destination.push(BATCH, signal)).toMatchObject({ kind: 'taken' });
    }
    expect(shown).toEqual(['first', 'first', 'second']);
    rmSync(certFile);
    await expect(destination.push(BATCH, signal)).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    install(first);
    expect(await destination.push(BATCH, signal)).toMatchObject({ kind: 'taken' });
    expect(shown.at(-1)).toBe('first');
  });

  it('that speaks no TLS is told from one that cannot be reached', async () => {
    const plain = createPlainServer((_request, response) => void response.end());
    closers.push(() => void plain.close());
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as AddressInfo;
    await expect(push(`127.0.0.1:${port}`, { caFile: authority.caFile })).rejects.toMatchObject({ code: 'TLS_FAILED' });
  });
});
