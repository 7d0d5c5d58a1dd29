import fc from 'fast-check';
import { type JsonInput, stringifyJson } from '../../src/protocol/json/json.ts';
import { QmpCommandError } from '../../src/protocol/qmp/messages.ts';
import { type Incoming, RequestReader } from '../../src/protocol/qmp/server/request-reader.ts';
import { type QmpBackend, QmpServerSession } from '../../src/protocol/qmp/server/session.ts';
import type { QmpValue } from '../../src/protocol/qmp/server/value.ts';
import { writeMessage } from '../../src/protocol/qmp/server/writer.ts';
import { expectedValue, mayRefuse } from '../qmp-grammar.ts';
import { type FuzzTarget, latin1, must, mustEqual, outcomeOf, settle, waysToCut } from '../target.ts';
import { utf8 } from '../texts.ts';

/** Small, so that inputs reach them. */
const LIMITS = { maxTokenBytes: 4096, maxTokens: 512 };

/** Every text that QEMU has for input that is no JSON. */
const FAILURE =
  /^(JSON parse error, (expecting value|missing : in object pair|key is not a string in object|invalid keyword '[a-z]+'|expected separator in (list|dict)|duplicate key|stray '[\s\S]*'|invalid escape sequence in string|.+ is not a valid Unicode character|invalid UTF-8 sequence in string)|JSON (token size|token count|nesting depth) limit exceeded)$/u;

/** Every text that QEMU has for JSON that is no right request. */
const REFUSAL =
  /^(QMP input (must be a JSON object|lacks member 'execute'|member '[\s\S]*' (must be (a string|an object)|is unexpected|clashes with '[\s\S]*'))|Expecting capabilities negotiation with 'qmp_capabilities'|Capabilities negotiation is already complete, command ignored|The command [\s\S]* (has not been found|does not support OOB)|(Invalid parameter type for|Parameter) '[\s\S]*'(, expected: (string|integer|boolean|array|object)| is (missing|unexpected)| does not accept value '[\s\S]*')|No balloon device has been activated)$/u;

const CLASSES = ['GenericError', 'CommandNotFound', 'DeviceNotActive'];

/** Answers every command by its name and what it was given. */
const BACKEND: QmpBackend = {
  version: { major: 8, minor: 2, micro: 0, package: '' },
  execute: async (command, args) => {
    if (command !== 'query-balloon') return [command, stringifyJson(args as JsonInput)];
    throw new QmpCommandError(command, 'DeviceNotActive', 'No balloon device has been activated');
  },
};

function readAll(chunks: readonly Uint8Array[]): readonly Incoming[] {
  const reader = new RequestReader(LIMITS);
  const messages: Incoming[] = [];
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      at = reader.feed(chunk, at);
      must(reader.heldBytes <= 2 * LIMITS.maxTokenBytes + 1, () => `a request holds ${reader.heldBytes} bytes`);
      for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
    }
  }
  return messages;
}

/** A value means the same after it was written and read again. */
function checkRoundTrip(value: QmpValue): void {
  const once = Buffer.concat(writeMessage({ return: value }));
  const [message, ...more] = readAll([once]);
  // What stands for infinity in QEMU's output is no JSON, and a value near the bounds may exceed them when written.
  if (message?.failure !== undefined) {
    must(/inf|\\u|limit/.test(latin1(once) + message.failure), message.failure);
    return;
  }
  must(more.length === 0 && message?.value instanceof Map, 'a value that was written is not one value');
  const again = Buffer.concat(writeMessage(message?.value as QmpValue));
  const third = readAll([again])[0];
  mustEqual(third, message, 'a value changes when it is written and read');
}

/** The platform's parser as a second opinion on what is one JSON text. */
function checkAgainstPlatform(input: Uint8Array, messages: readonly Incoming[]): void {
  const expected = expectedValue(input);
  if (expected === undefined) return;
  const [message] = messages;
  if (message?.failure !== undefined) {
    must(mayRefuse(expected.text, message.failure), `refuses right JSON: ${message.failure}`);
    return;
  }
  must(messages.length === 1, 'one JSON text is not one message');
  mustEqual(message?.value, expected.value, 'JSON is read as something else');
}

/** The lines that a client gets, the greeting left out. */
async function converse(chunks: readonly Uint8Array[]): Promise<readonly string[]> {
  let text = '';
  const send = (message: readonly Uint8Array[]): void => {
    text += latin1(Buffer.concat(message));
  };
  const session = new QmpServerSession({ backend: BACKEND, ...LIMITS, send });
  for (const chunk of chunks) {
    if (!session.isHungry) must(await settle(() => session.isHungry), 'a session never reads on');
    session.receive(chunk);
    must(
      session.heldBytes <= chunk.length + 2 * LIMITS.maxTokenBytes + 1,
      `a session holds ${session.heldBytes} bytes`,
    );
  }
  must(await settle(() => session.isIdle), 'a session never ends its work');
  must(text.endsWith('\r\n'), 'the last line has no end');
  return text.split('\r\n').slice(1, -1);
}

