import fc from 'fast-check';
import type { ErrorCode } from '../../src/model/errors.ts';
import { type JsonValue, parseJson, stringifyJson } from '../../src/protocol/json/json.ts';
import { JsonReader } from '../../src/protocol/qmp/json-reader.ts';
import { decodeVersion } from '../../src/protocol/qmp/messages.ts';
import { decodeCpus, decodeKvm, decodeName, decodeStatus, decodeUuid } from '../../src/protocol/qmp/queries.ts';
import { QmpSession } from '../../src/protocol/qmp/session.ts';
import { encodeSchemas, encodeStats } from '../../src/protocol/qmp/stats-encode.ts';
import { decodeSchemas, decodeStats } from '../../src/protocol/qmp/stats-reply.ts';
import { attempt, codeOf, type FuzzTarget, latin1, must, mustEqual, outcomeOf, waysToCut } from '../target.ts';
import { utf8 } from '../texts.ts';

/** Small, so that inputs reach them. */
const LIMITS = { maxFrameBytes: 4096, maxDepth: 32 };

const READ_ERRORS: readonly ErrorCode[] = ['FRAME_TOO_LARGE', 'NESTING_TOO_DEEP', 'JSON_INVALID'];
const ERRORS: readonly ErrorCode[] = [
  ...READ_ERRORS,
  'MONITOR_NOT_QMP',
  'QMP_REPLY_INVALID',
  'QMP_COMMAND_FAILED',
  'CLOSED',
];

/** What became of one thing that was waited for. */
type Settled = { readonly value: unknown } | { readonly code: ErrorCode; readonly message: string } | 'open';

interface Watched {
  settled: Settled;
}

function watch(promise: Promise<unknown>): Watched {
  const watched: Watched = { settled: 'open' };
  promise.then(
    (value) => {
      watched.settled = { value };
    },
    (error: unknown) => {
      watched.settled = { code: codeOf(error, ERRORS), message: (error as Error).message };
    },
  );
  return watched;
}

/** A conversation as the client sees it: three requests wait when the peer begins to speak. */
async function listen(chunks: readonly Uint8Array[]): Promise<object> {
  let sent = '';
  const events: unknown[] = [];
  const session = new QmpSession({
    ...LIMITS,
    oob: true,
    send: (bytes) => {
      sent += latin1(bytes);
    },
    onEvent: (event) => events.push(event),
  });
  const requests = ['query-status', 'query-stats', 'query-name'].map((command) => watch(session.execute(command)));
  const greeting = watch(session.greeting);
  for (const chunk of chunks) {
    session.receive(chunk);
    const isOver = session.state === 'ended';
    must(isOver || session.heldBytes <= LIMITS.maxFrameBytes, () => `a session holds ${session.heldBytes} bytes`);
  }
  for (let turn = 0; turn < 5; turn++) await undefined;
  const { state, pendingCount } = session;
  return {
    sent,
    events,
    state,
    pendingCount,
    greeting: greeting.settled,
    requests: requests.map((each) => each.settled),
  };
}

function readAll(chunks: readonly Uint8Array[]): readonly (JsonValue | { readonly code: ErrorCode })[] {
  const reader = new JsonReader(LIMITS);
  const found: (JsonValue | { readonly code: ErrorCode })[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (;;) {
      const outcome = attempt(() => reader.next(), READ_ERRORS);
      if ('value' in outcome && outcome.value === undefined) break;
      found.push('value' in outcome ? (outcome.value as JsonValue) : outcome);
    }
    must(reader.heldBytes <= LIMITS.maxFrameBytes, () => `a reader holds ${reader.heldBytes} bytes`);
  }
  return found;
}

const DECODERS = [decodeStatus, decodeCpus, decodeName, decodeUuid, decodeKvm];

/** What a reply is, where it has the shape of one: values that were decoded, written and decoded again are the same. */
function checkReply(reply: JsonValue): string {
  for (const decode of DECODERS) attempt(() => decode(reply), ['QMP_REPLY_INVALID']);
  attempt(() => decodeVersion(reply, 'version'), ['QMP_REPLY_INVALID']);
  const stats = attempt(() => decodeStats(reply), ['QMP_REPLY_INVALID']);
  if ('value' in stats) {
    const again = decodeStats(parseJson(stringifyJson(encodeStats(stats.value))));
    mustEqual(
      again,
      stats.value.filter((result) => result.stats.length > 0),
      'stats change when they are written',
    );
  }
  const schemas = attempt(() => decodeSchemas(reply), ['QMP_REPLY_INVALID']);
  if ('value' in schemas) {
    const again = decodeSchemas(parseJson(stringifyJson(encodeSchemas(schemas.value))));
    mustEqual(again, schemas.value, 'schemas change when they are written');
  }
  return `${'value' in stats ? `${stats.value.length} results` : ''}${'value' in schemas ? 'schemas' : ''}`;
}

