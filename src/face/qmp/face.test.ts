import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Domain } from '../../model/domain.ts';
import type { JsonObject } from '../../protocol/json/json.ts';
import { Registry } from '../../registry/registry.ts';
import { QemuSource } from '../../source/qemu/source.ts';
import { FakeMonitor } from '../../testing/fake-monitor.ts';
import type { DomainListener, FaceContext, Reader } from '../face.ts';
import { MAX_REQUEST_BYTES, MAX_REQUEST_TOKENS } from './client.ts';
import { QmpFace, type QmpFaceOptions } from './face.ts';

const CPU0 = '/machine/unattached/device[0]';
const CPU1 = '/machine/unattached/device[2]';
const stat = (name: string) => ({ name, type: 'cumulative', exponent: 0 });
const reading = (path: string, value: bigint) => ({
  provider: 'kvm',
  path,
  stats: [
    { name: 'exits', value },
    { name: 'halts', value: value + 1n },
  ],
});
const VM = {
  name: 'web',
  schemas: [
    { provider: 'kvm', target: 'vcpu', stats: [stat('exits'), stat('halts')] },
    { provider: 'other', target: 'vcpu', stats: [stat('secret')] },
  ],
  results: { vcpu: [reading(CPU0, 1n), reading(CPU1, 2n ** 64n - 2n)] },
  commands: { 'qom-get': ({ property }: JsonObject) => (property === 'type' ? 'secret' : 'the secret itself') },
};

let folder = '';
let monitor: FakeMonitor;
let registry: Registry;
let domain: Domain;
let face: QmpFace;
let visible: readonly Domain[];
let readsAll: boolean;
let feed: DomainListener | undefined;
const warnings: string[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-'));
  monitor = await FakeMonitor.listen({ ...VM, path: join(folder, 'monitor') });
  registry = new Registry([new QemuSource(monitor.uri)]);
  domain = (await registry.list())[0]?.domain as Domain;
  visible = [domain];
  readsAll = true;
  warnings.length = 0;
});
afterEach(async () => {
  await face.close();
  await registry.close();
  await monitor.close();
  rmSync(folder, { recursive: true, force: true });
});

async function serve(options: Partial<QmpFaceOptions> = {}): Promise<string> {
  const reader: Reader = {
    domains: async () => visible,
    list: (read) => registry.list(read),
    schemas: (read) => registry.schemas(read),
    query: (filter, read) => registry.query(filter, read),
    readsAllOf: () => readsAll,
  };
  const context: FaceContext = {
    runtimeDir: folder,
    sockets: { mode: 0o660 },
    domains: {
      current: [domain],
      subscribe: (listener) => {
        feed = listener;
        listener.onCome(domain);
        return () => undefined;
      },
    },
    log: { info: () => undefined, warn: (_facts, message) => warnings.push(message) },
    activated: () => undefined,
    isToken: () => false,
    readerFor: () => reader,
  };
  face = new QmpFace({ monitors: registry, ...options });
  await face.listen(context);
  return join(folder, 'qmp/web.sock');
}

const NEGOTIATE = '{"execute":"qmp_capabilities"}';

