import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { FoundDomain, Provider, Source } from '../../model/provider.ts';
import type { StatEntry } from '../../model/sample.ts';
import { U64_MAX } from '../../model/u64.ts';
import { type JsonObject, stringifyJson } from '../../protocol/json/json.ts';
import { encodeMessage } from '../../protocol/varlink/framing.ts';
import { STATS_INTERFACE } from '../../protocol/varlink/stats/idl.ts';
import { Registry } from '../../registry/registry.ts';
import { VarlinkLink } from '../../source/virtstat/link.ts';
import type { FaceContext, Reader } from '../face.ts';
import { MAX_CALL_BYTES } from './connection.ts';
import { VarlinkFace } from './face.ts';
import { metricsImplementation } from './metrics.ts';

const STATS = 'org.virtstat.Stats';

/** Domains of the test's own, with what they show now. */
class TestSource implements Source {
  readonly uri = 'test:';
  readonly values: StatEntry[] = [
    { name: 'exits', value: 5n },
    { name: 'large', value: U64_MAX },
    { name: 'spread', value: [1n, 2n] },
    { name: 'guest_mode', value: false },
  ];
  failure: VirtstatError | undefined;
  collections = 0;

  async scan(): Promise<readonly FoundDomain[]> {
    return [
      this.#found({ id: 'a', name: 'vm-a', uuid: '0000-A', source: this.uri }),
      this.#found({ id: 'b', name: 'vm-b', source: this.uri }),
    ];
  }

  async close(): Promise<void> {}

  #found(domain: Domain): FoundDomain {
    const provider = this.#provider();
    return {
      domain,
      providers: async () => [provider],
      describe: async () => ({ ...domain, state: 'running', vcpus: 2, vmm: { name: 'QEMU', version: '7.2.0' } }),
      availability: async () => [{ provider: 'kvm', target: 'vcpu', via: 'test', available: false, reason: 'a test' }],
    };
  }

  #provider(): Provider {
    return {
      name: 'kvm',
      targets: ['vcpu'],
      schemas: async () => [
        {
          provider: 'kvm',
          target: 'vcpu',
          stats: this.values.map(({ name }) => ({ name, type: 'cumulative', exponent: 0, size: 1 })),
        },
      ],
      stats: async ({ id }) => {
        this.collections++;
        if (id === 'b' && this.failure !== undefined) throw this.failure;
        const reading = { via: 'test', collectedAtNs: BigInt(Date.now()) * 1_000_000n, stats: [...this.values] };
        return [0, 1].map((cpu) => ({ path: `/machine/cpu[${cpu}]`, ...reading }));
      },
    };
  }
}

let folder: string;
let source: TestSource;
let registry: Registry;
let face: VarlinkFace;
let link: VarlinkLink;
const warnings: string[] = [];

function readerOf(all: Registry): Reader {
  return {
    domains: async (options) => (await all.present(options)).map(({ domain }) => domain),
    list: (options) => all.list(options),
    schemas: (options) => all.schemas(options),
    query: (filter, options) => all.query(filter, options),
    readsAllOf: () => true,
  };
}

function contextOf(reader: Reader): FaceContext {
  return {
    runtimeDir: folder,
    sockets: { mode: 0o666 },
    domains: { current: [], subscribe: () => () => undefined },
    log: { info: () => undefined, warn: (_facts, message) => void warnings.push(message) },
    activated: () => undefined,
    isToken: () => false,
    readerFor: () => reader,
  };
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-face-'));
  warnings.length = 0;
  source = new TestSource();
  registry = new Registry([source]);
  const info = { vendor: 'virtstat', product: 'virtstatd', version: '0', url: 'https://example.org' };
  face = new VarlinkFace({ info, maxStallMs: 200 });
  await face.listen(contextOf(readerOf(registry)));
  link = new VarlinkLink({ kind: 'unix', path: join(folder, 'varlink') });
});

