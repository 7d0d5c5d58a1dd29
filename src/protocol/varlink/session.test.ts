import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import { VarlinkClient, type VarlinkClientOptions } from './client.ts';
import { encodeMessage } from './framing.ts';
import { defineInterface } from './interface.ts';
import { VarlinkError, type VarlinkParameters } from './messages.ts';
import { MAX_CALL_BYTES, VarlinkServer, type VarlinkServerOptions } from './server.ts';
import { type StreamMethod, type VarlinkImplementation, VarlinkService } from './service.ts';

const definition = defineInterface(`interface org.example
method Double(value: int) -> (value: int)
method Count(upTo: int) -> (value: int)
method Fail(how: string) -> ()
method Wait() -> ()
method Missing() -> ()
error TooMuch (limit: int)
`);

const INFO = { vendor: 'v', product: 'p', version: '1', url: 'https://example.org' };

/** Both sides of one connection, with nothing between them but bytes. */
class Pair {
  readonly client: VarlinkClient;
  readonly server: VarlinkServer;
  readonly toServer: string[] = [];
  readonly toClient: string[] = [];
  readonly closed: VirtstatError[] = [];
  drained: Promise<void> = Promise.resolve();
  /** The signal of the method that ran last. */
  signal: AbortSignal | undefined;
  made = 0;

  constructor(options: Partial<VarlinkServerOptions & VarlinkClientOptions> = {}) {
    const count: StreamMethod = (request) => this.#count(request.parameters['upTo'] as number, request.signal);
    const implementation: VarlinkImplementation = {
      definition,
      single: {
        Double: async ({ parameters }) => ({ value: 2n * BigInt(parameters['value'] as number) }),
        Fail: async ({ parameters }) => fail(parameters['how'] as string),
        Wait: ({ signal }) => new Promise(() => (this.signal = signal)),
      },
      stream: { Count: count },
      errorOf: (error) => new VarlinkError('org.example.Broken', { code: error.code }),
    };
    const close = (reason: VirtstatError): void => void this.closed.push(reason);
    this.server = new VarlinkServer({
      service: new VarlinkService(INFO, [implementation]),
      drained: () => this.drained,
      close,
      ...options,
      send: (bytes) => {
        this.toClient.push(Buffer.from(bytes).toString());
        this.client.receive(bytes);
      },
    });
    this.client = new VarlinkClient({
      close,
      ...options,
      send: (bytes) => {
        this.toServer.push(Buffer.from(bytes).toString());
        this.server.receive(bytes);
      },
    });
    all.push(this);
  }

  async *#count(upTo: number, signal: AbortSignal): ReturnType<StreamMethod> {
    this.signal = signal;
    for (this.made = 1; this.made < upTo; this.made++) yield { value: this.made };
    return { value: upTo };
  }

  /** What the server answers to bytes of the test's own. */
  async raw(...messages: readonly (string | object)[]): Promise<readonly string[]> {
    this.client.end(new VirtstatError('CLOSED', 'not asked'));
    const from = this.toClient.length;
    for (const message of messages) {
      this.server.receive(typeof message === 'string' ? Buffer.from(message) : encodeMessage(message as { a: 1 }));
    }
    await vi.waitFor(() => expect(this.server.isAnswering).toBe(false));
    return this.toClient.slice(from).map((text) => text.slice(0, -1));
  }
}

function fail(how: string): never {
  if (how === 'typed') throw new VarlinkError('org.example.TooMuch', { limit: 5n });
  if (how === 'own') throw new VirtstatError('TIMEOUT', 'too late');
  throw new Error('a defect');
}

const all: Pair[] = [];
afterEach(() => {
  for (const pair of all.splice(0)) pair.server.end(new VirtstatError('CLOSED', 'the test is over'));
});

async function collect(replies: AsyncIterable<object>): Promise<readonly object[]> {
  const values: object[] = [];
  for await (const reply of replies) values.push(reply);
  return values;
}

const code = (expected: string): object => expect.objectContaining({ code: expected });