/** The lines that come, until `count` have, or the connection ends. */
function talk(path: string, text: string, count: number): Promise<readonly string[]> {
  return new Promise((resolve) => {
    const socket = connect(path, () => socket.write(text));
    let received = '';
    const lines = () => received.split('\r\n').slice(0, -1);
    socket.on('data', (chunk) => {
      received += chunk;
      if (lines().length >= count) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(lines()));
  });
}

describe('a domain’s socket', () => {
  it('answers many at once, each question asked of QEMU once', async () => {
    const path = await serve();
    expect(statSync(path).mode & 0o777).toBe(0o660);
    const before = monitor.requests.length;
    const request = '{"execute":"query-stats","arguments":{"target":"vcpu"},"id":1}{"execute":"query-status"}';
    const answers = await Promise.all(Array.from({ length: 200 }, () => talk(path, NEGOTIATE + request, 4)));
    expect(new Set(answers.map((lines) => lines.join('\n'))).size).toBe(1);
    expect(answers[0]?.[2]).toBe(
      `{"return": [{"provider": "kvm", "stats": [{"name": "halts", "value": 18446744073709551615}, {"name": "exits", "value": 18446744073709551614}], "qom-path": "${CPU1}"}, {"provider": "kvm", "stats": [{"name": "halts", "value": 2}, {"name": "exits", "value": 1}], "qom-path": "${CPU0}"}], "id": 1}`,
    );
    const asked = monitor.requests.slice(before).map(({ command }) => command);
    expect(asked.toSorted()).toEqual(['query-stats', 'query-status', 'query-version']);
  });

  it('has the schemas and statistics of QEMU’s own providers only', async () => {
    const path = await serve();
    const before = monitor.requests.length;
    const [, , schemas] = await talk(path, `${NEGOTIATE}{"execute":"query-stats-schemas"}`, 3);
    expect(schemas).toContain('"provider": "kvm"');
    expect(schemas).not.toContain('secret');
    // What is measured of other targets is nothing that QEMU would have to be asked for.
    expect(monitor.requests.slice(before).map(({ command }) => command)).not.toContain('query-blockstats');
  });

  it.each([
    '{"execute":"qom-set","arguments":{"path":"/machine","property":"x","value":1}}',
    '{"execute":"stop"}',
    '{"execute":"device_add","arguments":{"driver":"x"}}',
    '{"execute":"human-monitor-command","arguments":{"command-line":"stop"}}',
    '{"execute":"human-monitor-command","arguments":{"command-line":"info stats vm\\nstop"}}',
    '{"execute":"qom-get","arguments":{"path":"/chardevs/x","property":"addr"}}',
    '{"execute":"qom-list","arguments":{"path":"balloon0"}}',
  ])('passes on nothing of %s', async (request) => {
    const path = await serve();
    const before = monitor.requests.length;
    await talk(path, NEGOTIATE + request, 3);
    expect(monitor.requests.slice(before).map(({ command }) => command)).toEqual(['query-version']);
  });

  it('says no more of a property that may not be read than that it does not exist', async () => {
    const path = await serve();
    const request = '{"execute":"qom-get","arguments":{"path":"/objects/sec0","property":"data"}}';
    expect((await talk(path, NEGOTIATE + request, 3))[2]).toBe(
      `{"error": {"class": "GenericError", "desc": "Property 'secret.data' not found"}}`,
    );
  });

  it('measures nothing else for whom the rules give only some providers', async () => {
    readsAll = false;
    const path = await serve();
    const before = monitor.requests.length;
    const [, , refused, allowed] = await talk(
      path,
      `${NEGOTIATE}{"execute":"query-blockstats"}{"execute":"query-status"}`,
      4,
    );
    expect(refused).toBe(
      '{"error": {"class": "CommandNotFound", "desc": "The command query-blockstats has not been found"}}',
    );
    expect(allowed).toContain('"status": "running"');
    const asked = monitor.requests.slice(before).map(({ command }) => command);
    expect(asked.toSorted()).toEqual(['query-status', 'query-version']);
  });

  it('does not exist for whom no rule gives the domain, also when the rule comes later', async () => {
    const path = await serve({ maxAgeMs: 0 });
    visible = [];
    expect(await talk(path, NEGOTIATE, 1)).toEqual([]);
    visible = [domain];
    const socket = connect(path);
    let received = '';
    socket.on('data', (chunk) => (received += chunk));
    socket.write(NEGOTIATE);
    await expect.poll(() => received).toContain('"return"');
    visible = [];
    socket.write('{"execute":"query-status"}');
    await expect.poll(() => received).toContain('is no longer there');
    socket.destroy();
  });

  it('comes and goes with its domain', async () => {
    const path = await serve();
    const [client] = [talk(path, NEGOTIATE, 99)];
    await expect.poll(() => monitor.requests.some(({ command }) => command === 'query-version')).toBe(true);
    feed?.onGo(domain);
    await client;
    await expect.poll(() => existsSync(path)).toBe(false);
    feed?.onCome(domain);
    await expect.poll(() => existsSync(path)).toBe(true);
    await face.close();
    expect(readdirSync(join(folder, 'qmp'))).toEqual([]);
  });
});

describe('a request without an end', () => {
  it('is refused in QEMU’s words when it is longer than a request may be', async () => {
    const path = await serve();
    const long = `${NEGOTIATE}{"execute":"${'x'.repeat(MAX_REQUEST_BYTES)}`;
    expect((await talk(path, long, 3))[2]).toContain('JSON token size limit exceeded');
    const many = `${NEGOTIATE}[${'1,'.repeat(MAX_REQUEST_TOKENS)}`;
    expect((await talk(path, many, 3))[2]).toContain('JSON token count limit exceeded');
  });
});

describe('a client that does not read', () => {
  it('is bounded in memory, costs the others nothing, and is dropped with a log line', async () => {
    const path = await serve({ maxStallMs: 300 });
    const slow: Socket = connect(path);
    slow.on('error', () => undefined);
    slow.pause();
    const closed = new Promise((resolve) => slow.once('close', resolve));
    slow.write(NEGOTIATE + '{"execute":"query-stats","arguments":{"target":"vcpu"}}'.repeat(20_000));
    const [, , answer] = await talk(path, `${NEGOTIATE}{"execute":"query-name"}`, 3);
    expect(answer).toBe('{"return": {"name": "web"}}');
    await expect.poll(() => warnings, { timeout: 5000 }).toEqual(['a client was dropped: it does not read']);
    slow.resume();
    await closed;
  });

  it('gets all of it when it reads after all', async () => {
    const path = await serve({ maxStallMs: 10_000 });
    const count = 20_000;
    const socket = connect(path);
    let lines = 0;
    socket.write(NEGOTIATE + '{"execute":"query-stats","arguments":{"target":"vcpu"}}'.repeat(count));
    socket.pause();
    setTimeout(() => socket.resume(), 200);
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk: Uint8Array) => {
        for (const byte of chunk) if (byte === 0x0a) lines++;
        if (lines === count + 2) resolve();
      });
    });
    socket.destroy();
    expect(warnings).toEqual([]);
  });
});