async function check(input: Uint8Array): Promise<string> {
  const [whole = [], ...others] = waysToCut(input).map(readAll);
  for (const other of others) mustEqual(other, whole, 'what is read depends on the cuts');
  const replies = whole.map((message) => {
    const isObject = typeof message === 'object' && message !== null && !Array.isArray(message);
    return isObject && 'return' in message ? checkReply(message['return'] as JsonValue) : '';
  });
  const [first, ...rest] = await Promise.all(waysToCut(input).map(listen));
  for (const other of rest) mustEqual(other, first, 'a conversation depends on the cuts');
  const { state, greeting, requests } = first as { state: string; greeting: Settled; requests: readonly Settled[] };
  const words = [greeting, ...requests].map((each) => (each === 'open' ? each : 'code' in each ? each.code : 'value'));
  return `${state} ${words.join(' ')} ${outcomeOf(replies)}`;
}

const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 8}, "package": ""}, "capabilities": ["oob"]}}';

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n });
const value = fc.oneof(
  u64.map(String),
  fc.constantFrom('true', 'false', '-1', '1.5', '"x"', 'null'),
  fc.array(u64).map((list) => `[${list}]`),
);
const stat = value.map((each) => `{"name": "x", "value": ${each}}`);
const stats = fc
  .array(stat, { maxLength: 3 })
  .map((list) => `[{"provider": "kvm", "stats": [${list}], "qom-path": "/v"}]`);
const descriptor = fc
  .tuple(fc.constantFrom('seconds', 'later'), fc.integer({ min: -20, max: 20 }), fc.nat())
  .map(
    ([unit, exponent, size]) =>
      `{"name":"x","type":"peak","unit":"${unit}","base":10,"exponent":${exponent},"bucket-size":${size}}`,
  );
const schemas = fc
  .array(descriptor, { maxLength: 3 })
  .map((list) => `[{"provider":"kvm","target":"vm","stats":[${list}]}]`);
const payload = fc.oneof(
  stats,
  schemas,
  fc.json({ maxDepth: 2 }),
  fc.constantFrom(
    '{}',
    '{"status": "running", "running": true}',
    '{"name": "web"}',
    '[]',
    '{"enabled": true, "present": true}',
  ),
);
const message = fc.oneof(
  fc.tuple(payload, fc.constantFrom(1, 2, 3, 4, 4, 9, '"1"')).map(([body, id]) => `{"return": ${body}, "id": ${id}}`),
  fc
    .tuple(fc.string(), fc.nat(5))
    .map(([desc, id]) => `{"id": ${id}, "error": {"class": "GenericError", "desc": ${JSON.stringify(desc)}}}`),
  fc.constantFrom(
    '{"error": {"class": "GenericError", "desc": "JSON parse error"}}',
    GREETING,
    '{"return": {}}',
    '7 ',
    '"x"',
  ),
  fc
    .json({ maxDepth: 2 })
    .map((data) => `{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP", "data": ${data}}`),
);
const lineEnd = fc.constantFrom('\r\n', '\n', '', ' ');

/** The client's side of QMP: what a monitor, or something that is none, may say to virtstat. */
export const qmpClient: FuzzTarget = {
  name: 'qmp-client',
  words: [
    ...['{', '}', '[', ']', ':', ',', '"', '\\', '\r\n', '\n', '\xff', '{"a":', '[[[[', ']]]]', '1 ', 'true'],
    ...[
      '"return":',
      '"error":',
      '"event":',
      '"QMP":',
      '"id": 1',
      '"id": 4',
      '"stats":',
      '"value":',
      '"name":',
      GREETING,
    ],
    ...[
      '{"return": {}, "id": 4}\r\n',
      '18446744073709551615',
      '"qom-path":',
      '"timestamp": {"seconds": -1, "microseconds": -1}',
    ],
  ],
  inputs: fc
    .tuple(
      fc.constantFrom('', `${GREETING}\r\n`, `${GREETING}\r\n{"return": {}, "id": 4}\r\n`),
      fc.array(fc.tuple(message, lineEnd), { maxLength: 6 }),
    )
    .map(([begin, messages]) => utf8(begin + messages.flat().join(''))),
  check,
};