/** What is said in an answer, without what belongs to one request. */
function checkAnswer(line: string): string {
  must(/^[\x20-\x7e]+$/.test(line), `an answer is not ASCII: ${line}`);
  let answer: { readonly error?: { readonly class: string; readonly desc: string } };
  try {
    answer = JSON.parse(line);
  } catch {
    must(/[:[ ]-?inf[,}\]]/.test(line), `an answer is no JSON: ${line}`);
    return 'inf';
  }
  if (answer.error === undefined) return line.replace(/"id": .*/, '');
  const { class: className, desc } = answer.error;
  must(CLASSES.includes(className), `an error is of class ${className}`);
  must(FAILURE.test(desc) || REFUSAL.test(desc), `QEMU has no such text: ${desc}`);
  return `${className} ${desc.replaceAll(/'[\s\S]*'|^.*(?= is not a valid)/g, '')}`;
}

async function check(input: Uint8Array): Promise<string> {
  const [whole, ...others] = waysToCut(input).map(readAll) as [readonly Incoming[], ...(readonly Incoming[])[]];
  for (const other of others) mustEqual(other, whole, 'what is read depends on the cuts');
  checkAgainstPlatform(input, whole);
  for (const message of whole) {
    if (message.failure === undefined) checkRoundTrip(message.value);
    else must(FAILURE.test(message.failure), `QEMU has no such text: ${message.failure}`);
  }
  const answers = await Promise.all(waysToCut(input).map(converse));
  // What is refused out of band may overtake, sooner or later.
  for (const other of answers) mustEqual(other.toSorted(), answers[0]?.toSorted(), 'the answers depend on the cuts');
  return outcomeOf((answers[0] ?? []).map(checkAnswer));
}

const NEGOTIATE = '{"execute":"qmp_capabilities"}';
const OOB = '{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}';

const argument = fc.oneof(
  fc.json({ maxDepth: 2 }),
  fc.constantFrom('"vm"', '"vcpu"', '[]', '{}', '"kvm"', '["exits"]'),
);
const args = fc
  .array(
    fc.tuple(
      fc.constantFrom('target', 'providers', 'vcpus', 'provider', 'path', 'property', 'command-line', 'cpu-index', 'x'),
      argument,
    ),
    { maxLength: 3 },
  )
  .map((members) => `{${members.map(([name, value]) => `"${name}":${value}`).join(',')}}`);
const command = fc.constantFrom(
  ...['query-stats', 'query-stats-schemas', 'query-name', 'query-balloon', 'qom-get', 'human-monitor-command', 'nope'],
);
const request = fc
  .tuple(command, fc.option(args), fc.option(fc.json({ maxDepth: 2 })), fc.constantFrom('execute', 'exec-oob'))
  .map(([name, given, id, verb]) => {
    const members = [`"${verb}": "${name}"`];
    if (given !== null) members.push(`"arguments": ${given}`);
    if (id !== null) members.push(`"id":${id}`);
    return `{${members.join(', ')}}`;
  });
const piece = fc.oneof(
  { weight: 6, arbitrary: request },
  { weight: 2, arbitrary: fc.json() },
  {
    weight: 1,
    arbitrary: fc.constantFrom(NEGOTIATE, OOB, '\xff', '\n', ' ', '1 ', '%', '{"a" "b"}', '[1,]', "{'a':'\\''}"),
  },
);

/** virtstatd's side of QMP: the lexer, the parser and the session that know QEMU's every word to bad input. */
export const qmpServer: FuzzTarget = {
  name: 'qmp-server',
  words: [
    ...[
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      "'",
      '\\u',
      '\\ud800',
      '\\udc00',
      '\\x',
      '{"',
      '"}',
      '[[[[',
      '{"a":',
      ']]]]',
    ],
    ...['true', 'false', 'null', 'nul', '0e1', '-', '1.', '"id":', '"execute":', '"exec-oob":', '"arguments":', '\xff'],
    ...[NEGOTIATE, OOB, '{"execute":"query-name"}', '{"execute":"query-stats","arguments":{"target":"vm"}}'],
  ],
  inputs: fc
    .tuple(fc.constantFrom('', NEGOTIATE, OOB), fc.array(piece, { minLength: 1, maxLength: 6 }))
    .map(([mode, pieces]) => utf8(mode + pieces.join(''))),
  check,
};
