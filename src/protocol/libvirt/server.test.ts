import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { VirtstatError } from '../../model/errors.ts';
import { REMOTE_ERROR, type RemoteError } from './error.ts';
import { encodeKeepalive, KEEPALIVE } from './keepalive.ts';
import {
  decodePayload,
  encodeMessage,
  HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  type Message,
  type MessageHeader,
  MessageReader,
} from './message.ts';
import type { Procedure } from './procedure.ts';
import {
  AUTH_LIST,
  CONNECT_CLOSE,
  CONNECT_GET_HOSTNAME,
  CONNECT_GET_TYPE,
  CONNECT_OPEN,
  CONNECT_SUPPORTS_FEATURE,
  DOMAIN_LOOKUP_BY_NAME,
} from './procedures.ts';
import { LibvirtRefusal } from './refusal.ts';
import { LibvirtServer, type LibvirtServerOptions, MAX_CALL_BYTES, served } from './server.ts';
import { LibvirtSession, MAX_CALLS_IN_FLIGHT } from './session.ts';
import { NOTHING } from './xdr-codec.ts';

const REMOTE = 0x2000_8086;
const WORDS = { str1: '%s', str3: undefined, int1: -1, int2: -1, dom: undefined, net: undefined, level: 2 };

/** A server with what it sent, and a hostname that comes when the test lets it. */
function start(options: Partial<LibvirtServerOptions> = {}) {
  const sent: Message[] = [];
  const closed: VirtstatError[] = [];
  const events: string[] = [];
  const waiting: PromiseWithResolvers<string>[] = [];
  const reader = new MessageReader();
  const server = new LibvirtServer({
    service: {
      procedures: new Map(
        [
          served(CONNECT_GET_TYPE, () => 'QEMU'),
          served(CONNECT_GET_HOSTNAME, () => {
            const answer = Promise.withResolvers<string>();
            waiting.push(answer);
            return answer.promise;
          }),
          served(DOMAIN_LOOKUP_BY_NAME, (name) => {
            throw new LibvirtRefusal(42, 10, `no domain with matching name '${name}'`);
          }),
        ].map((each) => [each.procedure.number, each]),
      ),
      open: ({ name }) => {
        if (name !== 'qemu:///system') throw new LibvirtRefusal(5, 0, String(name));
      },
      refusal: (number) =>
        number === 33 ? new LibvirtRefusal(29, 20, 'read only access prevents virDomainShutdown') : undefined,
    },
    send: (bytes) => {
      reader.push(Uint8Array.from(bytes));
      for (let message = reader.next(); message !== undefined; message = reader.next()) sent.push(message);
    },
    drained: async () => undefined,
    onFull: () => events.push('full'),
    onHungry: () => events.push('hungry'),
    onGoodbye: () => events.push('goodbye'),
    onUnknown: (number) => events.push(`unknown ${number}`),
    close: (reason) => closed.push(reason),
    ...options,
  });
  return { server, sent, closed, events, waiting };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function call<A>({ number, args }: Procedure<A, unknown>, value: A, header: Partial<MessageHeader> = {}): Uint8Array {
  const base = { program: REMOTE, version: 1, procedure: number, type: 0, serial: 0, status: 0 };
  return encodeMessage({ ...base, ...header }, args, value);
}

const OPEN = call(CONNECT_OPEN, { name: 'qemu:///system', flags: 0 });

function errorOf(message: Message | undefined): RemoteError {
  if (message?.header.status !== 1) throw new Error('no error');
  return decodePayload(message.payload, REMOTE_ERROR);
}

/** Sends one thing on an open connection, and returns what comes back. */
async function reply(bytes: Uint8Array, isOpen = true): Promise<Message | undefined> {
  const { server, sent } = start();
  if (isOpen) server.receive(OPEN);
  await turn();
  server.receive(bytes);
  await turn();
  return sent.at(isOpen ? 1 : 0);
}

describe('LibvirtServer', () => {
  it('answers as a client wants it, in one piece and in any pieces', async () => {
    const stream = Buffer.concat([
      call(AUTH_LIST, undefined, { serial: 1 }),
      OPEN,
      call(CONNECT_GET_TYPE, undefined, { serial: 7 }),
      call(CONNECT_SUPPORTS_FEATURE, 14, { serial: 8 }),
      encodeKeepalive(KEEPALIVE.ping),
    ]);
    const told = async (chunks: readonly Uint8Array[]) => {
      const { server, sent } = start();
      for (const chunk of chunks) server.receive(Uint8Array.from(chunk));
      await turn();
      await turn();
      server.end({} as VirtstatError);
      return sent
        .map(({ header, payload }) => JSON.stringify([header, Buffer.from(payload).toString('hex')]))
        .toSorted();
    };
    const whole = await told([stream]);
    expect(whole).toHaveLength(5);
    expect(await told([...stream].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(stream.length), { maxLength: 6 }), async (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
        expect(await told(at.slice(1).map((end, index) => stream.subarray(at[index], end)))).toEqual(whole);
      }),
      { numRuns: 40 },
    );
  });

  it('answers calls of our own client', async () => {
    let session: LibvirtSession | undefined;
    const { server } = start({ send: (bytes) => session?.receive(bytes) });
    session = new LibvirtSession({ send: (bytes) => server.receive(bytes), close: (reason) => expect(reason).toBe(0) });
    await session.call(CONNECT_OPEN, { name: 'qemu:///system', flags: 1 });
    expect(await session.call(CONNECT_GET_TYPE, undefined)).toBe('QEMU');
    await expect(session.call(DOMAIN_LOOKUP_BY_NAME, 'x')).rejects.toMatchObject({ errorCode: 42, errorDomain: 10 });
    await session.ping();
    server.end({} as VirtstatError);
  });

  // The words and numbers of libvirtd 12.8.0.
  it.each<[string, Uint8Array, Partial<RemoteError>]>([
    [
      'an unknown procedure',
      call(AUTH_LIST, undefined, { procedure: 9999 }),
      { code: 39, domain: 7, message: 'unknown procedure: 9999', str2: 'unknown procedure: 9999' },
    ],
    [
      'another program',
      call(AUTH_LIST, undefined, { program: 0x2000_1111 }),
      { code: 39, domain: 7, message: 'Cannot find program 536875281 version 1' },
    ],
    [
      'another version',
      call(AUTH_LIST, undefined, { version: 2 }),
      { code: 39, domain: 7, message: 'Cannot find program 536903814 version 2' },
    ],
    [
      'a payload that ends early',
      call({ ...DOMAIN_LOOKUP_BY_NAME, args: NOTHING }, undefined),
      { code: 39, domain: 7, message: 'Unable to decode message payload' },
    ],
    [
      'a payload that goes on',
      call({ ...AUTH_LIST, args: DOMAIN_LOOKUP_BY_NAME.args } as Procedure<string, unknown>, 'more'),
      { code: 39, domain: 7, message: 'Unable to decode message payload' },
    ],
    [
      'opening twice',
      OPEN,
      {
        code: 1,
        domain: 7,
        message: 'internal error: connection already open',
        str1: 'internal error: %1$s',
        str2: 'connection already open',
      },
    ],
    [
      'an unknown domain',
      call(DOMAIN_LOOKUP_BY_NAME, 'nope'),
      {
        code: 42,
        domain: 10,
        message: "Domain not found: no domain with matching name 'nope'",
        str1: 'Domain not found: %1$s',
      },
    ],
    [
      'what would change something',
      call(AUTH_LIST, undefined, { procedure: 33 }),
      {
        code: 29,
        domain: 20,
        message: 'operation forbidden: read only access prevents virDomainShutdown',
        str1: 'operation forbidden: %1$s',
      },
    ],
    ['descriptors', call(AUTH_LIST, undefined, { type: 4 }), { code: 39, message: 'Unexpected message type 4' }],
    ['a status', call(AUTH_LIST, undefined, { status: 1 }), { code: 39, message: 'Unexpected message status 1' }],
  ])('refuses %s as libvirt does', async (_what, bytes, error) => {
    expect(errorOf(await reply(bytes))).toMatchObject({ ...WORDS, ...error });
  });

  it('wants a driver opened first, and only one that there is', async () => {
    const notOpen = { code: 1, domain: 7, message: 'internal error: hypervisor connection not open' };
    expect(errorOf(await reply(call(CONNECT_GET_TYPE, undefined), false))).toMatchObject(notOpen);
    expect(errorOf(await reply(call(CONNECT_SUPPORTS_FEATURE, 14), false))).toMatchObject(notOpen);
    const other = call(CONNECT_OPEN, { name: 'xen:///system', flags: 0 });
    expect(errorOf(await reply(other, false))).toMatchObject({ code: 5, domain: 0 });
    expect((await reply(call(CONNECT_SUPPORTS_FEATURE, 10), false))?.header.status).toBe(0);
  });

  it('says nothing to streams, events and replies', async () => {
    for (const type of [1, 2, 3, 5, 6]) expect(await reply(call(AUTH_LIST, undefined, { type }))).toBeUndefined();
  });

  it('runs five calls at once, reads no more until one is answered, and replies in any order', async () => {
    const { server, sent, events, waiting } = start();
    server.receive(OPEN);
    await turn();
    const calls = Array.from({ length: 10_000 }, (_, serial) => call(CONNECT_GET_HOSTNAME, undefined, { serial }));
    server.receive(Buffer.concat(calls));
    expect([waiting.length, server.isFull, events.at(-1)]).toEqual([MAX_CALLS_IN_FLIGHT, true, 'full']);
    waiting[3]?.resolve('fourth');
    await turn();
    expect(sent.at(-1)?.header.serial).toBe(3);
    expect([waiting.length, events.at(-1)]).toEqual([6, 'full']);
    for (let answered = 0; answered < waiting.length; answered++) {
      waiting[answered]?.resolve('');
      if (answered === waiting.length - 1) await turn();
    }
    expect(new Set(sent.slice(1).map(({ header }) => header.serial)).size).toBe(10_000);
    expect([server.isAnswering, events.at(-1)]).toEqual([false, 'hungry']);
  });

  it.each<[string, Uint8Array]>([
    ['calls', call(CONNECT_GET_TYPE, undefined)],
    ['pings', encodeKeepalive(KEEPALIVE.ping)],
    ['refusals', call(AUTH_LIST, undefined, { program: 1 })],
  ])('makes no more answers to %s while the client does not read', async (_what, bytes) => {
    const room = Promise.withResolvers<void>();
    const { server, sent } = start({ drained: () => room.promise });
    server.receive(Buffer.concat(Array.from({ length: 1000 }, () => bytes)));
    await turn();
    expect(sent).toHaveLength(MAX_CALLS_IN_FLIGHT);
    room.resolve();
    await turn();
    await turn();
    expect(sent).toHaveLength(1000);
  });

  it.each<[string, number, string]>([
    ['too short', HEADER_BYTES - 1, 'LIBVIRT_MESSAGE_INVALID'],
    ['nothing', 0, 'LIBVIRT_MESSAGE_INVALID'],
    ['too long', MAX_CALL_BYTES + 1, 'FRAME_TOO_LARGE'],
    ['longer than libvirt allows', MAX_MESSAGE_BYTES + 1, 'FRAME_TOO_LARGE'],
    ['as long as can be', 0xffff_ffff, 'FRAME_TOO_LARGE'],
  ])('ends a connection whose message says that it is %s, before it comes', (_what, length, code) => {
    const { server, closed } = start();
    const word = Buffer.alloc(4);
    word.writeUInt32BE(length);
    server.receive(word);
    expect(closed).toMatchObject([{ code }]);
    server.receive(OPEN);
    expect(closed).toHaveLength(1);
  });

  it('takes messages up to the bound, and survives anything', async () => {
    const { server, sent, closed } = start({ maxCallBytes: 64 });
    server.receive(
      call({ ...AUTH_LIST, args: DOMAIN_LOOKUP_BY_NAME.args } as Procedure<string, unknown>, 'x'.repeat(32)),
    );
    await turn();
    expect([sent.length, closed.length]).toEqual([1, 0]);
    server.receive(
      call({ ...AUTH_LIST, args: DOMAIN_LOOKUP_BY_NAME.args } as Procedure<string, unknown>, 'x'.repeat(33)),
    );
    expect(closed).toMatchObject([{ code: 'FRAME_TOO_LARGE' }]);
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.record({ procedure: fc.integer({ min: 0, max: 400 }), type: fc.nat(7), status: fc.nat(3) }),
        async (bytes, header) => {
          const { server: hostile, sent: answers } = start();
          hostile.receive(OPEN);
          hostile.receive(
            encodeMessage(
              { program: REMOTE, version: 1, serial: 1, ...header },
              { minBytes: 0, decode: () => undefined, encode: (w) => w.opaque(bytes, bytes.length) },
              undefined,
            ),
          );
          hostile.receive(bytes);
          await turn();
          for (const { header: answer } of answers) expect([1, 2]).toContain(answer.type);
          hostile.end({} as VirtstatError);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('says goodbye behind its last answer', async () => {
    const { server, sent, events } = start();
    server.receive(
      Buffer.concat([OPEN, call(CONNECT_CLOSE, undefined, { serial: 1 }), call(CONNECT_GET_TYPE, undefined)]),
    );
    await turn();
    expect(sent.map(({ header }) => header.procedure)).toEqual([1, 2]);
    expect(events.filter((event) => event === 'goodbye')).toHaveLength(1);
  });

  it('tells of procedures that nobody serves', async () => {
    const { server, events } = start();
    server.receive(call(AUTH_LIST, undefined, { procedure: 167 }));
    await turn();
    expect(events).toContain('unknown 167');
  });
});

describe('keepalive', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
  afterEach(() => void vi.useRealTimers());

  const asked = async () => {
    const started = start();
    started.server.receive(call(CONNECT_SUPPORTS_FEATURE, 10));
    await turn();
    const pings = (): number => started.sent.filter(({ header }) => header.program === 0x6b65_6570).length;
    return { ...started, pings };
  };

  it('pings after five idle seconds whoever asked for it, and ends after thirty without a word', async () => {
    const { server, closed, pings } = await asked();
    vi.advanceTimersByTime(4999);
    expect(pings()).toBe(0);
    vi.advanceTimersByTime(1);
    expect(pings()).toBe(1);
    server.receive(encodeKeepalive(KEEPALIVE.pong));
    vi.advanceTimersByTime(29_999);
    expect([pings(), closed.length]).toEqual([6, 0]);
    vi.advanceTimersByTime(1);
    expect(closed).toMatchObject([{ code: 'TIMEOUT' }]);
    vi.advanceTimersByTime(60_000);
    expect([pings(), closed.length]).toEqual([6, 1]);
  });

  it('leaves others alone', async () => {
    const { server, sent, closed } = start();
    server.receive(OPEN);
    await turn();
    vi.advanceTimersByTime(120_000);
    expect([sent.length, closed.length]).toEqual([1, 0]);
  });

  it('takes silence for nothing while it does not read', async () => {
    const { server, closed, pings } = await asked();
    server.receive(OPEN);
    await turn();
    server.receive(Buffer.concat(Array.from({ length: 5 }, () => call(CONNECT_GET_HOSTNAME, undefined))));
    vi.advanceTimersByTime(300_000);
    expect([pings(), closed.length]).toEqual([0, 0]);
  });
});