afterEach(async () => {
  link.close();
  await face.close();
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

const signal = AbortSignal.timeout(60_000);

/** What a call returns about each domain. */
async function ask(method: string, parameters: JsonObject = {}): Promise<readonly JsonObject[]> {
  const reply = await link.call(`${STATS}.${method}`, parameters, { signal });
  return reply['domains'] as JsonObject[];
}

async function refusal(method: string, parameters: JsonObject): Promise<unknown> {
  try {
    return await ask(method, parameters);
  } catch (error) {
    const { errorName, parameters: said } = error as { errorName: string; parameters: unknown };
    return [errorName, said];
  }
}

describe('org.virtstat.Stats', () => {
  it('is what the service says it is', async () => {
    const { interfaces } = await link.call('org.varlink.service.GetInfo', {}, { signal });
    expect(interfaces).toEqual(['org.varlink.service', STATS, 'io.systemd.Metrics']);
    const described = await link.call('org.varlink.service.GetInterfaceDescription', { interface: STATS }, { signal });
    expect(described).toEqual({ description: STATS_INTERFACE.text });
  });

  it('lists domains, with what can be read and why something cannot', async () => {
    const [first, second, none] = await ask('ListDomains');
    expect(first).toEqual({
      domain: {
        id: 'a',
        name: 'vm-a',
        uuid: '0000-A',
        state: 'running',
        vcpus: 2,
        vmm: { name: 'QEMU', version: '7.2.0' },
        source: 'test:',
      },
      providers: [{ provider: 'kvm', target: 'vcpu', via: 'test', available: false, reason: 'a test' }],
      errors: [],
    });
    expect(second).toMatchObject({ domain: { id: 'b' } });
    expect(none).toBeUndefined();
    expect(await ask('ListDomains', { domains: ['0000-a'], brief: true })).toEqual([
      { domain: { id: 'a', name: 'vm-a', uuid: '0000-A', source: 'test:' }, providers: [], errors: [] },
    ]);
  });

  it('gives schemas, of all targets or of one', async () => {
    const stats = source.values.map(({ name }) => ({ name, kind: 'cumulative', count: 1 }));
    const schemas = [{ provider: 'kvm', target: 'vcpu', stats }];
    expect(await ask('GetSchemas', { domains: ['vm-a'] })).toEqual([{ id: 'a', name: 'vm-a', schemas, errors: [] }]);
    expect(await ask('GetSchemas', { domains: ['vm-a'], target: 'vm' })).toMatchObject([{ schemas: [] }]);
  });

  it('gives values exactly', async () => {
    const [{ samples } = {}] = await ask('GetStats', { target: 'vcpu', domains: ['vm-a'] });
    expect(samples).toHaveLength(2);
    expect((samples as JsonObject[])[1]).toMatchObject({ provider: 'kvm', path: '/machine/cpu[1]', via: 'test' });
    expect(stringifyJson((samples as JsonObject[])[0]?.['stats'] ?? null)).toBe(
      '[{"name":"exits","number":5},{"name":"large","bigNumber":"18446744073709551615"},' +
        '{"name":"spread","numbers":[1,2]},{"name":"guest_mode","boolean":false}]',
    );
  });

  it('filters as QEMU does: what does not exist drops out', async () => {
    const providers = [{ provider: 'kvm', names: ['large', 'none', 'exits'] }, { provider: 'other' }];
    const [{ samples } = {}] = await ask('GetStats', { target: 'vcpu', providers, paths: ['/machine/cpu[1]', '/x'] });
    expect(samples).toMatchObject([{ path: '/machine/cpu[1]', stats: [{ name: 'exits' }, { name: 'large' }] }]);
    expect(await ask('GetStats', { target: 'none' })).toMatchObject([{ samples: [] }, { samples: [] }]);
    expect(await ask('GetStats', { target: 'vcpu', providers: [] })).toMatchObject([{ samples: [] }, { samples: [] }]);
  });

  it('reads anew unless older values will do', async () => {
    await ask('GetStats', { target: 'vcpu', domains: ['vm-a'] });
    await ask('GetStats', { target: 'vcpu', domains: ['vm-a'], maxAgeMs: 60_000 });
    expect(source.collections).toBe(1);
    await ask('GetStats', { target: 'vcpu', domains: ['vm-a'], maxAgeMs: 0 });
    expect(source.collections).toBe(2);
  });

  it('gives the last values of a domain that fails, and why', async () => {
    await ask('GetStats', { target: 'vcpu' });
    source.failure = new VirtstatError('TIMEOUT', 'too late');
    const [a, b] = await ask('GetStats', { target: 'vcpu' });
    expect(a).toMatchObject({ errors: [] });
    expect(b).toMatchObject({
      samples: [{ stale: { code: 'TIMEOUT', reason: 'too late' } }, {}],
      errors: [{ code: 'TIMEOUT', message: 'too late' }],
    });
  });

  it.each([
    ['GetStats', { target: 'vcpu', domains: ['vm-a', 'vm-c'] }, `${STATS}.DomainNotFound`, { domain: 'vm-c' }],
    ['ListDomains', { domains: ['x'] }, `${STATS}.DomainNotFound`, { domain: 'x' }],
    ['GetStats', { target: 'vcpu', maxAgeMs: -1 }, 'org.varlink.service.InvalidParameter', { parameter: 'maxAgeMs' }],
    [
      'GetStats',
      { target: 'vcpu', providers: [{ provider: 'kvm', names: 'exits' }] },
      'org.varlink.service.InvalidParameter',
      { parameter: 'providers[0].names' },
    ],
    ['GetStats', { target: 'vcpu', maxAge: 1 }, 'org.varlink.service.InvalidParameter', { parameter: 'maxAge' }],
    ['Watch', { target: 'vcpu', intervalMs: 100 }, 'org.varlink.service.ExpectedMore', {}],
  ])('%s refuses %j', async (method, parameters, error, said) => {
    // A definition on this side would notice some of them first.
    link.close();
    link = new VarlinkLink({ kind: 'unix', path: join(folder, 'varlink') }, { interfaces: [] });
    expect(await refusal(method, parameters)).toEqual([error, said]);
  });
});

describe('a watch', () => {
  async function firstOf(parameters: JsonObject): Promise<unknown> {
    try {
      for await (const reply of link.callMore(`${STATS}.Watch`, parameters, { signal })) return reply;
    } catch (error) {
      const { errorName, parameters: said } = error as { errorName: string; parameters: unknown };
      return [errorName, said];
    }
    return undefined;
  }

  it('goes on; of what follows the first only what changed, if asked', async () => {
    const parameters = { target: 'vcpu', domains: ['vm-a'], intervalMs: 100, changedOnly: true };
    const seen: string[][] = [];
    for await (const reply of link.callMore(`${STATS}.Watch`, parameters, { signal })) {
      const [domain] = reply['domains'] as JsonObject[];
      const samples = domain?.['samples'] as JsonObject[];
      expect(samples).toHaveLength(2);
      seen.push(((samples[0] as JsonObject)['stats'] as JsonObject[]).map(({ name }) => name as string));
      if (seen.length === 2) {
        source.values[0] = { name: 'exits', value: 6n };
        source.values[2] = { name: 'spread', value: [1n, 3n] };
      }
      if (seen.length === 4) break;
    }
    const [first, second, third, fourth] = seen;
    expect(first).toHaveLength(4);
    expect(second).toEqual([]);
    expect([third, fourth]).toContainEqual(['exits', 'spread']);
    const { collections } = source;
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(source.collections - collections).toBeLessThanOrEqual(1);
  });

  it.each([
    [{ target: 'vcpus' }, 'UnknownTarget', { target: 'vcpus', nearest: ['vcpu'] }],
    [{ providers: [{ provider: 'kvn' }] }, 'UnknownProvider', { provider: 'kvn', nearest: ['kvm'] }],
    [{ providers: [{ provider: 'kvm', names: ['exit'] }] }, 'UnknownStat', { name: 'exit', nearest: ['exits'] }],
    [{ domains: ['vm-x'] }, 'DomainNotFound', { domain: 'vm-x' }],
  ])('refuses at once what does not exist: %j', async (parameters, error, said) => {
    expect(await firstOf({ target: 'vcpu', intervalMs: 100, ...parameters })).toEqual([`${STATS}.${error}`, said]);
  });

  it.each([99, 86_400_001])('refuses an interval of %i ms', async (intervalMs) => {
    const said = { parameter: 'intervalMs' };
    expect(await firstOf({ target: 'vcpu', intervalMs })).toEqual(['org.varlink.service.InvalidParameter', said]);
  });

  it.each([100, 86_400_000])('takes an interval of %i ms', async (intervalMs) => {
    expect(await firstOf({ target: 'vcpu', intervalMs })).toMatchObject({ domains: [{ id: 'a' }, { id: 'b' }] });
  });
});

describe('io.systemd.Metrics', () => {
  async function all(method: string): Promise<readonly JsonObject[]> {
    const replies: JsonObject[] = [];
    const name = `io.systemd.Metrics.${method}`;
    for await (const reply of link.callMore(name, {}, { signal })) replies.push(reply);
    return replies;
  }

  it('gives one number for each domain and stat, with the name that describes it', async () => {
    source.values.splice(1, 1);
    const fields = { provider: 'kvm', target: 'vcpu' };
    expect(await all('List')).toEqual([
      { name: `${STATS}.KvmVcpuExits`, value: 10, object: 'vm-a', fields: { ...fields, uuid: '0000-A' } },
      { name: `${STATS}.KvmVcpuExits`, value: 10, object: 'vm-b', fields },
      { name: `${STATS}.KvmVcpuGuestMode`, value: 0, object: 'vm-a', fields: { ...fields, uuid: '0000-A' } },
      { name: `${STATS}.KvmVcpuGuestMode`, value: 0, object: 'vm-b', fields },
    ]);
    const [exits] = await all('Describe');
    expect(exits).toEqual({
      name: `${STATS}.KvmVcpuExits`,
      description: 'exits of target vcpu, by provider kvm',
      type: 'counter',
    });
  });

  it('leaves out domains that fail', async () => {
    await ask('GetStats', { target: 'vcpu' });
    source.failure = new VirtstatError('TIMEOUT', 'too late');
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(new Set((await all('List')).map(({ object }) => object))).toEqual(new Set(['vm-a']));
  });

  it('keeps its budget, for all domains alike', async () => {
    const { stream } = metricsImplementation(() => readerOf(registry), 5);
    const replies = stream?.['List']?.({ parameters: {}, signal });
    const names: unknown[] = [];
    for (;;) {
      const reply = await replies?.next();
      names.push([reply?.value['name'], reply?.value['object']]);
      if (reply?.done !== false) break;
    }
    // `large` is there twice in the budget, but is too large for an integer of 64 bits.
    expect(names).toEqual(['vm-a', 'vm-b'].map((name) => [`${STATS}.KvmVcpuExits`, name]));
  });

  it('says where there is nothing', async () => {
    source.values.length = 0;
    await expect(all('List')).rejects.toMatchObject({ errorName: 'io.systemd.Metrics.NoSuchMetric' });
  });
});

describe('a client', () => {
  function rawClient(...calls: readonly object[]): Socket {
    const socket = connect(join(folder, 'varlink'));
    for (const call of calls) socket.write(encodeMessage(call as JsonObject));
    return socket;
  }

  it('that sends nothing more still gets its answers', async () => {
    const call = { method: 'org.varlink.service.GetInfo' };
    const socket = rawClient(call, call);
    socket.end();
    let received = '';
    for await (const chunk of socket) received += chunk;
    expect(received.split('\0')).toHaveLength(3);
  });

  it('that does not read is dropped, with a line in the log', async () => {
    source.values.push({ name: 'much', value: Array.from({ length: 50_000 }, () => U64_MAX) });
    const calls = Array.from({ length: 20 }, () => ({ method: `${STATS}.GetStats`, parameters: { target: 'vcpu' } }));
    const socket = rawClient(...calls);
    socket.pause();
    socket.on('error', () => undefined);
    await vi.waitFor(() => expect(warnings).toEqual([expect.stringContaining('did not read for 200 ms')]), 10_000);
    expect(source.collections).toBeLessThan(10);
    socket.destroy();
  });

  it('that sends no varlink is dropped, and the others are served', async () => {
    const socket = connect(join(folder, 'varlink'));
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\n\r\n\0');
    await vi.waitFor(() => expect(warnings).toEqual([expect.stringContaining('not JSON')]));
    expect(await ask('ListDomains', { brief: true })).toHaveLength(2);
  });

  it('that sends byte after byte is answered, however many they are, and nobody waits for them', async () => {
    const call = encodeMessage({ method: 'org.varlink.service.GetInfo' });
    const slow = Array.from({ length: 100 }, () => connect(join(folder, 'varlink')));
    const answers = slow.map((socket) => new Promise((resolve) => socket.once('data', resolve)));
    for (const byte of call) {
      for (const socket of slow) socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ask('ListDomains', { brief: true })).toHaveLength(2);
    expect((await Promise.all(answers)).every((answer) => String(answer).includes('virtstatd'))).toBe(true);
    for (const socket of slow) socket.destroy();
  });

  it('may send a call of so many bytes, and no more', async () => {
    const fits = connect(join(folder, 'varlink'));
    const call = encodeMessage({ method: 'org.varlink.service.GetInfo' });
    fits.write(Buffer.concat([Buffer.alloc(MAX_CALL_BYTES - call.length + 1, ' '), call]));
    expect(String(await new Promise((resolve) => fits.once('data', resolve)))).toContain('virtstatd');
    fits.destroy();
    const large = connect(join(folder, 'varlink')).on('error', () => undefined);
    large.write(Buffer.alloc(MAX_CALL_BYTES + 1, ' '));
    await vi.waitFor(() => expect(warnings).toEqual([expect.stringContaining('longer than')]));
  });
});
