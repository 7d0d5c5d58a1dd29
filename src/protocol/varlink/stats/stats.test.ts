import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Sample } from '../../../model/sample.ts';
import type { Schema } from '../../../model/stat.ts';
import { U64_MAX } from '../../../model/u64.ts';
import { type JsonInput, type JsonValue, parseJson, stringifyJson } from '../../json/json.ts';
import type { IdlType } from '../idl.ts';
import { formatIdl } from '../idl-format.ts';
import { parseIdl } from '../idl-parse.ts';
import { findMismatch } from '../types.ts';
import { decodeDomain, decodeSample, decodeSchema } from './decode.ts';
import { encodeDomain, encodeSample, encodeSchema } from './encode.ts';
import { STATS_IDL, STATS_INTERFACE } from './idl.ts';

const { types } = STATS_INTERFACE;

/** Over the wire and back; checked against the definition on its way. */
function sent(name: string, value: JsonInput | undefined): JsonValue {
  const type: IdlType = { kind: 'named', name };
  const json = parseJson(stringifyJson(value as JsonInput));
  expect(findMismatch(json, type, { types })).toBeUndefined();
  return json;
}

const u64 = fc.oneof(
  fc.bigInt({ min: 0n, max: U64_MAX }),
  fc.constantFrom(0n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, U64_MAX),
);
const values = fc.oneof(u64, fc.boolean(), fc.array(u64, { maxLength: 5 }));
const words = fc.string({ unit: 'binary' });
const samples: fc.Arbitrary<Sample> = fc.record(
  {
    domain: fc.constant('vm'),
    provider: words,
    target: words,
    path: words,
    device: words,
    via: words,
    collectedAtNs: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    stale: fc.record({ ageNs: fc.bigInt({ min: -1n, max: 2n ** 62n }), code: words, reason: words }),
    stats: fc.array(fc.record({ name: words, value: values }), { maxLength: 5 }),
  },
  { requiredKeys: ['domain', 'provider', 'target', 'via', 'collectedAtNs', 'stats'] },
);
const schemas: fc.Arbitrary<Schema> = fc.record({
  provider: words,
  target: words,
  stats: fc.array(
    fc.record(
      {
        name: words,
        type: fc.oneof(words, fc.constant('log2-histogram')),
        unit: words,
        base: fc.constantFrom(2, 10, 'unknown-7'),
        exponent: fc.integer({ min: -32768, max: 32767 }),
        bucketSize: fc.integer({ min: 0, max: 0xffff_ffff }),
        size: fc.integer({ min: 0, max: 0xffff }),
      },
      { requiredKeys: ['name', 'type', 'exponent'] },
    ),
  ),
}) as fc.Arbitrary<Schema>;

describe('org.virtstat.Stats', () => {
  it('carries every sample exactly', () => {
    fc.assert(
      fc.property(samples, (sample) => {
        expect(decodeSample(sent('StatsSample', encodeSample(sample)), 'vm')).toEqual(sample);
      }),
    );
  });

  it('carries every schema exactly', () => {
    fc.assert(
      fc.property(schemas, (schema) => {
        expect(decodeSchema(sent('StatsSchema', encodeSchema(schema)))).toEqual(schema);
      }),
    );
  });

  it('carries a domain', () => {
    const domain = { id: 'pid:7', name: 'vm', vcpus: 2, vmm: { name: 'QEMU', version: '7.2.0' }, source: 'local:' };
    expect(decodeDomain(sent('Domain', encodeDomain(domain)))).toEqual(domain);
  });

  it('puts what an integer of 64 bits cannot hold into digits', () => {
    const stats = [
      { name: 'a', value: 2n ** 63n - 1n },
      { name: 'b', value: 2n ** 63n },
      { name: 'c', value: [1n, U64_MAX] },
    ];
    const sample = { domain: 'vm', provider: 'kvm', target: 'vm', via: 'qmp', collectedAtNs: 5n, stats };
    expect(stringifyJson(encodeSample(sample)['stats'] as JsonInput)).toBe(
      '[{"name":"a","number":9223372036854775807},{"name":"b","bigNumber":"9223372036854775808"},' +
        '{"name":"c","bigNumbers":["1","18446744073709551615"]}]',
    );
  });

  it('has the descriptors that were sketched for the kernel', () => {
    const stats = [
      { name: 'exits', type: 'cumulative', exponent: 0, size: 1 },
      { name: 'halt_poll_fail_ns', type: 'cumulative', unit: 'seconds', base: 10, exponent: -9, size: 1 },
    ];
    expect(
      parseJson(stringifyJson(encodeSchema({ provider: 'kvm', target: 'vcpu', stats })['stats'] as JsonInput)),
    ).toEqual([
      { name: 'exits', kind: 'cumulative', count: 1 },
      {
        name: 'halt_poll_fail_ns',
        kind: 'cumulative',
        unit: 'seconds',
        scale: { base: 'pow10', exponent: -9 },
        count: 1,
      },
    ]);
  });

  it.each([
    [{ name: 'x' }],
    [{ name: 'x', number: 1, boolean: true }],
    [{ name: 'x', number: -1 }],
    [{ name: 'x', numbers: [1, -1] }],
    [{ name: 'x', bigNumber: '18446744073709551616' }],
    [{ name: 'x', bigNumber: '-1' }],
    [{ name: 'x', bigNumber: '' }],
    [{ name: 'x', bigNumbers: ['1', '0x2'] }],
  ])('refuses a value that means nothing: %j', (entry) => {
    const sample = { provider: 'p', target: 't', via: 'v', collectedAtNs: 1, stats: [entry] };
    expect(() => decodeSample(sent('StatsSample', sample), 'vm')).toThrow(
      expect.objectContaining({ code: 'VARLINK_MESSAGE_INVALID' }),
    );
  });

  it('refuses a base that means nothing', () => {
    const stats = [{ name: 'x', kind: 'k', scale: { base: 'ten', exponent: 1 } }];
    expect(() => decodeSchema({ provider: 'p', target: 't', stats })).toThrow('base of a scale');
  });

  it('takes null for what is absent', () => {
    const stats = [{ name: 'x', number: 3, boolean: null }];
    const sample = { provider: 'p', target: 't', path: null, via: 'v', collectedAtNs: 1, stale: null, stats };
    expect(decodeSample(sent('StatsSample', sample), 'vm').stats).toEqual([{ name: 'x', value: 3n }]);
  });

  it('is defined in the usual form', () => {
    expect(formatIdl(parseIdl(STATS_IDL))).toBe(STATS_IDL);
  });

  it('is published as it is', () => {
    const file = new URL('../../../../docs/org.virtstat.Stats.varlink', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(STATS_IDL);
  });
});
