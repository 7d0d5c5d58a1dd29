import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { parse } from 'lossless-json';
import { describe, expect, it } from 'vitest';
import { MAX_DOMAINS } from './domain.ts';
import {
  DOMAIN_STATS_RECORDS,
  DOMAIN_STATS_REQUEST,
  type DomainStatsRecord,
  LastingRecord,
  MAX_PARAMETERS,
} from './domain-stats.ts';
import { formatDomStats } from './domstats-text.ts';
import { decodePayload } from './message.ts';
import { MAX_FIELD_BYTES, TYPED_PARAMETER, type TypedParameter } from './typed-parameter.ts';
import type { XdrCodec } from './xdr-codec.ts';
import { XdrWriter } from './xdr-writer.ts';

const FIXTURES = new URL('../../../test/fixtures/libvirt/', import.meta.url);
const INVALID = expect.objectContaining({ code: 'LIBVIRT_MESSAGE_INVALID' });

function encode<T>(codec: XdrCodec<T>, value: T): Uint8Array {
  const writer = new XdrWriter();
  codec.encode(writer, value);
  return writer.take();
}

const hex = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits.replaceAll(' ', ''), 'hex'));
const u32 = (value: number): string => value.toString(16).padStart(8, '0');

/** Any typed parameter. */
const parameters: fc.Arbitrary<TypedParameter> = fc
  .tuple(
    fc.string({ maxLength: MAX_FIELD_BYTES }),
    fc.oneof(
      fc.record({ type: fc.constant('int' as const), value: fc.integer() }),
      fc.record({ type: fc.constant('uint' as const), value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
      fc.record({ type: fc.constant('llong' as const), value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }),
      fc.record({ type: fc.constant('ullong' as const), value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
      fc.record({ type: fc.constant('double' as const), value: fc.double() }),
      fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
      fc.record({ type: fc.constant('string' as const), value: fc.string({ unit: 'grapheme' }) }),
    ),
  )
  .map(([field, value]) => ({ field, ...value }));

const records: fc.Arbitrary<DomainStatsRecord> = fc.record({
  domain: fc.record({ name: fc.string(), uuid: fc.uuid(), id: fc.integer() }),
  params: fc.array(parameters),
});

/** Records as the captures have them, decoded by another client. */
function captured(name: string): readonly DomainStatsRecord[] {
  const json = parse(readFileSync(new URL(name, FIXTURES), 'utf8'), null, numberOf) as {
    readonly name: string;
    readonly uuid: string;
    readonly id: bigint;
    readonly params: readonly { readonly field: string; readonly type: string; readonly value: unknown }[];
  }[];
  return json.map(({ name: domain, uuid, id, params }) => ({
    domain: { name: domain, uuid: uuid.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'), id: Number(id) },
    params: params.map(({ field, type, value }) => ({ field, type, value: plainValue(type, value) }) as TypedParameter),
  }));
}

/** Counters are whole and large; the doubles have a point. */
function numberOf(digits: string): bigint | number {
  return /^-?\d+$/.test(digits) ? BigInt(digits) : Number(digits);
}

function plainValue(type: string, value: unknown): unknown {
  if (type === 'boolean') return value === 1n;
  return type === 'int' || type === 'uint' ? Number(value) : value;
}

describe('typed parameters', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(parameters, (parameter) => {
        expect(decodePayload(encode(TYPED_PARAMETER, parameter), TYPED_PARAMETER)).toEqual(parameter);
      }),
    );
  });

  it.each([
    ['int', 1, 'fffffffb', -5],
    ['uint', 2, 'ffffffff', 4294967295],
    ['llong', 3, 'fffffffffffffffb', -5n],
    ['ullong', 4, 'ffffffffffffffff', 2n ** 64n - 1n],
    ['double', 5, '3fb999999999999a', 0.1],
    ['boolean', 6, '00000001', true],
    ['string', 7, '00000004 68c3a973', 'hés'],
  ] as const)('of type %s have code %i', (type, code, form, value) => {
    const bytes = hex(`00000001 78000000 ${u32(code)} ${form}`);
    expect(decodePayload(bytes, TYPED_PARAMETER)).toEqual({ field: 'x', type, value });
    expect(Buffer.from(encode(TYPED_PARAMETER, { field: 'x', type, value } as TypedParameter))).toEqual(
      Buffer.from(bytes),
    );
  });

  it.each([0, 8, 2 ** 31, 2 ** 32 - 1])('of type %i are refused', (code) => {
    expect(() => decodePayload(hex(`00000001 78000000 ${u32(code)} 0000000000000000`), TYPED_PARAMETER)).toThrow(
      INVALID,
    );
  });

  it('have names of at most 79 bytes', () => {
    const named = (sizeBytes: number): Uint8Array =>
      hex(`${u32(sizeBytes)} ${'78'.repeat(sizeBytes)}${'00'.repeat(-sizeBytes & 3)} 00000001 00000005`);
    expect(decodePayload(named(79), TYPED_PARAMETER)).toEqual({ field: 'x'.repeat(79), type: 'int', value: 5 });
    expect(() => decodePayload(named(80), TYPED_PARAMETER)).toThrow(INVALID);
    expect(() => encode(TYPED_PARAMETER, { field: 'x'.repeat(80), type: 'int', value: 5 })).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
  });
});

describe('records of procedure 344', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(records, { maxLength: 5 }), (each) => {
        expect(decodePayload(encode(DOMAIN_STATS_RECORDS, each), DOMAIN_STATS_RECORDS)).toEqual(each);
      }),
    );
  });

  it.each(['9.0-typed-wire.json', '12.8-typed-wire.json'])('are what another client read: %s', (name) => {
    const expected = captured(name);
    expect(expected.flatMap(({ params }) => params).length).toBeGreaterThan(250);
    expect(decodePayload(encode(DOMAIN_STATS_RECORDS, expected), DOMAIN_STATS_RECORDS)).toEqual(expected);
  });

  it('that last have the same bytes every time, and the same parameters before and after', () => {
    fc.assert(
      fc.property(fc.array(records, { maxLength: 5 }), (each) => {
        const lasting = each.map((record) => new LastingRecord(record));
        const bytes = encode(DOMAIN_STATS_RECORDS, each);
        for (const mixed of [lasting, each, [...each.slice(0, 2), ...lasting.slice(2)], lasting]) {
          expect(mixed.map(({ domain, params }) => ({ domain, params }))).toEqual(each);
          expect(encode(DOMAIN_STATS_RECORDS, mixed)).toEqual(bytes);
        }
      }),
    );
  });

  it('that last keep their bytes alone once they were sent', () => {
    const params: readonly TypedParameter[] = [{ field: 'x', type: 'int', value: 5 }];
    const record = new LastingRecord({ domain: { name: 'a', uuid: '0'.repeat(32), id: 1 }, params });
    expect(record.params).toBe(params);
    encode(DOMAIN_STATS_RECORDS, [record]);
    expect(record.params).toEqual(params);
    expect(record.params).not.toBe(params);
  });

  it('that last cannot be sent either where a value does not fit', () => {
    const params: readonly TypedParameter[] = [{ field: 'x'.repeat(80), type: 'int', value: 5 }];
    const record = new LastingRecord({ domain: { name: 'a', uuid: '0'.repeat(32), id: 1 }, params });
    for (const _ of [1, 2]) {
      expect(() => encode(DOMAIN_STATS_RECORDS, [record])).toThrow(expect.objectContaining({ code: 'USAGE' }));
    }
    expect(record.params).toBe(params);
  });

  it('are at most 16384, with at most 262144 parameters each', () => {
    const domain = `${u32(0)} ${'00'.repeat(16)} ffffffff`;
    const many = (count: number): Uint8Array => hex(u32(count) + `${domain}${u32(0)}`.repeat(count));
    expect(decodePayload(many(MAX_DOMAINS), DOMAIN_STATS_RECORDS)).toHaveLength(16384);
    expect(() => decodePayload(many(MAX_DOMAINS + 1), DOMAIN_STATS_RECORDS)).toThrow(INVALID);
    const rich = (count: number): Uint8Array =>
      hex(`${u32(1)} ${domain} ${u32(count)} ${`${u32(0)}${u32(1)}${u32(0)}`.repeat(count)}`);
    expect(decodePayload(rich(MAX_PARAMETERS), DOMAIN_STATS_RECORDS)[0]?.params).toHaveLength(262_144);
    expect(() => decodePayload(rich(MAX_PARAMETERS + 1), DOMAIN_STATS_RECORDS)).toThrow(INVALID);
  });

  it('are asked of at most 16384 domains', () => {
    const domains = Array.from({ length: MAX_DOMAINS }, () => ({ name: '', uuid: '0'.repeat(32), id: 0 }));
    const request = { domains, stats: 2 ** 32 - 1, flags: 2 ** 31 };
    expect(decodePayload(encode(DOMAIN_STATS_REQUEST, request), DOMAIN_STATS_REQUEST)).toMatchObject({
      flags: 2 ** 31,
    });
    const more = { ...request, domains: [...domains, ...domains.slice(0, 1)] };
    expect(() => encode(DOMAIN_STATS_REQUEST, more)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it('name no domain by a uuid that is none', () => {
    for (const uuid of ['', '1234', 'x'.repeat(32), `${'0'.repeat(32)}0000`]) {
      const request = { domains: [{ name: '', uuid, id: 0 }], stats: 0, flags: 0 };
      expect(() => encode(DOMAIN_STATS_REQUEST, request)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    }
  });

  it('cost time in proportion to what came, not to what a count announces', () => {
    for (const count of [MAX_DOMAINS, MAX_DOMAINS + 1, 2 ** 32 - 1]) {
      expect(() => decodePayload(hex(u32(count)), DOMAIN_STATS_RECORDS)).toThrow(INVALID);
    }
  });
});

describe('formatDomStats', () => {
  const texts = [
    '9.0-domstats-state.txt',
    '9.0-domstats-memory.txt',
    '12.8-domstats-full.txt',
    '9.0-domstats-full.txt',
  ];

  it.each(texts)('writes what virsh printed, to the byte: %s', (name) => {
    const text = readFileSync(new URL(name, FIXTURES), 'utf8');
    const domains = text.slice(0, -1).split(/(?<=\n)\n/);
    const read = domains.map((lines) => {
      const [title = '', ...fields] = lines.trimEnd().split('\n');
      return {
        domain: { name: /^Domain: '(.*)'$/.exec(title)?.[1] ?? '', uuid: '', id: 0 },
        params: fields.map((line): TypedParameter => {
          const [, field = '', value = ''] = /^ {2}([^=]+)=(.*)$/.exec(line) ?? [];
          if (value === 'yes' || value === 'no') return { field, type: 'boolean', value: value === 'yes' };
          if (/^-?\d+$/.test(value)) return { field, type: 'llong', value: BigInt(value) };
          return { field, type: 'string', value };
        }),
      };
    });
    expect(read).toHaveLength(4);
    expect(formatDomStats(read)).toBe(text);
  });

  it('is an empty line where there is no record', () => {
    expect(formatDomStats([])).toBe('\n');
  });

  // As printf of glibc prints them.
  it.each([
    [0.1, '0.100000'],
    [0, '0.000000'],
    [-0, '-0.000000'],
    [-1e-9, '-0.000000'],
    [0.0078125, '0.007812'],
    [0.0234375, '0.023438'],
    [-0.0078125, '-0.007812'],
    [2.5e-7, '0.000000'],
    [1234567.0000015, '1234567.000001'],
    [1e21, '1000000000000000000000.000000'],
    [-1e22, '-10000000000000000000000.000000'],
    [123456789012345680000, '123456789012345683968.000000'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [Number.NEGATIVE_INFINITY, '-inf'],
    [Number.NaN, 'nan'],
  ])('writes the double %d as %s', (value, text) => {
    const params = [{ field: 'd', type: 'double' as const, value }];
    expect(formatDomStats([{ domain: { name: 'a', uuid: '', id: 1 }, params }])).toBe(`Domain: 'a'\n  d=${text}\n\n`);
  });
});