describe('a call', () => {
  it('gets its reply, every integer exact', async () => {
    const pair = new Pair();
    await fc.assert(
      fc.asyncProperty(fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n - 1n }), async (value) => {
        const reply = await pair.client.call('org.example.Double', { value });
        expect(BigInt(reply['value'] as bigint)).toBe(2n * value);
      }),
    );
  });

  it('is one message, and so is its reply', async () => {
    const pair = new Pair();
    await pair.client.call('org.example.Double', { value: 4 });
    await pair.client.call('org.varlink.service.GetInfo');
    expect(pair.toServer).toEqual([
      '{"method":"org.example.Double","parameters":{"value":4}}\0',
      '{"method":"org.varlink.service.GetInfo"}\0',
    ]);
    expect(pair.toClient[0]).toBe('{"parameters":{"value":8}}\0');
  });

  it('need not wait for the one before it', async () => {
    const pair = new Pair();
    const values = [1, 2, 3].map((value) => pair.client.call('org.example.Double', { value }));
    const counted = collect(pair.client.callMore('org.example.Count', { upTo: 2 }));
    const last = pair.client.call('org.example.Double', { value: 9 });
    expect(await Promise.all(values)).toEqual([{ value: 2 }, { value: 4 }, { value: 6 }]);
    expect(await counted).toEqual([{ value: 1 }, { value: 2 }]);
    expect(await last).toEqual({ value: 18 });
  });

  it('without reply leaves the next reply to the next call', async () => {
    const pair = new Pair();
    pair.client.callOneway('org.example.Double', { value: 1 });
    pair.client.callOneway('org.example.Fail', { how: 'typed' });
    pair.client.callOneway('org.nowhere.Fail');
    expect(await pair.client.call('org.example.Double', { value: 2 })).toEqual({ value: 4 });
    expect(pair.toClient).toHaveLength(1);
  });

  it('is refused where too many wait, and not before', async () => {
    const pair = new Pair({ maxPending: 2 });
    const waiting = [pair.client.call('org.example.Wait'), pair.client.call('org.example.Wait')];
    await expect(pair.client.call('org.example.Wait')).rejects.toEqual(code('QUEUE_FULL'));
    pair.client.end(new VirtstatError('CONNECTION_LOST', 'gone'));
    for (const call of waiting) await expect(call).rejects.toEqual(code('CONNECTION_LOST'));
  });

  it('ends with its signal; its late reply belongs to nobody else', async () => {
    const sent: Uint8Array[] = [];
    const client = new VarlinkClient({ send: (bytes) => sent.push(bytes), close: () => undefined });
    const controller = new AbortController();
    const given = client.call('a.b.First', {}, { signal: controller.signal });
    const second = client.call('a.b.Second');
    controller.abort();
    await expect(given).rejects.toEqual(code('CANCELLED'));
    client.receive(encodeMessage({ parameters: { of: 1 } }));
    client.receive(encodeMessage({ parameters: { of: 2 } }));
    expect(await second).toEqual({ of: 2 });
    await expect(client.call('a.b.Third', {}, { signal: controller.signal })).rejects.toEqual(code('CANCELLED'));
  });
});

describe('a stream', () => {
  it('yields every reply, the last one too', async () => {
    const pair = new Pair();
    expect(await collect(pair.client.callMore('org.example.Count', { upTo: 3 }))).toHaveLength(3);
    expect(pair.toClient).toEqual([
      '{"parameters":{"value":1},"continues":true}\0',
      '{"parameters":{"value":2},"continues":true}\0',
      '{"parameters":{"value":3}}\0',
    ]);
  });

  it('makes no reply before the client has read the one before', async () => {
    const pair = new Pair();
    const { promise, resolve } = Promise.withResolvers<void>();
    pair.drained = promise;
    const replies = collect(pair.client.callMore('org.example.Count', { upTo: 3 }));
    await vi.waitFor(() => expect(pair.toClient).toHaveLength(1));
    await new Promise(setImmediate);
    expect(pair.made).toBe(1);
    resolve();
    expect(await replies).toHaveLength(3);
  });

  it('that is left ends the connection, and the service hears of it', async () => {
    const pair = new Pair();
    for await (const { value } of pair.client.callMore('org.example.Count', { upTo: 1e6 })) if (value === 2) break;
    expect(pair.closed).toEqual([code('CLOSED')]);
    pair.server.end(new VirtstatError('CONNECTION_LOST', 'gone'));
    expect(pair.signal?.aborted).toBe(true);
    await expect(pair.client.call('org.example.Double', { value: 1 })).rejects.toEqual(code('CLOSED'));
  });

  it('that fails tells why, and the connection goes on', async () => {
    const pair = new Pair();
    const replies = pair.client.callMore('org.example.Fail', { how: 'typed' });
    await expect(collect(replies)).rejects.toMatchObject({
      errorName: 'org.example.TooMuch',
      parameters: { limit: 5 },
    });
    expect(await pair.client.call('org.example.Double', { value: 1 })).toEqual({ value: 2 });
    expect(pair.closed).toEqual([]);
  });

  it('ends with its signal, also while nothing comes', async () => {
    const client = new VarlinkClient({ send: () => undefined, close: () => undefined });
    const controller = new AbortController();
    const replies = collect(client.callMore('a.b.C', {}, { signal: controller.signal }));
    setImmediate(() => controller.abort());
    await expect(replies).rejects.toEqual(code('CANCELLED'));
  });
});

