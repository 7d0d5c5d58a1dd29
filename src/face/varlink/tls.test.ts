import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withDeadline } from '../../host/deadline.ts';
import { type ByteStream, connectStream, type TlsFiles } from '../../host/stream.ts';
import { readTlsMaterial, type TlsMaterial } from '../../host/tls-material.ts';
import type { VirtstatError } from '../../model/errors.ts';
import { VarlinkClient } from '../../protocol/varlink/client.ts';
import { encodeMessage } from '../../protocol/varlink/framing.ts';
import { VarlinkError } from '../../protocol/varlink/messages.ts';
import { VirtstatSource } from '../../source/virtstat/source.ts';
import { TestAuthority, whyNoCertificates } from '../../testing/certificates.ts';
import type { Caller, FaceContext, LogFacts, Reader } from '../face.ts';
import { MAX_UNKNOWN_BYTES } from './connection.ts';
import { VarlinkFace, type VarlinkFaceOptions } from './face.ts';

const STATS = 'org.virtstat.Stats';
const TOKEN = 'a token that a rule names';
const why = whyNoCertificates();

let folder: string;
let authority: TestAuthority;
let face: VarlinkFace;
let lines: (LogFacts & { readonly msg: string })[];
let callers: Caller[];
const streams: ByteStream[] = [];

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A domain named after its reader. */
function readerFor(caller: Caller): Reader {
  callers.push(caller);
  const domains = async () => [{ id: caller.kind, name: caller.kind, source: 'test:' }];
  return { domains, list: async () => [], schemas: async () => [], query: async () => [], readsAllOf: () => true };
}

async function material(): Promise<TlsMaterial> {
  const server = authority.issue('server', 'serverAuth');
  const outcome = await readTlsMaterial({ ...server, clientCaFile: authority.caFile }, new AbortController().signal);
  if ('problems' in outcome) throw new Error(JSON.stringify(outcome));
  return outcome.material;
}

/** The port 0 is the system's choice. */
function contextOf(of: TlsMaterial, runtimeDir: string = folder, ports: readonly number[] = [0]): FaceContext {
  const addresses = ports.map((port) => ({ host: '127.0.0.1', port }));
  return {
    runtimeDir,
    sockets: { mode: 0o600 },
    domains: { current: [], subscribe: () => () => undefined },
    log: { info: () => undefined, warn: (facts, msg) => void lines.push({ ...facts, msg }) },
    activated: () => undefined,
    tls: { addresses, material: of, subscribe: () => () => undefined },
    isToken: (hash) => hash === sha256(TOKEN),
    readerFor,
  };
}

async function listen(options: Partial<VarlinkFaceOptions> = {}): Promise<void> {
  face = new VarlinkFace({ info: { vendor: 'v', product: 'p', version: '1', url: 'u' }, ...options });
  await face.listen(contextOf(await material()));
}

interface Session {
  readonly client: VarlinkClient;
  readonly stream: ByteStream;
  readonly ended: Promise<VirtstatError>;
}

async function open(files: TlsFiles = {}): Promise<Session> {
  const limits = { signal: AbortSignal.timeout(10_000), timeoutMs: 5000 };
  const port = face.tlsPorts[0] as number;
  const address = { kind: 'tls', host: '127.0.0.1', port, caFile: authority.caFile, ...files } as const;
  const stream = await connectStream(address, limits);
  streams.push(stream);
  const client = new VarlinkClient({ send: (bytes) => stream.write(bytes), close: (reason) => stream.close(reason) });
  const ended = new Promise<VirtstatError>((resolve) =>
    stream.listen({
      onData: (chunk) => client.receive(chunk),
      onEnd: (error) => {
        client.end(error);
        resolve(error);
      },
    }),
  );
  return { client, stream, ended };
}

/** What a call answers: names of domains, or the name of an error. */
async function outcome(answer: Promise<unknown>): Promise<unknown> {
  try {
    const { domains } = (await answer) as { domains?: readonly { domain: { name: string } }[] };
    return domains?.map(({ domain }) => domain.name) ?? 'done';
  } catch (error) {
    return error instanceof VarlinkError ? error.errorName : (error as VirtstatError).code;
  }
}

