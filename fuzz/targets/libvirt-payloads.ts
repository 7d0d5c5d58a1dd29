import fc from 'fast-check';
import type { ErrorCode } from '../../src/model/errors.ts';
import * as classicProcedures from '../../src/protocol/libvirt/classic-procedures.ts';
import { REMOTE_ERROR } from '../../src/protocol/libvirt/error.ts';
import { decodePayload } from '../../src/protocol/libvirt/message.ts';
import type { Procedure } from '../../src/protocol/libvirt/procedure.ts';
import * as procedures from '../../src/protocol/libvirt/procedures.ts';
import { TYPED_PARAMETER } from '../../src/protocol/libvirt/typed-parameter.ts';
import type { XdrCodec } from '../../src/protocol/libvirt/xdr-codec.ts';
import { XdrWriter } from '../../src/protocol/libvirt/xdr-writer.ts';
import { domain, error, records, typedParameter, XDR_WORDS } from '../libvirt-messages.ts';
import { Random, seedOf } from '../random.ts';
import { attempt, type FuzzTarget, latin1, must, mustEqual, outcomeOf } from '../target.ts';

const ERRORS: readonly ErrorCode[] = ['LIBVIRT_MESSAGE_INVALID'];

/** Everything that a payload may be, by name. */
const CODECS: ReadonlyMap<string, XdrCodec<unknown>> = new Map([
  ['parameter', TYPED_PARAMETER as XdrCodec<unknown>],
  ['error', REMOTE_ERROR as XdrCodec<unknown>],
  ...[...Object.values(procedures), ...Object.values(classicProcedures)]
    .filter(isProcedure)
    .flatMap((each) => [[`${each.name} args`, each.args] as const, [`${each.name} result`, each.result] as const]),
]);

/** Of these some bytes are not kept: each character of the old kind takes four, of which one counts. */
const LOSSY = /^(AUTH_SASL_|NODE_GET_INFO)/;

function isProcedure(value: unknown): value is Procedure<unknown, unknown> {
  return typeof value === 'object' && value !== null && 'number' in value && 'args' in value;
}

function encode(codec: XdrCodec<unknown>, value: unknown): Uint8Array {
  const writer = new XdrWriter();
  codec.encode(writer, value);
  return writer.take();
}

/** How many values there are, in all depths: no input may make more of them than it has bytes. */
function sizeOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  if (value instanceof Uint8Array) return value.length;
  return Object.values(value).reduce((sum: number, each) => sum + sizeOf(each), 1);
}

/** Text that was no UTF-8 is longer when it is written, and NaN has many forms. */
function isKept(name: string, value: unknown): boolean {
  return !LOSSY.test(name) && !/\ufffd|NaN/.test(textOf(value));
}

/** Nor has it then room in a field of a fixed size. */
function isCutShort(name: string, value: unknown): boolean {
  return LOSSY.test(name) && textOf(value).includes('\ufffd');
}

function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (_key, each: unknown) =>
      typeof each === 'bigint' || typeof each === 'number' ? String(each) : each,
    ) ?? ''
  );
}

function checkCodec(name: string, codec: XdrCodec<unknown>, input: Uint8Array): string {
  const outcome = attempt(() => decodePayload(input, codec), ERRORS);
  if ('code' in outcome) return '';
  const { value } = outcome;
  // A domain has a place for each of its three fields, and an optional one that is absent takes four bytes.
  must(sizeOf(value) <= 8 + 4 * input.length, () => `${name}: ${input.length} bytes are ${sizeOf(value)} values`);
  const again = attempt(() => encode(codec, value), ['USAGE']);
  if ('code' in again) must(textOf(value).includes('\ufffd'), () => `${name}: what was read cannot be written`);
  else if (!isCutShort(name, value)) {
    mustEqual(decodePayload(again.value, codec), value, `${name}: a value changes when it is written and read`);
    if (isKept(name, value)) must(latin1(again.value) === latin1(input), `${name}: has two forms`);
  }
  if (input.length > 0) {
    const cut = input.subarray(0, new Random(seedOf(input)).below(input.length));
    mustEqual(
      attempt(() => decodePayload(cut, codec), ERRORS),
      { code: ERRORS[0] },
      `${name}: a payload that was cut`,
    );
  }
  const longer = new Uint8Array(Buffer.concat([input, new Uint8Array(4)]));
  mustEqual(
    attempt(() => decodePayload(longer, codec), ERRORS),
    { code: ERRORS[0] },
    `${name}: bytes that follow`,
  );
  return name;
}

function check(input: Uint8Array): string {
  return outcomeOf([...CODECS].map(([name, codec]) => checkCodec(name, codec, input)));
}

const of = <T>(codec: XdrCodec<T>, values: fc.Arbitrary<T>): fc.Arbitrary<Uint8Array> =>
  values.map((value) => encode(codec as XdrCodec<unknown>, value));

/** XDR: every payload of libvirt's RPC that either side reads; typed parameters and errors among them. */
export const libvirtPayloads: FuzzTarget = {
  name: 'libvirt-payloads',
  words: XDR_WORDS,
  inputs: fc.oneof(
    of(procedures.CONNECT_GET_ALL_DOMAIN_STATS.result, records),
    of(TYPED_PARAMETER, typedParameter),
    of(REMOTE_ERROR, error),
    of(
      procedures.CONNECT_GET_ALL_DOMAIN_STATS.args,
      fc.record({
        domains: fc.array(domain, { maxLength: 3 }),
        stats: fc.nat(2 ** 32 - 1),
        flags: fc.nat(2 ** 32 - 1),
      }),
    ),
    of(
      procedures.CONNECT_LIST_ALL_DOMAINS.result,
      fc.record({ domains: fc.array(domain, { maxLength: 4 }), count: fc.nat(2 ** 32 - 1) }),
    ),
    of(
      classicProcedures.DOMAIN_MEMORY_STATS.result,
      fc.array(fc.record({ tag: fc.nat(20), value: fc.bigInt(0n, 2n ** 64n - 1n) })),
    ),
    of(
      procedures.AUTH_SASL_START.args,
      fc.record({ mechanism: fc.string(), nil: fc.boolean(), data: fc.uint8Array({ maxLength: 40 }) }),
    ),
  ),
  check,
};