describe('a client refuses', () => {
  it.each([
    ['a reply that nobody asked for', { parameters: {} }, 0, 'VARLINK_MESSAGE_INVALID'],
    ['more replies than asked for', { continues: true }, 1, 'VARLINK_MESSAGE_INVALID'],
    ['a reply that is no object', [], 1, 'VARLINK_MESSAGE_INVALID'],
    ['an error without a name', { error: 5 }, 1, 'VARLINK_MESSAGE_INVALID'],
    ['parameters that are no object', { parameters: 'x' }, 1, 'VARLINK_MESSAGE_INVALID'],
    ['a reply of the wrong type', { parameters: { value: 'x' } }, 1, 'VARLINK_MESSAGE_INVALID'],
    ['a reply without what was promised', {}, 1, 'VARLINK_MESSAGE_INVALID'],
  ])('%s, and ends', async (_, message, calls, expected) => {
    const close = vi.fn();
    const client = new VarlinkClient({ send: () => undefined, close, interfaces: [definition] });
    const waiting = Array.from({ length: calls }, () => client.call('org.example.Double', { value: 1 }));
    client.receive(encodeMessage(message));
    for (const call of waiting) await expect(call).rejects.toEqual(code(expected));
    expect(close).toHaveBeenCalledExactlyOnceWith(code(expected));
  });

  it('to ask for what the interface does not have', async () => {
    const pair = new Pair({ interfaces: [definition] });
    await expect(pair.client.call('org.example.Double', { value: 'x' })).rejects.toThrow('value should be an integer');
    await expect(pair.client.call('org.example.None')).rejects.toEqual(code('USAGE'));
    expect(() => pair.client.callOneway('org.example.Double', { val: 1 })).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
    expect(pair.toServer).toEqual([]);
  });

  it('no member that a later version may add', async () => {
    const client = new VarlinkClient({ send: () => undefined, close: () => undefined, interfaces: [definition] });
    const reply = client.call('org.example.Double', { value: 1 });
    client.receive(encodeMessage({ parameters: { value: 2, unit: 'bytes' }, serial: 7 }));
    expect(await reply).toEqual({ value: 2, unit: 'bytes' });
  });
});

