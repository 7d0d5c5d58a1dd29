import fc from 'fast-check';
import type { Reader } from '../../src/face/face.ts';
import { statsImplementation } from '../../src/face/varlink/stats.ts';
import type { Domain } from '../../src/model/domain.ts';
import type { ErrorCode } from '../../src/model/errors.ts';
import type { Sample } from '../../src/model/sample.ts';
import type { Schema } from '../../src/model/stat.ts';
import type { JsonValue } from '../../src/protocol/json/json.ts';
import { MAX_MESSAGE_DEPTH, MessageReader } from '../../src/protocol/varlink/framing.ts';
import { defineInterface } from '../../src/protocol/varlink/interface.ts';
import { decodeCall, decodeReply, type VarlinkReply } from '../../src/protocol/varlink/messages.ts';
import { VarlinkServer } from '../../src/protocol/varlink/server.ts';
import { VarlinkService } from '../../src/protocol/varlink/service.ts';
import { attempt, codeOf, type FuzzTarget, must, mustEqual, outcomeOf, settle, waysToCut } from '../target.ts';
import { utf8 } from '../texts.ts';

/** Small, so that inputs reach it. */
const MAX_CALL_BYTES = 4096;

const READ_ERRORS: readonly ErrorCode[] = ['JSON_INVALID', 'NESTING_TOO_DEEP', 'FRAME_TOO_LARGE'];
const CALL_ERRORS: readonly ErrorCode[] = ['VARLINK_MESSAGE_INVALID'];

const SCHEMA: Schema = {
  provider: 'kvm',
  target: 'vm',
  stats: [{ name: 'x', type: 'cumulative', unit: 'bytes', base: 2, exponent: 10, size: 1 }],
};
const DOMAIN: Domain = { id: '1', name: 'web', source: 'kvm+file:/x' };
const SAMPLE: Sample = {
  domain: DOMAIN.id,
  provider: 'kvm',
  target: 'vm',
  via: 'kvm-file',
  collectedAtNs: 5n,
  stats: [{ name: 'x', value: 2n ** 64n - 1n }],
};
const answer = <T>(items: readonly T[]) => [{ domain: DOMAIN, items, errors: [] }];

/** One domain with one statistic. */
const READER: Reader = {
  domains: async () => [DOMAIN],
  list: async () => answer([]),
  schemas: async () => answer([SCHEMA]),
  query: async () => answer([SAMPLE]),
  readsAllOf: () => true,
};

/** An interface with a parameter of every type, whose methods give back what they were given. */
const EVERY_TYPE = defineInterface(`interface org.example
type Inner (a: int, b: ?Inner)
method Echo(
  flag: ?bool, int: ?int, float: ?float, string: ?string, word: ?(one, two), list: ?[][]int, dict: ?[string]Inner,
  inner: ?Inner, object: ?object, any: ?any
) -> (got: object)
method Count(times: int) -> (left: int)
method Missing() -> ()
`);

// The method that watches waits on a clock, so that what comes of it does not depend on the input alone.
const { stream: _watch, ...stats } = statsImplementation(
  () => READER,
  () => undefined,
);

const SERVICE = new VarlinkService({ vendor: 'v', product: 'p', version: '1', url: 'https://example.org' }, [
  stats,
  {
    definition: EVERY_TYPE,
    single: { Echo: async ({ parameters }) => ({ got: parameters }) },
    stream: {
      Count: async function* ({ parameters }) {
        const times = Math.min(5, Number(parameters['times']));
        for (let left = times; left > 0; left--) yield { left };
        return { left: 0 };
      },
    },
  },
]);

const ERRORS = [
  ...['InterfaceNotFound', 'MethodNotFound', 'MethodNotImplemented', 'InvalidParameter', 'ExpectedMore'].map(
    (name) => `org.varlink.service.${name}`,
  ),
  'org.virtstat.Stats.DomainNotFound',
];

interface Read {
  readonly messages: readonly JsonValue[];
  readonly code: ErrorCode | undefined;
}

function readAll(chunks: readonly Uint8Array[]): Read {
  const reader = new MessageReader({ maxMessageBytes: MAX_CALL_BYTES });
  const messages: JsonValue[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (;;) {
      const outcome = attempt(() => reader.next(), READ_ERRORS);
      if ('code' in outcome) return { messages, code: outcome.code };
      if (outcome.value === undefined) break;
      messages.push(outcome.value);
    }
    must(reader.heldBytes <= MAX_CALL_BYTES, () => `a reader holds ${reader.heldBytes} bytes`);
  }
  return { messages, code: undefined };
}

/** How many last replies the messages are due, up to the first that is no call. */
function dueReplies({ messages }: Read): number {
  let due = 0;
  for (const message of messages) {
    const call = attempt(() => decodeCall(message), CALL_ERRORS);
    if ('code' in call) break;
    if (!call.value.isOneway) due++;
  }
  return due;
}

interface Conversation {
  readonly replies: readonly VarlinkReply[];
  readonly closed: readonly ErrorCode[];
}

