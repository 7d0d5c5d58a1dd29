import fc from 'fast-check';
import type { Reader } from '../../src/face/face.ts';
import { CallerView } from '../../src/face/libvirt/caller-view.ts';
import { Identities } from '../../src/face/libvirt/identities.ts';
import { libvirtService } from '../../src/face/libvirt/service.ts';
import { Statistics } from '../../src/face/libvirt/statistics.ts';
import type { NodeFacts } from '../../src/host/node-info.ts';
import type { Domain } from '../../src/model/domain.ts';
import { type ErrorCode, VirtstatError } from '../../src/model/errors.ts';
import type { Sample } from '../../src/model/sample.ts';
import { REMOTE_ERROR } from '../../src/protocol/libvirt/error.ts';
import { KEEPALIVE } from '../../src/protocol/libvirt/keepalive.ts';
import {
  decodePayload,
  MESSAGE_STATUS,
  MESSAGE_TYPE,
  type Message,
  MessageReader,
  PROGRAM,
} from '../../src/protocol/libvirt/message.ts';
import type { Procedure } from '../../src/protocol/libvirt/procedure.ts';
import * as procedures from '../../src/protocol/libvirt/procedures.ts';
import { LibvirtServer } from '../../src/protocol/libvirt/server.ts';
import { XdrWriter } from '../../src/protocol/libvirt/xdr-writer.ts';
import { domain, message, type ReadMessages, readMessages, u32, XDR_WORDS } from '../libvirt-messages.ts';
import { bytesOf, codeOf, type FuzzTarget, latin1, must, mustEqual, outcomeOf, settle, waysToCut } from '../target.ts';

/** Small, so that inputs reach it. */
const MAX_CALL_BYTES = 4096;

const ERRORS: readonly ErrorCode[] = ['LIBVIRT_MESSAGE_INVALID', 'FRAME_TOO_LARGE'];

const DOMAIN: Domain = { id: '1', name: 'web', uuid: '11111111-1111-4111-8111-111111111111', source: 'test:' };
const SAMPLE: Omit<Sample, 'provider' | 'target'> = {
  domain: DOMAIN.id,
  path: '/machine/x',
  device: 'tap0',
  via: 'qmp',
  collectedAtNs: 5n,
  stats: [
    { name: 'state', value: 1n },
    { name: 'rd_bytes', value: 2n ** 64n - 1n },
    // Longer than libvirt's clients take: they would refuse the whole reply.
    { name: 'n'.repeat(80), value: 7n },
  ],
};

/** One domain, of which every provider says the same. */
const READER: Reader = {
  domains: async () => [DOMAIN],
  list: async () => [{ domain: DOMAIN, items: [], errors: [] }],
  schemas: async () => [],
  query: async ({ target, providers = [{ provider: 'own' }] }) => {
    const items = providers.map(({ provider }) => ({ ...SAMPLE, provider, target }));
    return [{ domain: DOMAIN, items, errors: [] }];
  },
  readsAllOf: () => true,
};

const NODE: NodeFacts = {
  ...{ hostname: 'host', machine: 'x86_64', memoryBytes: 2n ** 34n, cpus: 4, mhz: 1000 },
  ...{ nodes: 1, sockets: 1, cores: 4, threads: 1 },
};
const OWN = [
  ...[procedures.AUTH_LIST, procedures.CONNECT_OPEN, procedures.CONNECT_CLOSE, procedures.CONNECT_SUPPORTS_FEATURE],
] as unknown as readonly Procedure<never, unknown>[];

function newService() {
  const statistics = new Statistics({ monitorOf: async () => undefined });
  return libvirtService(new CallerView(READER, new Identities(), statistics), () => NODE);
}

const PROCEDURES: ReadonlyMap<number, Procedure<never, unknown>> = new Map(
  [...OWN, ...[...newService().procedures.values()].map(({ procedure }) => procedure)].map((each) => [
    each.number,
    each,
  ]),
);

/** How many messages the server owes, up to the goodbye. */
function dueReplies({ messages }: ReadMessages): number {
  let due = 0;
  for (const each of messages) {
    const { program, version, type, procedure, status } = each.header;
    const isKeepalive = program === PROGRAM.keepalive && version === 1;
    if (isKeepalive) due += procedure === KEEPALIVE.ping ? 1 : 0;
    else if (type === MESSAGE_TYPE.call || type === MESSAGE_TYPE.callWithFds || type > MESSAGE_TYPE.streamHole) due++;
    const isCall = program === PROGRAM.remote && version === 1 && type === MESSAGE_TYPE.call && status === 0;
    if (isCall && procedure === procedures.CONNECT_CLOSE.number && each.payload.length === 0) break;
  }
  return due;
}

interface Conversation {
  /** In no order: calls run at once. */
  readonly replies: readonly string[];
  readonly messages: readonly Message[];
  readonly closed: readonly ErrorCode[];
}