describe('a service', () => {
  it('describes itself', async () => {
    const { client } = new Pair();
    expect(await client.call('org.varlink.service.GetInfo')).toEqual({
      ...INFO,
      interfaces: ['org.varlink.service', 'org.example'],
    });
    const asked = { interface: 'org.example' };
    expect(await client.call('org.varlink.service.GetInterfaceDescription', asked)).toEqual({
      description: definition.text,
    });
  });

  it.each([
    ['org.nowhere.Do', {}, 'InterfaceNotFound', { interface: 'org.nowhere' }],
    ['Do', {}, 'InterfaceNotFound', { interface: '' }],
    ['org.example.Do', {}, 'MethodNotFound', { method: 'org.example.Do' }],
    ['org.example.constructor', {}, 'MethodNotFound', { method: 'org.example.constructor' }],
    ['org.example.Missing', {}, 'MethodNotImplemented', { method: 'org.example.Missing' }],
    ['org.example.Double', {}, 'InvalidParameter', { parameter: 'value' }],
    ['org.example.Double', { value: '1' }, 'InvalidParameter', { parameter: 'value' }],
    ['org.example.Double', { value: 1, unit: 'x' }, 'InvalidParameter', { parameter: 'unit' }],
    ['org.example.Count', { upTo: 1 }, 'ExpectedMore', {}],
    ['org.varlink.service.GetInterfaceDescription', { interface: 'a.b' }, 'InterfaceNotFound', { interface: 'a.b' }],
  ])('refuses %s with %j: %s', async (method, parameters, error, said) => {
    const { client } = new Pair();
    await expect(client.call(method, parameters)).rejects.toMatchObject({
      code: 'VARLINK_CALL_FAILED',
      errorName: `org.varlink.service.${error}`,
      parameters: said,
    });
    expect(await client.call('org.example.Double', { value: 1 })).toEqual({ value: 2 });
  });

  it('answers errors that have a type, and translates others', async () => {
    const pair = new Pair();
    const answers = await pair.raw(
      { method: 'org.example.Fail', parameters: { how: 'typed' } },
      { method: 'org.example.Fail', parameters: { how: 'own' } },
      { method: 'org.example.Fail', parameters: { how: 'defect' } },
    );
    expect(answers).toEqual([
      '{"error":"org.example.TooMuch","parameters":{"limit":5}}',
      '{"error":"org.example.Broken","parameters":{"code":"TIMEOUT"}}',
      '{"error":"org.example.Broken","parameters":{"code":"INTERNAL"}}',
    ]);
  });

  it('does not answer what it does not allow', async () => {
    const { client } = new Pair({ mayCall: (method) => method !== 'org.example.Double' });
    await expect(client.call('org.example.Double', { value: 1 })).rejects.toMatchObject({
      errorName: 'org.varlink.service.PermissionDenied',
    });
    await expect(client.call('org.varlink.service.GetInfo')).resolves.toMatchObject(INFO);
  });

  it('gives no connection away', async () => {
    const pair = new Pair();
    const call = { method: 'org.example.Double', parameters: { value: 1 }, upgrade: true };
    expect(await pair.raw(call)).toEqual([
      '{"error":"org.varlink.service.MethodNotImplemented","parameters":{"method":"org.example.Double"}}',
    ]);
  });

  it('takes null for what is absent', async () => {
    const call = { method: 'org.varlink.service.GetInfo', parameters: null, more: null, oneway: null, upgrade: null };
    expect(await new Pair().raw(call)).toHaveLength(1);
  });

  it('never sends what its interface does not promise', async () => {
    const double = async (): Promise<VarlinkParameters> => ({ value: 'x' });
    const wrong: VarlinkImplementation = { definition, single: { Double: double } };
    const close = vi.fn();
    const send = vi.fn();
    const service = new VarlinkService(INFO, [wrong]);
    const server = new VarlinkServer({ service, send, close, drained: async () => undefined });
    server.receive(encodeMessage({ method: 'org.example.Double', parameters: { value: 1 } }));
    await vi.waitFor(() => expect(close).toHaveBeenCalledExactlyOnceWith(code('INTERNAL')));
    expect(send).not.toHaveBeenCalled();
  });

  it.each([
    ['no JSON', 'hello\0', 'JSON_INVALID'],
    ['no call', '[]\0', 'VARLINK_MESSAGE_INVALID'],
    ['no method', '{}\0', 'VARLINK_MESSAGE_INVALID'],
    ['a wrong method', '{"method":1}\0', 'VARLINK_MESSAGE_INVALID'],
    ['a wrong flag', '{"method":"a.b.C","more":"yes"}\0', 'VARLINK_MESSAGE_INVALID'],
    ['wrong parameters', '{"method":"a.b.C","parameters":[]}\0', 'VARLINK_MESSAGE_INVALID'],
    ['no end', 'x'.repeat(MAX_CALL_BYTES + 1), 'FRAME_TOO_LARGE'],
  ])('closes on %s', async (_, bytes, expected) => {
    const pair = new Pair();
    expect(await pair.raw(bytes, '{"method":"org.varlink.service.GetInfo"}\0')).toEqual([]);
    expect(pair.closed).toEqual([code(expected)]);
  });

  it('holds calls that come too early up to its bound', () => {
    const pair = new Pair({ maxWaitingBytes: 100 });
    pair.server.receive(encodeMessage({ method: 'org.example.Wait' }));
    pair.server.receive(new Uint8Array(100));
    expect(pair.closed).toEqual([]);
    pair.server.receive(new Uint8Array(1));
    expect(pair.closed).toEqual([code('QUEUE_FULL')]);
    expect(pair.signal?.aborted).toBe(true);
  });

  it('sends replies up to its bound, and else says why not', async () => {
    const reply = '{"parameters":{"value":10}}';
    const call = { method: 'org.example.Double', parameters: { value: 5 } };
    expect(await new Pair({ maxReplyBytes: reply.length }).raw(call)).toEqual([reply]);
    expect(await new Pair({ maxReplyBytes: reply.length - 1 }).raw(call)).toEqual([
      '{"error":"org.example.Broken","parameters":{"code":"FRAME_TOO_LARGE"}}',
    ]);
  });

  it('survives any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), async (chunks) => {
        const pair = new Pair();
        for (const chunk of chunks) pair.server.receive(chunk);
        await vi.waitFor(() => expect(pair.server.isAnswering).toBe(false));
      }),
    );
  });
});