async function converse(chunks: readonly Uint8Array[]): Promise<Conversation> {
  const sent: Uint8Array[] = [];
  const closed: ErrorCode[] = [];
  const server = new VarlinkServer({
    service: SERVICE,
    send: (bytes) => sent.push(bytes),
    drained: async () => undefined,
    close: (reason) => closed.push(codeOf(reason, [...READ_ERRORS, ...CALL_ERRORS])),
    maxCallBytes: MAX_CALL_BYTES,
  });
  for (const chunk of chunks) server.receive(chunk);
  must(await settle(() => !server.isAnswering), 'a session never ends its work');
  const reader = new MessageReader();
  reader.push(new Uint8Array(Buffer.concat(sent)));
  const replies: VarlinkReply[] = [];
  for (let message = reader.next(); message !== undefined; message = reader.next()) replies.push(decodeReply(message));
  must(reader.heldBytes === 0, 'a reply has no end');
  return { replies, closed };
}

async function check(input: Uint8Array): Promise<string> {
  const [read, ...others] = waysToCut(input).map(readAll) as [Read, ...Read[]];
  for (const other of others) mustEqual(other, read, 'what is read depends on the cuts');
  const [whole, ...rest] = (await Promise.all(waysToCut(input).map(converse))) as [Conversation, ...Conversation[]];
  for (const other of rest) mustEqual(other, whole, 'the replies depend on the cuts');
  for (const { error } of whole.replies) must(error === undefined || ERRORS.includes(error), () => `answers ${error}`);
  const last = whole.replies.filter(({ continues }) => !continues);
  must(last.length === dueReplies(read), `${last.length} calls were answered of ${dueReplies(read)}`);
  must(read.code === undefined || whole.closed.length === 1, 'a broken stream stays open');
  const words = whole.replies.map(({ error, continues, parameters }) => {
    return error === undefined
      ? `${Object.keys(parameters).join()}${continues}`
      : error + Object.values(parameters).join();
  });
  return `${whole.closed.join()} ${read.code} ${outcomeOf(words.map((word) => word.slice(0, 80)))}`;
}

const method = fc.constantFrom(
  ...['org.varlink.service.GetInfo', 'org.varlink.service.GetInterfaceDescription', 'org.virtstat.Stats.ListDomains'],
  ...['org.virtstat.Stats.GetSchemas', 'org.virtstat.Stats.GetStats', 'org.virtstat.Stats.Watch', 'org.example.Echo'],
  ...['org.example.Echo', 'org.example.Count', 'org.example.Missing', 'org.example.constructor', 'nodots', '.', 'a.b.'],
);
const name = fc.constantFrom(
  ...[
    'interface',
    'domains',
    'target',
    'providers',
    'paths',
    'maxAgeMs',
    'brief',
    'flag',
    'int',
    'float',
    'string',
    'word',
  ],
  ...['list', 'dict', 'inner', 'object', 'any', 'times', '__proto__'],
);
const value = fc.oneof(
  fc.json({ maxDepth: 2 }),
  fc.constantFrom(
    '1',
    'true',
    '"one"',
    '[[1]]',
    '{"a":{"a":1}}',
    '{"a":1,"b":{"a":2,"b":null}}',
    '["web"]',
    '"vm"',
    'null',
  ),
  fc.constantFrom(
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775808',
    '"org.example"',
    '[{"provider":"kvm"}]',
  ),
);
const parameters = fc
  .array(fc.tuple(name, value), { maxLength: 3 })
  .map((members) => `{${members.map(([key, each]) => `"${key}":${each}`).join(',')}}`);
const flags = fc.subarray(['"oneway":true', '"more":true', '"upgrade":true', '"extra":1', '"more":null'], {
  maxLength: 2,
});
const call = fc
  .tuple(method, fc.option(parameters), flags)
  .map(([full, given, more]) => [`"method":"${full}"`, ...(given === null ? [] : [`"parameters":${given}`]), ...more])
  .map((members) => `{${members.join(',')}}\0`);

/** virtstatd's side of varlink: messages, calls, their types against every kind of parameter, and the statistics' interface. */
export const varlinkServer: FuzzTarget = {
  name: 'varlink-server',
  words: [
    ...['\0', '{', '}', '[', ']', ',', ':', '"', '\\', '{"a":', '[[[[', ']]]]', 'true', 'null', '\xff', '{}\0'],
    ...[
      '"method":',
      '"parameters":',
      '"oneway":true',
      '"more":true',
      '"upgrade":true',
      '{"method":"org.varlink.service.GetInfo"}\0',
    ],
    ...[
      '['.repeat(MAX_MESSAGE_DEPTH),
      ']'.repeat(MAX_MESSAGE_DEPTH),
      'org.example.',
      'org.virtstat.Stats.',
      '18446744073709551615',
    ],
  ],
  inputs: fc
    .array(fc.oneof({ weight: 12, arbitrary: call }, { weight: 1, arbitrary: fc.json().map((text) => `${text}\0`) }), {
      minLength: 1,
      maxLength: 5,
    })
    .map((calls) => utf8(calls.join(''))),
  check,
};
