import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Backoff, MAX_BACKOFF_MS } from './backoff.ts';
import { type EndpointOptions, HttpDestination } from './http-destination.ts';
import { MAX_RETRY_AFTER_MS, outcomeOf } from './push-outcome.ts';
import { DiskQueue } from './queue/disk-queue.ts';
import { Sender } from './sender.ts';
import { PushTally } from './tally.ts';

let folder: string;
let server: Server;
let bodies: string[];
let requests: IncomingMessage[];
let answer: (response: ServerResponse, nth: number) => void;
let lines: { msg: string; [fact: string]: unknown }[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-sender-'));
  [bodies, requests, lines] = [[], [], []];
  answer = (response) => response.writeHead(204).end();
  server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      requests.push(request);
      bodies.push(body);
      answer(response, bodies.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Pushes the batches `a`, `b`, … to the server until none waits, or for so long. */
async function pushed(
  texts: readonly string[],
  { limitMs = 10_000, ...given }: { readonly limitMs?: number } & Partial<EndpointOptions> = {},
): Promise<{ tally: PushTally; waiting: number }> {
  const log = (facts: object, msg: string): void => void lines.push({ ...facts, msg });
  const tally = new PushTally('test', { info: log, warn: log });
  const queue = await DiskQueue.open({ directory: join(folder, 'queue'), maxBytes: 1 << 20, listener: tally });
  await queue.append(texts.map((text) => ({ body: Buffer.from(text), samples: 10 })));
  const { port } = server.address() as AddressInfo;
  const destination = new HttpDestination({
    protocol: 'remote-write',
    url: new URL(`http://127.0.0.1:${port}/api/v1/write`),
    timeoutMs: 300,
    userAgent: 'test',
    headers: {},
    headerFiles: {},
    ...given,
  });
  const sender = new Sender(queue, destination, tally, new Backoff(() => 0));
  const deadlineMs = performance.now() + limitMs;
  while (queue.state.batches > 0 && performance.now() < deadlineMs) await new Promise((done) => setTimeout(done, 10));
  await sender.stop();
  const waiting = queue.state.batches;
  await queue.close();
  destination[Symbol.dispose]();
  return { tally, waiting };
}

/** Answers 204, a byte at a time. */
async function trickle({ socket }: ServerResponse, pauseMs: number): Promise<void> {
  for (const byte of Buffer.from('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n')) {
    if (socket === null || socket.destroyed) return;
    socket.write(Uint8Array.of(byte));
    await new Promise((done) => setTimeout(done, pauseMs));
  }
  socket?.end();
}

describe('a sender', () => {
  it('sends each batch once, in order, with the headers of the protocol', async () => {
    const { tally, waiting } = await pushed(['a', 'b', 'c']);
    expect([bodies, waiting, tally.sent]).toEqual([['a', 'b', 'c'], 0, 30]);
    expect(requests[0]?.headers).toMatchObject({
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
      'user-agent': 'test',
    });
  });

  it.each([500, 503, 429])('sends again what is answered with %i, and tells of it once', async (status) => {
    answer = (response, nth) => response.writeHead(nth <= 2 ? status : 204).end('not now');
    const { tally } = await pushed(['a', 'b']);
    expect(bodies).toEqual(['a', 'a', 'a', 'b']);
    expect(tally.sent).toBe(20);
    expect(lines.map(({ msg }) => msg)).toEqual([
      'samples do not get through; they wait, and are sent again',
      'samples get through again',
    ]);
    expect(lines[0]?.['reason']).toBe(`status ${status}: not now`);
  });

  it.each([400, 401, 404, 301])('drops what is answered with %i, counts it, and tells of it once', async (status) => {
    answer = (response, nth) => response.writeHead(nth <= 2 ? status : 204).end('\u001b[31mno\n');
    const { tally, waiting } = await pushed(['a', 'b', 'c']);
    expect([bodies, waiting]).toEqual([['a', 'b', 'c'], 0]);
    expect([tally.sent, tally.dropped.get('refused')]).toEqual([10, 20]);
    expect(lines).toEqual([
      {
        push: 'test',
        samples: 10,
        reason: `status ${status}: [31mno`,
        msg: 'the engine refuses samples; they are dropped and counted',
      },
      { push: 'test', dropped: 20, msg: 'the engine takes all samples again' },
    ]);
  });

  it.each([
    ['says nothing', () => undefined],
    ['closes the connection', (response: ServerResponse) => response.destroy()],
    ['sends no HTTP', (response: ServerResponse) => response.socket?.end('nonsense\r\n\r\n')],
    ['takes too long, byte by byte', (response: ServerResponse) => void trickle(response, 40)],
    ['stops amid its head', (response: ServerResponse) => response.socket?.end('HTTP/1.1 200 OK\r\nContent-Le')],
  ])('sends again where the server %s', async (_what, first) => {
    answer = (response, nth) => (nth === 1 ? first(response) : response.writeHead(200).end());
    const { tally, waiting } = await pushed(['a']);
    expect([bodies, waiting, tally.sent]).toEqual([['a', 'a'], 0, 10]);
  });

  it('waits for an answer that comes byte by byte, and sends nothing meanwhile', async () => {
    answer = (response) => void trickle(response, 2);
    const { tally } = await pushed(['a', 'b'], { timeoutMs: 5000 });
    expect([bodies, tally.sent]).toEqual([['a', 'b'], 20]);
    expect(lines).toEqual([]);
  });

  it('comes again when the server says, not before', async () => {
    const timesMs: number[] = [];
    answer = (response, nth) => {
      timesMs.push(performance.now());
      if (nth === 1) response.writeHead(503, { 'retry-after': '1' }).end();
      else response.writeHead(204).end();
    };
    const { tally } = await pushed(['a']);
    const [first = 0, second = 0] = timesMs;
    expect(second - first).toBeGreaterThanOrEqual(990);
    expect([bodies, tally.sent]).toEqual([['a', 'a'], 10]);
  });

  it('takes the status for an answer, whatever becomes of what follows', async () => {
    answer = (response, nth) => {
      response.writeHead(200, { 'content-length': nth === 1 ? 1000 : 10 ** 9 });
      response.write('x'.repeat(nth === 1 ? 1 : 200_000));
      if (nth === 1) response.socket?.end();
    };
    const { tally } = await pushed(['a', 'b']);
    expect([bodies, tally.sent]).toEqual([['a', 'b'], 20]);
  });

  it('keeps what nobody takes for the next start, and sends it then, once', async () => {
    answer = (response) => response.writeHead(500).end();
    expect((await pushed(['a', 'b'], { limitMs: 50 })).waiting).toBe(2);
    answer = (response) => response.writeHead(204).end();
    bodies = [];
    await pushed(['c']);
    expect(bodies).toEqual(['a', 'b', 'c']);
  });

  it('shows secrets from files, as they are now, and tells none', async () => {
    const [token, key] = [join(folder, 'token'), join(folder, 'key')];
    writeFileSync(token, 's3cret\n');
    writeFileSync(key, 'k\n');
    await pushed(['a'], {
      bearerTokenFile: token,
      headerFiles: { 'X-Key': key },
      headers: { 'X-Scope-OrgID': 'team' },
    });
    expect(requests[0]?.headers).toMatchObject({
      authorization: 'Bearer s3cret',
      'x-key': 'k',
      'x-scope-orgid': 'team',
    });
    await pushed(['b'], { username: 'u', passwordFile: token });
    expect(requests[1]?.headers.authorization).toBe(`Basic ${Buffer.from('u:s3cret').toString('base64')}`);
    writeFileSync(token, 'two\nlines\n');
    expect((await pushed(['c'], { bearerTokenFile: token, limitMs: 50 })).waiting).toBe(1);
    expect(JSON.stringify(lines)).toContain('one line of printable ASCII');
    expect(JSON.stringify(lines)).not.toContain('lines\\n');
  });
});

describe('what a server says', () => {
  it('is told on one line, up to so many characters, none of them cut', () => {
    const told = (body: string) =>
      outcomeOf({ status: 400, headers: {}, body: Buffer.from(body) }, 0) as { readonly reason: string };
    expect(told(' a\n\tb\u001b ').reason).toBe('status 400: a b');
    expect(told('x'.repeat(200)).reason).toBe(`status 400: ${'x'.repeat(200)}`);
    expect(told('x'.repeat(201)).reason).toBe(`status 400: ${'x'.repeat(200)}…`);
    expect(told(`${'x'.repeat(199)}\u{1f600}`).reason).toBe(`status 400: ${'x'.repeat(199)}…`);
  });
});

describe('waits', () => {
  it('are those that the server asks for, up to a bound', () => {
    const asked = (value: string) =>
      outcomeOf({ status: 429, headers: { 'retry-after': value }, body: new Uint8Array() }, Date.UTC(2026, 0, 1));
    expect(asked('3')).toMatchObject({ kind: 'later', afterMs: 3000 });
    expect(asked('Thu, 01 Jan 2026 00:00:07 GMT')).toMatchObject({ afterMs: 7000 });
    expect(asked('Wed, 31 Dec 2025 00:00:07 GMT')).toMatchObject({ afterMs: 0 });
    expect(asked('999999999')).toMatchObject({ afterMs: MAX_RETRY_AFTER_MS });
    expect(asked('soon')).not.toHaveProperty('afterMs');
  });

  it('are twice as long each time, up to a bound, and short again after a success', () => {
    const backoff = new Backoff(() => 1);
    const waits = Array.from({ length: 40 }, () => backoff.nextMs());
    expect(waits.slice(0, 4)).toEqual([500, 1000, 2000, 4000]);
    expect(waits.at(-1)).toBe(MAX_BACKOFF_MS);
    expect(backoff.nextMs(100_000)).toBeCloseTo(110_000);
    backoff.reset();
    expect(backoff.nextMs()).toBe(500);
    expect(new Backoff(() => 0).nextMs(1000)).toBe(1000);
  });
});
