import fc from 'fast-check';
import type { ErrorCode } from '../../src/model/errors.ts';
import { REMOTE_ERROR } from '../../src/protocol/libvirt/error.ts';
import { MAX_MESSAGE_BYTES, MESSAGE_TYPE } from '../../src/protocol/libvirt/message.ts';
import type { Procedure } from '../../src/protocol/libvirt/procedure.ts';
import * as procedures from '../../src/protocol/libvirt/procedures.ts';
import { LibvirtSession } from '../../src/protocol/libvirt/session.ts';
import type { XdrCodec } from '../../src/protocol/libvirt/xdr-codec.ts';
import { XdrWriter } from '../../src/protocol/libvirt/xdr-writer.ts';
import { domain, error, message, readMessages, records, u32, XDR_WORDS } from '../libvirt-messages.ts';
import { bytesOf, codeOf, type FuzzTarget, latin1, must, mustEqual, outcomeOf, waysToCut } from '../target.ts';

const ERRORS: readonly ErrorCode[] = ['LIBVIRT_CALL_FAILED', 'LIBVIRT_MESSAGE_INVALID', 'FRAME_TOO_LARGE'];

/** What waits for an answer when the server begins to speak: serials 0 to 5, of which the last waits for its turn. */
const CALLS = [
  [procedures.AUTH_LIST, undefined],
  [procedures.CONNECT_GET_ALL_DOMAIN_STATS, { domains: [], stats: 0, flags: 0 }],
  [procedures.CONNECT_LIST_ALL_DOMAINS, { needResults: 1, flags: 0 }],
  [procedures.CONNECT_GET_HOSTNAME, undefined],
  [procedures.DOMAIN_LOOKUP_BY_ID, 1],
  [procedures.CONNECT_OPEN, { name: undefined, flags: 1 }],
] as unknown as readonly (readonly [procedure: Procedure<unknown, unknown>, args: unknown])[];

type Settled = { readonly value: unknown } | { readonly code: ErrorCode; readonly message: string } | 'open';

interface Heard {
  readonly sent: string;
  readonly inFlight: number;
  readonly closed: readonly ErrorCode[];
  readonly calls: readonly Settled[];
}

async function listen(chunks: readonly Uint8Array[]): Promise<Heard> {
  let sent = '';
  const closed: ErrorCode[] = [];
  const session = new LibvirtSession({
    send: (bytes) => {
      sent += latin1(bytes);
    },
    close: (reason) => closed.push(codeOf(reason, ERRORS)),
  });
  const calls: Settled[] = CALLS.map(() => 'open');
  for (const [index, [procedure, args]] of CALLS.entries()) {
    session.call(procedure, args).then(
      (value) => {
        calls[index] = { value };
      },
      (reason: unknown) => {
        calls[index] = { code: codeOf(reason, ERRORS), message: (reason as Error).message };
      },
    );
  }
  for (const chunk of chunks) session.receive(chunk);
  for (let turn = 0; turn < 5; turn++) await undefined;
  must(closed.length <= 1, 'a session ends twice');
  must(closed.length === 0 || calls.every((each) => each !== 'open'), 'a session that is over lets a call wait');
  return { sent, inFlight: session.inFlightCount, closed, calls };
}

async function check(input: Uint8Array): Promise<string> {
  const [read, ...others] = waysToCut(input).map((chunks) => readMessages(chunks, MAX_MESSAGE_BYTES));
  for (const other of others) mustEqual(other, read, 'what is read depends on the cuts');
  const [whole, ...rest] = (await Promise.all(waysToCut(input).map(listen))) as [Heard, ...Heard[]];
  for (const other of rest) mustEqual(other, whole, 'a conversation depends on the cuts');
  must(read?.code === undefined || whole.closed.length === 1, 'a broken stream stays open');
  const words = whole.calls.map((each) => (each === 'open' ? each : 'code' in each ? each.code : 'value'));
  return `${whole.closed.join()} ${words.join(' ')} ${outcomeOf([String(Math.min(whole.sent.length, 500))])}`;
}

function encoded<T>(codec: XdrCodec<T>, values: fc.Arbitrary<T>): fc.Arbitrary<string> {
  return values.map((value) => {
    const writer = new XdrWriter();
    codec.encode(writer, value);
    return latin1(writer.take());
  });
}

const payload = fc.oneof(
  encoded(REMOTE_ERROR, error),
  encoded(procedures.CONNECT_GET_ALL_DOMAIN_STATS.result, records),
  encoded(
    procedures.CONNECT_LIST_ALL_DOMAINS.result,
    fc.record({ domains: fc.array(domain, { maxLength: 2 }), count: fc.nat(9) }),
  ),
  fc.constantFrom('', `${u32(1)}${u32(0)}`, `${u32(4)}host`),
);

/** Replies to what was asked, mostly: the procedure of the serial, and its form. */
const rightReply = fc.constantFrom(...CALLS.entries()).chain(([serial, [{ number }]]) => {
  const results = [
    fc.constant(`${u32(1)}${u32(0)}`),
    encoded(procedures.CONNECT_GET_ALL_DOMAIN_STATS.result, records),
    encoded(
      procedures.CONNECT_LIST_ALL_DOMAINS.result,
      fc.record({ domains: fc.array(domain, { maxLength: 2 }), count: fc.nat(9) }),
    ),
    fc.constant(`${u32(4)}host`),
    encoded(procedures.DOMAIN_LOOKUP_BY_ID.result, domain),
    fc.constant(''),
  ];
  return fc
    .oneof(
      (results[serial] as fc.Arbitrary<string>).map((body) => ({ status: 0, body })),
      encoded(REMOTE_ERROR, error).map((body) => ({ status: 1, body })),
    )
    .map(({ status, body }) =>
      [28 + body.length, 0x2000_8086, 1, number, MESSAGE_TYPE.reply, serial, status].map(u32).join('').concat(body),
    );
});

const ping = [28, 0x6b65_6570, 1, 1, MESSAGE_TYPE.message, 0, 0].map(u32).join('');

/** The client's side of libvirt's RPC: what a daemon, or something that is none, may say to virtstat. */
export const libvirtClient: FuzzTarget = {
  name: 'libvirt-client',
  words: [...XDR_WORDS, ping, [28, 0x2000_8086, 1].map(u32).join('')],
  inputs: fc
    .array(
      fc.oneof(
        { weight: 3, arbitrary: rightReply },
        { weight: 1, arbitrary: message(fc.constantFrom(1, 22, 59, 66, 273, 344), payload, [MESSAGE_TYPE.reply]) },
        { weight: 1, arbitrary: fc.constant(ping) },
      ),
      { maxLength: 7 },
    )
    .map((messages) => bytesOf(messages.join(''))),
  check,
};
