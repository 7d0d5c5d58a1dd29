import { createHmac, pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import { LibvirtError, REMOTE_ERROR, remoteError } from './error.ts';
import { encodeKeepalive, KEEPALIVE } from './keepalive.ts';
import { decodePayload, encodeMessage, type Message, type MessageHeader, MessageReader } from './message.ts';
import { openDriver } from './opening.ts';
import type { Procedure } from './procedure.ts';
import * as procedures from './procedures.ts';
import { LibvirtSession, type LibvirtSessionOptions, MAX_QUEUED_CALLS } from './session.ts';
import { chars, NOTHING, type XdrCodec } from './xdr-codec.ts';

const HOSTNAME = procedures.CONNECT_GET_HOSTNAME;
const FIXTURES = new URL('../../../test/fixtures/libvirt/', import.meta.url);
const LOST = new VirtstatError('CONNECTION_LOST', 'gone');

/** A session with the messages that it sent and why it closed. */
function start(options: Partial<LibvirtSessionOptions> = {}) {
  const sent: Message[] = [];
  const closed: VirtstatError[] = [];
  const reader = new MessageReader();
  const session = new LibvirtSession({
    send: (bytes) => {
      reader.push(bytes);
      for (let message = reader.next(); message !== undefined; message = reader.next()) sent.push(message);
    },
    close: (reason) => closed.push(reason),
    ...options,
  });
  const say = <T>(header: Partial<MessageHeader>, codec: XdrCodec<T>, value: T): void => {
    const base = { program: 0x2000_8086, version: 1, procedure: 59, type: 1, serial: 0, status: 0 };
    session.receive(encodeMessage({ ...base, ...header }, codec, value));
  };
  const reply = (serial: number, text: string): void => say({ serial }, HOSTNAME.result, text);
  return { session, sent, closed, say, reply };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('LibvirtSession', () => {
  it('matches replies to calls by serial, in any order', async () => {
    const { session, sent, reply } = start();
    const answers = [1, 2, 3].map(() => session.call(HOSTNAME, undefined));
    expect(sent.map(({ header }) => header)).toEqual(
      [0, 1, 2].map((serial) => ({ program: 0x2000_8086, version: 1, procedure: 59, type: 0, serial, status: 0 })),
    );
    reply(2, 'third');
    reply(0, 'first');
    reply(1, 'second');
    expect(await Promise.all(answers)).toEqual(['first', 'second', 'third']);
    expect(session.pendingCount).toBe(0);
  });

  it('tells in one line what libvirt says in several, and not all of it', async () => {
    const { session, say } = start();
    const answer = session.call(HOSTNAME, undefined);
    const said = `one\r\ntwo\u001b[31m\0${'x'.repeat(9999)}`;
    say({ status: 1 }, REMOTE_ERROR, remoteError(1, 10, said));
    const error = await answer.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ errorMessage: said, message: expect.stringMatching(/: one two \[31m x{400,500}… /) });
  });

  it('rejects with what libvirt says, to the number', async () => {
    const { session, say } = start();
    const answer = session.call(HOSTNAME, undefined);
    say({ status: 1 }, REMOTE_ERROR, remoteError(42, 10, "Domain not found:\nno domain 'x'"));
    await expect(answer).rejects.toMatchObject({
      code: 'LIBVIRT_CALL_FAILED',
      errorCode: 42,
      errorDomain: 10,
      errorLevel: 2,
      errorMessage: "Domain not found:\nno domain 'x'",
      message: "libvirt refused CONNECT_GET_HOSTNAME: Domain not found: no domain 'x' (code 42, domain 10)",
    });
    await expect(answer).rejects.toBeInstanceOf(LibvirtError);
  });

  it('sends at most five calls at once, and the next when one is answered', async () => {
    const { session, sent, reply } = start();
    const answers = Array.from({ length: 7 }, () => session.call(HOSTNAME, undefined));
    expect(sent).toHaveLength(5);
    reply(4, 'e');
    expect(sent).toHaveLength(6);
    for (const serial of [0, 1, 2, 3, 5, 6]) reply(serial, `${serial}`);
    expect(await Promise.all(answers)).toEqual(['0', '1', '2', '3', 'e', '5', '6']);
    expect(session.inFlightCount).toBe(0);
  });

  it('lets a bounded number wait for their turn', async () => {
    const { session, sent } = start({ maxInFlight: 1 });
    const waiting = Array.from({ length: MAX_QUEUED_CALLS + 1 }, () => session.call(HOSTNAME, undefined));
    await expect(session.call(HOSTNAME, undefined)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    expect(sent).toHaveLength(1);
    session.end(LOST);
    for (const each of await Promise.allSettled(waiting)) expect(each).toMatchObject({ reason: LOST });
  });

  it('keeps the place of a call that was given up until it is answered, and drops one that was not sent', async () => {
    const { session, sent, closed, reply } = start({ maxInFlight: 1 });
    const caller = new AbortController();
    const first = session.call(HOSTNAME, undefined, { signal: caller.signal });
    const second = session.call(HOSTNAME, undefined, { signal: caller.signal });
    const third = session.call(HOSTNAME, undefined);
    caller.abort();
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    expect([sent.length, session.inFlightCount, session.pendingCount]).toEqual([1, 1, 1]);
    reply(0, 'late');
    expect(sent.map(({ header }) => header.serial)).toEqual([0, 2]);
    reply(2, 'right');
    expect(await third).toBe('right');
    expect(closed).toEqual([]);
    await expect(session.call(HOSTNAME, undefined, { signal: caller.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  it('answers pings, and hears pongs and events without a word', async () => {
    const { session, sent, closed, say, reply } = start();
    session.receive(encodeKeepalive(KEEPALIVE.ping));
    expect(sent.map(({ header }) => [header.program, header.procedure, header.type])).toEqual([[0x6b65_6570, 2, 2]]);
    session.receive(encodeKeepalive(KEEPALIVE.pong));
    say({ type: 2, procedure: 362, serial: 9 }, chars(3), Uint8Array.of(1));
    say({ type: 2, program: 0x2000_8087 }, NOTHING, undefined);
    const answer = session.call(HOSTNAME, undefined);
    reply(0, 'here');
    expect(await answer).toBe('here');
    expect(closed).toEqual([]);
  });

  it('pings, and knows when the server is gone', async () => {
    const { session, sent } = start();
    const answers = [session.ping(), session.ping()];
    expect(sent.map(({ header }) => header.procedure)).toEqual([1, 1]);
    session.receive(encodeKeepalive(KEEPALIVE.pong));
    await answers[0];
    session.end(LOST);
    await expect(answers[1]).rejects.toBe(LOST);
    await expect(session.ping()).rejects.toBe(LOST);
  });

  it.each<[string, Partial<MessageHeader>]>([
    ['a serial that nobody called with', { serial: 1 }],
    ['another procedure', { procedure: 3 }],
    ['another program', { program: 0x2000_8087 }],
    ['another version', { version: 2 }],
    ['a call', { type: 0 }],
    ['a stream', { type: 3 }],
    ['descriptors', { type: 5 }],
    ['a type that does not exist', { type: 2 ** 32 - 1 }],
    ['the status of a stream', { status: 2 }],
    ['a status that does not exist', { status: 3 }],
    ['a keepalive that is a call', { program: 0x6b65_6570, procedure: 1, type: 0 }],
    ['a keepalive that is neither ping nor pong', { program: 0x6b65_6570, procedure: 3, type: 2 }],
  ])('ends where a reply has %s', async (_, wrong) => {
    const { session, closed, say } = start();
    const answer = session.call(HOSTNAME, undefined);
    say(wrong, HOSTNAME.result, 'x');
    await expect(answer).rejects.toMatchObject({ code: 'LIBVIRT_MESSAGE_INVALID' });
    expect(closed).toMatchObject([{ code: 'LIBVIRT_MESSAGE_INVALID' }]);
    await expect(session.call(HOSTNAME, undefined)).rejects.toMatchObject({ code: 'LIBVIRT_MESSAGE_INVALID' });
  });

  it('ends where the same reply comes twice', async () => {
    const { session, closed, reply } = start();
    const answer = session.call(HOSTNAME, undefined);
    reply(0, 'once');
    reply(0, 'twice');
    expect(await answer).toBe('once');
    expect(closed).toMatchObject([{ code: 'LIBVIRT_MESSAGE_INVALID' }]);
  });

  it('fails one call whose result is wrong, and goes on', async () => {
    const { session, closed, say, reply } = start();
    const answers = [session.call(HOSTNAME, undefined), session.call(HOSTNAME, undefined)];
    say({}, chars(9), Uint8Array.of(1, 2));
    reply(1, 'right');
    await expect(answers[0]).rejects.toMatchObject({ code: 'LIBVIRT_MESSAGE_INVALID' });
    expect(await answers[1]).toBe('right');
    expect(closed).toEqual([]);
  });

  it('fails what waits where the server goes away in the middle of a reply', async () => {
    const { session, closed } = start();
    const answer = session.call(HOSTNAME, undefined);
    session.receive(Uint8Array.of(0, 0, 0, 64, 0x20));
    session.end(LOST);
    await expect(answer).rejects.toBe(LOST);
    expect(closed).toEqual([]);
    session.receive(new Uint8Array(64));
  });

  it('does not send arguments that have no form', async () => {
    const { session, sent } = start();
    await expect(session.call(procedures.DOMAIN_LOOKUP_BY_ID, 2 ** 31)).rejects.toMatchObject({ code: 'USAGE' });
    expect(sent).toEqual([]);
    expect(session.inFlightCount).toBe(0);
  });

  it('never throws, whatever bytes come', () => {
    const word = fc.constantFrom(0, 1, 2, 3, 28, 32, 36, 59, 255);
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), (words) => {
        const { session } = start();
        session.call(HOSTNAME, undefined).catch(() => undefined);
        const bytes = new Uint8Array(words.length * 4);
        words.forEach((value, index) => void new DataView(bytes.buffer).setUint32(index * 4, value));
        session.receive(bytes);
      }),
    );
  });

  it('asks and hears what the real virsh and libvirtd said to each other', async () => {
    const capture = (name: string): Uint8Array => Uint8Array.from(readFileSync(new URL(name, FIXTURES)));
    const asked = capture('rpc-domstats_state_vm_beta.c2s.bin');
    const sent: Uint8Array[] = [];
    const { session } = start({ maxInFlight: 99, send: (bytes) => sent.push(bytes) });
    const reader = new MessageReader();
    reader.push(asked);
    const answers: Promise<unknown>[] = [];
    for (let message = reader.next(); message !== undefined; message = reader.next()) {
      const procedure = procedureOf(message);
      answers.push(session.call(procedure, decodePayload(message.payload, procedure.args)));
    }
    expect(Buffer.concat(sent)).toEqual(Buffer.from(asked));
    session.receive(capture('rpc-domstats_state_vm_beta.s2c.bin'));
    const all = await Promise.all(answers);
    expect(all[6]).toEqual({ name: 'beta', uuid: '22222222-2222-4222-8222-222222222222', id: 5 });
    expect(all[7]).toMatchObject([{ domain: { name: 'beta' }, params: { length: 17 } }]);
  });
});

function procedureOf({ header }: Message): Procedure<unknown, unknown> {
  const known = Object.values(procedures).filter((each) => typeof each === 'object' && 'args' in each);
  return known.find(({ number }) => number === header.procedure) as Procedure<unknown, unknown>;
}

/** A server that answers each call as `answers` say, by procedure; what it was called with is kept. */
function startServed(answers: Readonly<Record<number, (args: unknown) => unknown>>) {
  const calls: (readonly [name: string, args: unknown])[] = [];
  const reader = new MessageReader();
  const session = new LibvirtSession({
    close: () => undefined,
    send: (bytes) => {
      reader.push(bytes);
      const message = reader.next() as Message;
      const { header, payload } = message;
      const procedure = procedureOf(message);
      const args = decodePayload(payload, procedure.args);
      calls.push([procedure.name, args]);
      const answer = answers[header.procedure];
      const reply =
        answer === undefined
          ? encodeMessage({ ...header, type: 1, status: 1 }, REMOTE_ERROR, remoteError(45, 7, 'authentication failed'))
          : encodeMessage({ ...header, type: 1 }, procedure.result, answer(args));
      queueMicrotask(() => session.receive(reply));
    },
  });
  return { session, calls };
}

describe('openDriver', () => {
  const name = 'qemu:///system';
  const credentials = { username: 'user', password: 'pencil' };
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const openAs = (wanted: readonly number[]) => ({ 66: () => wanted, 1: () => undefined });

  it('opens for reading where the server wants nothing', async () => {
    const { session, calls } = startServed(openAs([0]));
    await openDriver(session, { name, isProtected: true });
    expect(calls).toEqual([
      ['AUTH_LIST', undefined],
      ['CONNECT_OPEN', { name, flags: 1 }],
    ]);
  });

  it('lets the server ask polkit', async () => {
    const { session, calls } = startServed({ ...openAs([2]), 70: () => 1 });
    await openDriver(session, { name, isProtected: true });
    expect(calls.map(([each]) => each)).toEqual(['AUTH_LIST', 'AUTH_POLKIT', 'CONNECT_OPEN']);
    const refused = startServed(openAs([2]));
    await expect(openDriver(refused.session, { name, isProtected: true })).rejects.toMatchObject({
      code: 'LIBVIRT_AUTH_FAILED',
      cause: { errorCode: 45 },
    });
  });

  it('sends a password by PLAIN where there is nothing better', async () => {
    const answer = { complete: 1, nil: true, data: new Uint8Array(0) };
    const { session, calls } = startServed({ ...openAs([1]), 67: () => 'GSSAPI,PLAIN', 68: () => answer });
    await openDriver(session, { name, isProtected: true, credentials });
    expect(calls[2]).toEqual(['AUTH_SASL_START', { mechanism: 'PLAIN', nil: false, data: bytes('\0user\0pencil') }]);
  });

  it.each([
    ['with its last step', 1],
    ['one step later', 0],
  ])('proves by SCRAM-SHA-256 that it knows the password, to a server that is satisfied %s', async (_, complete) => {
    const { session, calls } = startServed(scramServer(openAs([1]), complete));
    await openDriver(session, { name, isProtected: true, credentials });
    const steps = calls.map(([each]) => each);
    const last = complete === 1 ? [] : ['AUTH_SASL_STEP'];
    expect(steps).toEqual([
      'AUTH_LIST',
      'AUTH_SASL_INIT',
      'AUTH_SASL_START',
      'AUTH_SASL_STEP',
      ...last,
      'CONNECT_OPEN',
    ]);
  });

  it.each<[string, Parameters<typeof startServed>[0], boolean, boolean]>([
    ['a way that is not known', openAs([3]), true, true],
    ['nothing that can be had', openAs([]), true, true],
    ['SASL over plain TCP', openAs([1]), false, true],
    ['SASL of somebody without a password', openAs([1]), true, false],
    ['mechanisms that are not known', { ...openAs([1]), 67: () => 'DIGEST-MD5,GSSAPI' }, true, true],
    [
      'no proof of its own',
      { ...openAs([1]), 67: () => 'SCRAM-SHA-256', 68: () => ({ complete: 1, nil: true, data: new Uint8Array(0) }) },
      true,
      true,
    ],
    [
      'steps without end',
      {
        ...openAs([1]),
        67: () => 'PLAIN',
        68: () => ({ complete: 0, nil: true, data: new Uint8Array(0) }),
        69: () => ({ complete: 0, nil: true, data: new Uint8Array(0) }),
      },
      true,
      true,
    ],
    [
      'more than PLAIN has',
      { ...openAs([1]), 67: () => 'PLAIN', 68: () => ({ complete: 0, nil: false, data: bytes('more') }) },
      true,
      true,
    ],
  ])('refuses a server that wants %s', async (_, answers, isProtected, hasCredentials) => {
    const { session, calls } = startServed(answers);
    const opening = openDriver(session, { name, isProtected, ...(hasCredentials && { credentials }) });
    await expect(opening).rejects.toMatchObject({ code: 'LIBVIRT_AUTH_FAILED' });
    expect(calls.map(([each]) => each)).not.toContain('CONNECT_OPEN');
  });

  it('ends with its caller', async () => {
    const { session } = start();
    const caller = new AbortController();
    const opening = openDriver(session, { name, isProtected: true, signal: caller.signal });
    await turn();
    caller.abort();
    await expect(opening).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

/** A server that knows the password `pencil`; `complete` is what it says together with its own proof. */
function scramServer(open: Parameters<typeof startServed>[0], complete: number): Parameters<typeof startServed>[0] {
  const text = (data: unknown): string => new TextDecoder().decode(data as Uint8Array);
  const bytes = (data: string): Uint8Array => new TextEncoder().encode(data);
  const salt = Buffer.from('salt');
  let exchange = '';
  let proves = true;
  return {
    ...open,
    67: () => 'PLAIN,SCRAM-SHA-256',
    68: (args) => {
      const first = text((args as procedures.SaslStart).data).slice(3);
      const serverFirst = `${/r=.*/.exec(first)?.[0]}more,s=${salt.toString('base64')},i=4096`;
      exchange = `${first},${serverFirst}`;
      return { complete: 0, nil: false, data: bytes(serverFirst) };
    },
    69: (args) => {
      const final = text((args as procedures.SaslData).data);
      if (!proves) return { complete: final === '' ? 1 : 0, nil: true, data: new Uint8Array(0) };
      proves = false;
      const salted = pbkdf2Sync('pencil', salt, 4096, 32, 'sha256');
      const hmac = (key: Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest();
      const signature = hmac(hmac(salted, 'Server Key'), `${exchange},${final.replace(/,p=.*/, '')}`);
      return { complete, nil: false, data: bytes(`v=${signature.toString('base64')}`) };
    },
  };
}