const list = ({ client }: Session): Promise<unknown> => outcome(client.call(`${STATS}.ListDomains`, { brief: true }));
const show = ({ client }: Session, token: string): Promise<unknown> =>
  outcome(client.call(`${STATS}.Authenticate`, { token }));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-tls-face-'));
  lines = [];
  callers = [];
  if (why === undefined) authority = new TestAuthority(folder);
});
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  await face?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(why !== undefined)('over TLS', () => {
  it('nobody reads anything before it is known who they are', async () => {
    await listen();
    const session = await open();
    const { client } = session;
    expect(await client.call('org.varlink.service.GetInfo')).toMatchObject({ product: 'p' });
    expect(await list(session)).toBe(`${STATS}.NotAuthenticated`);
    for (const [method, parameters] of [
      ['GetSchemas', {}],
      ['GetStats', { target: 'vm' }],
    ] as const) {
      expect(await outcome(client.call(`${STATS}.${method}`, parameters))).toBe(`${STATS}.NotAuthenticated`);
    }
    for (const [method, parameters] of [
      [`${STATS}.Watch`, { target: 'vm', intervalMs: 1000 }],
      ['io.systemd.Metrics.List', {}],
      ['io.systemd.Metrics.Describe', {}],
    ] as const) {
      expect(await outcome(client.callMore(method, parameters).next())).toBe(`${STATS}.NotAuthenticated`);
    }
    expect(callers).toEqual([]);
  });

  it('a certificate says it, or a token, or first one and then the other', async () => {
    await listen();
    const { certFile, keyFile, sha256: fingerprint } = authority.issue('grafana', 'clientAuth');
    const shown = await open({ certFile, keyFile });
    expect(await list(shown)).toEqual(['certificate']);
    const told = await open();
    const answers = await Promise.all([show(told, TOKEN), list(told)]);
    expect(answers).toEqual(['done', ['token']]);
    expect(await show(shown, TOKEN)).toBe('done');
    expect(await list(shown)).toEqual(['token']);
    const token = { kind: 'token', sha256: sha256(TOKEN) };
    expect(callers).toEqual([{ kind: 'certificate', commonName: 'grafana', sha256: fingerprint }, token, token]);
    expect(lines).toEqual([]);
  });

  it('a certificate of another authority says nothing, and is logged', async () => {
    await listen();
    const { certFile, keyFile } = new TestAuthority(folder, 'stranger').issue('grafana', 'clientAuth');
    const session = await open({ certFile, keyFile });
    expect(await list(session)).toBe(`${STATS}.NotAuthenticated`);
    expect(lines).toMatchObject([
      { address: '127.0.0.1', msg: expect.stringContaining('certificate was not accepted') },
    ]);
    expect(await show(session, TOKEN)).toBe('done');
  });

  it('wrong tokens are refused, logged once, and end the connection with the third', async () => {
    await listen();
    const wrong = `${STATS}.AuthenticationFailed`;
    const patient = await open();
    expect([await show(patient, 'no'), await show(patient, ''), await show(patient, TOKEN)]).toEqual([
      wrong,
      wrong,
      'done',
    ]);
    expect(await list(patient)).toEqual(['token']);
    const hasty = await open();
    const answers = [show(hasty, 'a'), show(hasty, 'b'), show(hasty, 'c'), show(hasty, TOKEN), list(hasty)];
    await hasty.ended;
    const [first, second, third, right, read] = await Promise.all(answers);
    expect([first, second, third]).toEqual([wrong, wrong, wrong]);
    // Whether or not the fourth was still heard: it was not right any more.
    expect(['CONNECTION_LOST', wrong]).toContain(right);
    expect(['CONNECTION_LOST', `${STATS}.NotAuthenticated`]).toContain(read);
    expect(lines).toEqual([
      { address: '127.0.0.1', port: expect.any(Number), count: 1, msg: 'a token was refused: no access rule names it' },
    ]);
    await face.close();
    expect(lines.at(-1)).toMatchObject({ address: '127.0.0.1', count: 4 });
    expect(JSON.stringify(lines)).not.toContain(sha256('a'));
  });

  it('whoever does not say who they are is not kept', async () => {
    await listen({ authenticationLimitMs: 300 });
    const [silent, known] = [await open(), await open()];
    expect(await show(known, TOKEN)).toBe('done');
    await silent.ended;
    expect(lines).toMatchObject([{ code: 'AUTHENTICATION_FAILED', address: '127.0.0.1' }]);
    expect(await list(known)).toEqual(['token']);
  });

  it('whoever has not said who they are may send so much, and no more', async () => {
    await listen();
    const call = encodeMessage({ method: 'org.varlink.service.GetInfo' });
    const fits = await open();
    const padding = Buffer.alloc(MAX_UNKNOWN_BYTES - call.length, ' ');
    fits.stream.write(Buffer.concat([padding, call]));
    expect(await fits.ended).toMatchObject({ code: 'VARLINK_MESSAGE_INVALID' });
    expect(lines).toEqual([]);
    const large = await open();
    large.stream.write(Buffer.alloc(MAX_UNKNOWN_BYTES + 1, ' '));
    await large.ended;
    expect(lines).toMatchObject([{ code: 'AUTHENTICATION_FAILED' }]);
    const known = await open();
    expect(await show(known, TOKEN)).toBe('done');
    known.stream.write(Buffer.alloc(MAX_UNKNOWN_BYTES + 1, ' '));
    expect(await list(known)).toEqual(['token']);
  });
});

