import fc from 'fast-check';
import type { ErrorCode } from '../src/model/errors.ts';
import type { DomainReference } from '../src/protocol/libvirt/domain.ts';
import type { DomainStatsRecord } from '../src/protocol/libvirt/domain-stats.ts';
import type { RemoteError } from '../src/protocol/libvirt/error.ts';
import { type Message, MessageReader, PROGRAM } from '../src/protocol/libvirt/message.ts';
import type { TypedParameter } from '../src/protocol/libvirt/typed-parameter.ts';
import { attempt, must } from './target.ts';

/** Pieces that mean something in libvirt's messages: counts and lengths at their bounds, types, numbers of programs. */
export const XDR_WORDS: readonly string[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 28, 79, 80, 66, 344, 16_384, 16_385, 65_536, 262_145, 4_194_304, 4_194_305].map(
    u32,
  ),
  ...[2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, PROGRAM.remote, PROGRAM.keepalive].map(u32),
  ...['\0', '\0\0\0', '\x7f\xf0\0\0\0\0\0\0', '\x7f\xf8\0\0\0\0\0\x01', `${u32(80)}${'n'.repeat(80)}`],
  `${u32(5)}state\0\0\0${u32(4)}\xff\xff\xff\xff\xff\xff\xff\xff`,
];

/** A 32-bit number, big-endian, a character for each byte. */
export function u32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('latin1');
}

/** Names as they are, and longer than libvirt's own clients take. */
const field = fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('state.state', 'n'.repeat(79)));
const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

/** A typed parameter of any type. */
export const typedParameter: fc.Arbitrary<TypedParameter> = fc.oneof(
  fc.record({ field, type: fc.constant('int'), value: int }),
  fc.record({ field, type: fc.constant('uint'), value: fc.nat(2 ** 32 - 1) }),
  fc.record({ field, type: fc.constant('llong'), value: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) }),
  fc.record({ field, type: fc.constant('ullong'), value: fc.bigInt(0n, 2n ** 64n - 1n) }),
  fc.record({ field, type: fc.constant('double'), value: fc.double() }),
  fc.record({ field, type: fc.constant('boolean'), value: fc.boolean() }),
  fc.record({ field, type: fc.constant('string'), value: fc.string({ maxLength: 12 }) }),
);

/** Which domain is meant. */
export const domain: fc.Arbitrary<DomainReference> = fc.record({
  name: fc.oneof(fc.constant('web'), fc.string({ maxLength: 9 })),
  uuid: fc.oneof(fc.constant('11111111-1111-4111-8111-111111111111'), fc.uuid()),
  id: fc.integer({ min: -1, max: 3 }),
});

/** What is said of some domains. */
export const records: fc.Arbitrary<readonly DomainStatsRecord[]> = fc.array(
  fc.record({ domain, params: fc.array(typedParameter, { maxLength: 5 }) }),
  { maxLength: 4 },
);

const text = fc.option(fc.string({ maxLength: 30 }), { nil: undefined });

/** What a failed call is told. */
export const error: fc.Arbitrary<RemoteError> = fc.record({
  code: int,
  domain: int,
  message: fc.oneof(text, fc.constant('two\nlines')),
  level: fc.nat(3),
  dom: fc.option(domain, { nil: undefined }),
  str1: text,
  str2: text,
  str3: text,
  int1: int,
  int2: int,
  net: fc.option(fc.record({ name: fc.string(), uuid: fc.uuid() }), { nil: undefined }),
});

/** What a {@link MessageReader} made of a stream. */
export interface ReadMessages {
  readonly messages: readonly Message[];
  /** Why it read no further. */
  readonly code: ErrorCode | undefined;
}

const READ_ERRORS: readonly ErrorCode[] = ['LIBVIRT_MESSAGE_INVALID', 'FRAME_TOO_LARGE'];

/** Cuts a stream into messages, and looks after what that holds meanwhile. */
export function readMessages(chunks: readonly Uint8Array[], maxMessageBytes: number): ReadMessages {
  const reader = new MessageReader(maxMessageBytes);
  const messages: Message[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (;;) {
      const outcome = attempt(() => reader.next(), READ_ERRORS);
      if ('code' in outcome) return { messages, code: outcome.code };
      if (outcome.value === undefined) break;
      messages.push({ ...outcome.value, payload: outcome.value.payload.slice() });
    }
    must(reader.heldBytes < maxMessageBytes, () => `a reader holds ${reader.heldBytes} bytes`);
  }
  return { messages, code: undefined };
}

/** A message as its bytes, a character for each; the length may be a lie. */
export function message(
  procedure: fc.Arbitrary<number>,
  payload: fc.Arbitrary<string>,
  types: readonly number[],
): fc.Arbitrary<string> {
  return fc
    .record({
      program: often(PROGRAM.remote, PROGRAM.keepalive, 0, 2 ** 32 - 1),
      version: often(1, 0, 2 ** 32 - 1),
      procedure,
      type: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...types) }, { weight: 1, arbitrary: fc.nat(8) }),
      serial: fc.oneof({ weight: 9, arbitrary: fc.nat(6) }, { weight: 1, arbitrary: fc.constant(2 ** 32 - 1) }),
      status: fc.oneof({ weight: 9, arbitrary: fc.nat(1) }, { weight: 1, arbitrary: fc.nat(4) }),
      payload,
      lie: often(0, -4, 1, 4, 2 ** 31),
    })
    .map(({ program, version, procedure: number, type, serial, status, payload: body, lie }) => {
      const length = Math.max(0, 28 + body.length + lie);
      return [length, program, version, number, type, serial, status].map((each) => u32(each >>> 0)).join('') + body;
    });
}

function often(usual: number, ...others: readonly number[]): fc.Arbitrary<number> {
  return fc.oneof({ weight: 20, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
}