async function converse(chunks: readonly Uint8Array[]): Promise<Conversation> {
  const sent: Uint8Array[] = [];
  const closed: ErrorCode[] = [];
  const server = new LibvirtServer({
    service: newService(),
    send: (bytes) => sent.push(bytes),
    drained: async () => undefined,
    onFull: () => undefined,
    onHungry: () => undefined,
    onGoodbye: () => undefined,
    close: (reason) => closed.push(codeOf(reason, ERRORS)),
    maxCallBytes: MAX_CALL_BYTES,
  });
  for (const chunk of chunks) server.receive(chunk);
  must(await settle(() => !server.isAnswering), 'a session never ends its work');
  // What pings a client runs on a clock.
  server.end(new VirtstatError('CLOSED', 'the input ended'));
  const reader = new MessageReader();
  reader.push(new Uint8Array(Buffer.concat(sent)));
  const messages: Message[] = [];
  for (let next = reader.next(); next !== undefined; next = reader.next()) messages.push(next);
  must(reader.heldBytes === 0, 'a reply has no end');
  return { replies: sent.map(latin1).sort(), messages, closed };
}

/** A reply has the form of what was called, or of an error; no name is longer than clients take. */
function checkReply({ header, payload }: Message): string {
  if (header.program === PROGRAM.keepalive) return 'pong';
  must(header.type === MESSAGE_TYPE.reply, () => `a message of type ${header.type} is sent`);
  if (header.status === MESSAGE_STATUS.error) {
    const { code, message: said } = decodePayload(payload, REMOTE_ERROR);
    must(said !== undefined, 'an error says nothing');
    return `${header.procedure > 400 ? '' : header.procedure}!${code}`;
  }
  const procedure = PROCEDURES.get(header.procedure);
  if (procedure === undefined) throw new Error(`answers ${header.procedure}`);
  // A name of 80 bytes is refused where it is read.
  decodePayload(payload, procedure.result);
  return String(header.procedure);
}

async function check(input: Uint8Array): Promise<string> {
  const [read, ...others] = waysToCut(input).map((chunks) => readMessages(chunks, MAX_CALL_BYTES)) as [
    ReadMessages,
    ...ReadMessages[],
  ];
  for (const other of others) mustEqual(other, read, 'what is read depends on the cuts');
  const [whole, ...rest] = (await Promise.all(waysToCut(input).map(converse))) as [Conversation, ...Conversation[]];
  for (const other of rest) {
    mustEqual([other.replies, other.closed], [whole.replies, whole.closed], 'the replies depend on the cuts');
  }
  const words = whole.messages.map(checkReply);
  const due = dueReplies(read);
  // Whoever sends what is no message loses what was under way.
  if (whole.closed.length === 0) must(words.length === due, `${words.length} messages were answered of ${due}`);
  else must(words.length <= due && whole.closed.length === 1, `${words.length} replies, and ${due} are due`);
  return `${whole.closed.join()} ${outcomeOf(words)}`;
}

/** The arguments of a procedure, from a generic value of each of its fields. */
const anyArguments = fc
  .array(
    fc.oneof(
      fc.nat(2 ** 32 - 1).map(u32),
      fc.constantFrom(u32(0), u32(1), u32(2 ** 31), u32(2 ** 32 - 1)),
      domain.map((value) => {
        const writer = new XdrWriter();
        procedures.DOMAIN_GET_INFO.args.encode(writer, value);
        return latin1(writer.take());
      }),
      fc.constantFrom(`${u32(3)}web\0`, `${u32(14)}qemu:///system\0\0`, `${u32(4)}tap0`, '\x11\x11\x11\x11\x11\x11A'),
    ),
    { maxLength: 4 },
  )
  .map((pieces) => pieces.join(''));

const call = message(
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...PROCEDURES.keys()) },
    { weight: 1, arbitrary: fc.constantFrom(12, 33, 103, 201, 999, -1) },
  ),
  anyArguments,
  [MESSAGE_TYPE.call],
);
const rightCall = (procedure: number, ...words: readonly string[]): string => {
  const body = words.join('');
  return [28 + body.length, PROGRAM.remote, 1, procedure, MESSAGE_TYPE.call, 0, 0].map(u32).join('') + body;
};
const OPEN = rightCall(1, u32(1), u32(14), 'qemu:///system\0\0', u32(1));
const BULK = rightCall(344, u32(0), u32(0), u32(0));
const WEB = `${u32(3)}web\0${`\x11\x11\x11\x11\x11\x11A\x11\x81${'\x11'.repeat(7)}`}${u32(1)}`;

/** virtstatd's side of libvirt's RPC: messages, and the arguments of every procedure that is served. */
export const libvirtServer: FuzzTarget = {
  name: 'libvirt-server',
  words: [
    ...[...XDR_WORDS, OPEN, BULK, WEB, rightCall(344, u32(1), WEB, u32(2 ** 31), u32(0)), rightCall(2)],
    ...[rightCall(60, u32(10)), rightCall(64, WEB, u32(3), 'vda\0'), rightCall(20, WEB, u32(4), u32(1))],
  ],
  inputs: fc
    .tuple(
      fc.constantFrom('', OPEN, OPEN),
      fc.array(
        fc.oneof({ weight: 4, arbitrary: call }, { weight: 1, arbitrary: fc.constantFrom(BULK, OPEN, rightCall(2)) }),
        {
          maxLength: 7,
        },
      ),
    )
    .map(([begin, calls]) => bytesOf(begin + calls.join(''))),
  check,
};