it.skipIf(why !== undefined)('what listens already is closed again where a port is taken', async () => {
  await listen();
  const taken = face.tlsPorts[0] as number;
  const second = new VarlinkFace({ info: { vendor: 'v', product: 'p', version: '1', url: 'u' } });
  const runtimeDir = join(folder, 'second');
  mkdirSync(runtimeDir);
  const context = contextOf(await material(), runtimeDir, [0, taken]);
  await expect(second.listen(context)).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
  expect(readdirSync(runtimeDir)).toEqual([]);
});

describe.skipIf(why !== undefined)('virtstat+tls:', () => {
  const options = { signal: AbortSignal.timeout(30_000) };

  /** Names of the domains, or the code and message of the error. */
  async function scan(parameters: string): Promise<unknown> {
    const source = new VirtstatSource(
      `virtstat+tls://127.0.0.1:${face.tlsPorts[0]}?ca=${encodeURIComponent(authority.caFile)}${parameters}`,
    );
    try {
      return (await source.scan(options)).map(({ domain }) => domain.name);
    } catch (error) {
      const { code, message } = error as VirtstatError;
      return [code, message];
    } finally {
      await source.close();
    }
  }

  it('shows a token of a file or of the environment, or a certificate', async () => {
    await listen();
    const file = join(folder, 'token');
    writeFileSync(file, `${TOKEN}\n`);
    const { certFile, keyFile } = authority.issue('reader', 'clientAuth');
    expect(await scan(`&token-file=${file}`)).toEqual(['token']);
    expect(await scan(`&cert=${certFile}&key=${keyFile}`)).toEqual(['certificate']);
    process.env['VIRTSTAT_TOKEN'] = TOKEN;
    try {
      expect(await scan('')).toEqual(['token']);
      // It is nobody's business who is known by something else.
      expect(await scan(`&cert=${certFile}&key=${keyFile}`)).toEqual(['certificate']);
    } finally {
      delete process.env['VIRTSTAT_TOKEN'];
    }
  });

  it('says what to do where it is not known there', async () => {
    await listen();
    const file = join(folder, 'token');
    const { certFile, keyFile } = new TestAuthority(folder, 'stranger').issue('reader', 'clientAuth');
    const where = `tls 127.0.0.1:${face.tlsPorts[0]}`;
    const code = 'AUTHENTICATION_FAILED';
    expect(await scan('')).toEqual([
      code,
      `${where} does not know who we are; name a token (?token-file=FILE, or $VIRTSTAT_TOKEN) or a certificate (?cert=FILE&key=FILE)`,
    ]);
    expect(await scan(`&cert=${certFile}&key=${keyFile}`)).toEqual([
      code,
      `${where} does not know who we are; have the certificate in ${certFile} signed by the authority in tls.client-ca-file there`,
    ]);
    writeFileSync(file, 'wrong');
    expect(await scan(`&token-file=${file}`)).toEqual([
      code,
      `${where} does not know our token; have an access rule there name the SHA-256 of the token in ${file}`,
    ]);
    writeFileSync(file, ' \n');
    expect(await scan(`&token-file=${file}`)).toEqual([code, expect.stringContaining('holds no token')]);
    writeFileSync(file, 'x'.repeat(4097));
    expect(await scan(`&token-file=${file}`)).toEqual([code, expect.stringContaining('holds no token')]);
    expect(await scan('&token-file=/none')).toEqual(['PATH_NOT_FOUND', expect.stringContaining('/none')]);
  });

  it('goes on with the right token once it is in the file', async () => {
    await listen();
    const file = join(folder, 'token');
    writeFileSync(file, 'wrong');
    const source = new VirtstatSource(
      `virtstat+tls://127.0.0.1:${face.tlsPorts[0]}?ca=${authority.caFile}&token-file=${file}`,
    );
    await expect(source.scan(options)).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' });
    writeFileSync(file, TOKEN);
    expect(await source.scan(options)).toHaveLength(1);
    await source.close();
  });

  it('asks on a new connection where the other host has fallen silent', async () => {
    await listen();
    const sockets: Socket[] = [];
    // What lies between the two, until it does not any more.
    const between = createServer((client) => {
      const server = connect(face.tlsPorts[0] as number, '127.0.0.1');
      sockets.push(client, server);
      for (const socket of [client, server]) socket.on('error', () => undefined);
      client.pipe(server).pipe(client);
    });
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
    const { port } = between.address() as AddressInfo;
    const file = join(folder, 'token');
    writeFileSync(file, TOKEN);
    const source = new VirtstatSource(`virtstat+tls://127.0.0.1:${port}?ca=${authority.caFile}&token-file=${file}`);
    const scan = () =>
      withDeadline((signal) => source.scan({ signal }), { ...options, timeoutMs: 300, what: 'the other host' });
    await source.scan(options);
    for (const socket of sockets.splice(0)) socket.unpipe().pause();
    await expect(scan()).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(await source.scan(options)).toHaveLength(1);
    expect(sockets).toHaveLength(2);
    await source.close();
    for (const socket of sockets) socket.destroy();
    between.close();
  });
});
