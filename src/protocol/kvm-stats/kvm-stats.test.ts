import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, VirtstatError } from '../../model/errors.ts';
import type { StatValue } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { U64_MAX } from '../../model/u64.ts';
import { encodeStatsFile, type StatsFileDescription, type StatToEncode } from './encode.ts';
import {
  type ByteOrder,
  MACHINE_BYTE_ORDER,
  MAX_DESCRIPTORS,
  MAX_FILE_SIZE_BYTES,
  MAX_NAME_SIZE_BYTES,
} from './format.ts';
import { decodeHeader, looksLikeStatsFile } from './header.ts';
import { decodeLayout } from './layout.ts';
import { LayoutCache, MAX_CACHED_TABLES } from './layout-cache.ts';
import { decodeStatsFile, decodeValues, lazyReading } from './values.ts';

const otherByteOrder: ByteOrder = MACHINE_BYTE_ORDER === 'little' ? 'big' : 'little';

const extremes = [0n, 1n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, U64_MAX - 1n, U64_MAX];
const value = fc.oneof(fc.constantFrom(...extremes), fc.bigInt({ min: 0n, max: U64_MAX }));
const unknownOf = (from: number) => fc.integer({ min: from, max: 15 }).map((code) => `unknown-${code}` as const);
const text = (max: number) =>
  fc
    .string({ unit: 'binary', maxLength: max })
    .map((name) => name.replaceAll('\0', ''))
    .filter((name) => new TextEncoder().encode(name).length < max);

const stat: fc.Arbitrary<StatToEncode> = fc.record(
  {
    name: text(16),
    type: fc.oneof(
      fc.constantFrom('cumulative', 'instant', 'peak', 'linear-histogram', 'log2-histogram'),
      unknownOf(5),
    ),
    values: fc.oneof(
      { weight: 3, arbitrary: fc.array(value, { minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.array(value, { maxLength: 40 }) },
    ),
    unit: fc.oneof(fc.constantFrom('bytes', 'seconds', 'cycles', 'boolean'), unknownOf(5)),
    base: fc.oneof(fc.constantFrom(10, 2), unknownOf(2)),
    exponent: fc.oneof(fc.constantFrom(0, -9, 10, -32768, 32767), fc.integer({ min: -32768, max: 32767 })),
    bucketSize: fc.oneof(fc.constantFrom(0, 1, 2 ** 32 - 1), fc.nat(2 ** 32 - 1)),
    holeWords: fc.nat(3),
  },
  { requiredKeys: ['name', 'type', 'values'] },
);

const file: fc.Arbitrary<StatsFileDescription> = fc.array(stat, { maxLength: 12 }).chain((stats) =>
  fc.record(
    {
      id: fc.oneof(fc.constantFrom('kvm-1', 'kvm-4194304', 'kvm-7/vcpu-0', 'kvm-7/vcpu-4095', ''), text(16)),
      stats: fc.constant(stats),
      dataOrder: fc.shuffledSubarray([...stats.keys()], { minLength: stats.length }),
      byteOrder: fc.constantFrom('little', 'big'),
      nameSizeBytes: fc.constantFrom(16, 20, 48, 64, MAX_NAME_SIZE_BYTES),
      blockOrder: fc.shuffledSubarray(['id', 'descriptors', 'data'] as const, { minLength: 3 }),
      gapSizeBytes: fc.constantFrom(0, 8, 64),
    },
    { requiredKeys: ['id', 'stats'] },
  ),
);

/** What the rules make of a statistic, told a second time, apart from the decoder. */
function expectedDescriptor({ name, type, unit, base = 10, exponent = 0, bucketSize = 0, values }: StatToEncode) {
  const expected: Record<string, unknown> = { name, type, exponent, size: values.length };
  if (unit !== undefined) expected['unit'] = unit;
  if (exponent !== 0 || String(base).startsWith('unknown')) expected['base'] = base;
  if (type === 'linear-histogram') expected['bucketSize'] = bucketSize;
  return expected as unknown as StatDescriptor;
}

function expectedValue({ unit, values }: StatToEncode): StatValue {
  if (values.length !== 1) return values;
  return unit === 'boolean' ? values[0] !== 0n : values[0]!;
}

function codeOf(work: () => unknown): ErrorCode | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!(error instanceof VirtstatError)) throw error;
    expect(error.message).not.toMatch(/\n/);
    return error.code;
  }
}

const ordinary: StatsFileDescription = {
  id: 'kvm-7/vcpu-3',
  stats: [
    { name: 'a', type: 'cumulative', values: [5n] },
    { name: 'b', type: 'log2-histogram', unit: 'seconds', exponent: -9, values: [1n, 2n, 3n] },
    { name: 'c', type: 'instant', unit: 'boolean', values: [1n] },
  ],
};

/** The file, with one 32-bit field changed. */
function withField(offset: number, field: number, bytes = encodeStatsFile(ordinary)): Uint8Array {
  new DataView(bytes.buffer).setUint32(offset, field, MACHINE_BYTE_ORDER === 'little');
  return bytes;
}

const FIRST_DESCRIPTOR = 72;
const STRIDE = 64;

describe('a stats file of any content', () => {
  it('decodes to what was written, in either byte order', () => {
    fc.assert(
      fc.property(file, (description) => {
        const { layout, stats } = decodeStatsFile(encodeStatsFile(description));
        expect(layout.id).toBe(description.id);
        expect(layout.byteOrder).toBe(description.byteOrder ?? MACHINE_BYTE_ORDER);
        expect(layout.stats).toStrictEqual(description.stats.map(expectedDescriptor));
        expect(stats).toStrictEqual(description.stats.map((each) => ({ name: each.name, value: expectedValue(each) })));
      }),
      { numRuns: 500 },
    );
  });

  it('cut anywhere says that it is truncated, and nothing else', () => {
    fc.assert(
      fc.property(file, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (description, fraction) => {
        const whole = encodeStatsFile({ ...description, gapSizeBytes: 0, blockOrder: ['id', 'descriptors', 'data'] });
        const cut = whole.subarray(0, Math.floor(whole.length * fraction));
        expect(codeOf(() => decodeStatsFile(cut))).toBe('STATS_FILE_TRUNCATED');
      }),
    );
  });

  it('damaged in any byte decodes or gives one of three errors', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
    const codes = [undefined, 'STATS_FILE_TRUNCATED', 'STATS_FILE_INVALID', 'STATS_FILE_TOO_LARGE'];
    fc.assert(
      fc.property(file, damage, (description, changes) => {
        const bytes = encodeStatsFile(description);
        // Most damage of interest is in the first bytes: header and descriptors.
        for (const [at, byte] of changes) bytes[at % Math.min(bytes.length, 400)] = byte;
        expect(codes).toContain(codeOf(() => decodeStatsFile(bytes)));
        expect(codes).toContain(codeOf(() => decodeStatsFile(bytes, 'big')));
      }),
      { numRuns: 1000 },
    );
  });

  it('of pure noise never throws anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(codeOf(() => decodeStatsFile(bytes))).toMatch(/^STATS_FILE_/);
      }),
    );
  });
});

describe('a hostile stats file', () => {
  const big = [2 ** 32 - 1, 2 ** 31, 2 ** 24 + 1];

  it('is refused at every cut', () => {
    const whole = encodeStatsFile(ordinary);
    for (let length = 0; length < whole.length; length++) {
      expect(codeOf(() => decodeStatsFile(whole.subarray(0, length), MACHINE_BYTE_ORDER))).toBe('STATS_FILE_TRUNCATED');
    }
    expect(codeOf(() => decodeStatsFile(whole))).toBeUndefined();
  });

  it.each([
    ['name size', 4],
    ['number of descriptors', 8],
    ['offset of the id', 12],
    ['offset of the descriptors', 16],
    ['offset of the data', 20],
    ['offset of a value', FIRST_DESCRIPTOR + 8],
  ])('with an absurd %s is too large, before memory is taken', (_, offset) => {
    for (const field of big) {
      const aligned = field - (field % 8);
      const code = codeOf(() => decodeStatsFile(withField(offset, aligned), MACHINE_BYTE_ORDER));
      expect(code).toBe('STATS_FILE_TOO_LARGE');
    }
  });

  it.each([
    ['the id over the header', 12, 16],
    ['the id over the descriptors', 12, 80],
    ['the descriptors over the header', 16, 8],
    ['the descriptors over the id', 16, 40],
    ['the data over the header', 20, 0],
    ['the data over the id', 20, 48],
    ['the data over the descriptors', 20, 128],
    ['a value over another', FIRST_DESCRIPTOR + STRIDE + 8, 0],
    ['a value that stands askew', FIRST_DESCRIPTOR + 8, 4],
    ['names without room', 4, 15],
  ])('with %s is invalid', (_, offset, field) => {
    expect(codeOf(() => decodeStatsFile(withField(offset, field), MACHINE_BYTE_ORDER))).toBe('STATS_FILE_INVALID');
  });

  it('with its descriptors in the header is invalid, also where there are none', () => {
    const none = encodeStatsFile({ id: 'kvm-1', stats: [] });
    expect(codeOf(() => decodeStatsFile(none))).toBeUndefined();
    const wrong = withField(16, 0, none);
    expect([codeOf(() => decodeStatsFile(wrong)), looksLikeStatsFile(wrong)]).toEqual(['STATS_FILE_INVALID', false]);
  });

  it.each([
    ['name', FIRST_DESCRIPTOR + 16],
    ['id', 24],
  ])('with a %s that no NUL ends is invalid', (_, offset) => {
    const bytes = encodeStatsFile(ordinary).fill(0x41, offset, offset + 48);
    expect(codeOf(() => decodeStatsFile(bytes))).toBe('STATS_FILE_INVALID');
  });

  it('with a value past its end is truncated', () => {
    expect(codeOf(() => decodeStatsFile(withField(FIRST_DESCRIPTOR + 8, 4096)))).toBe('STATS_FILE_TRUNCATED');
  });

  it('with a name that is no UTF-8 decodes with replaced letters', () => {
    const bytes = encodeStatsFile(ordinary);
    bytes[FIRST_DESCRIPTOR + 16] = 0xff;
    expect(decodeStatsFile(bytes).stats[0]?.name).toBe('\ufffd');
  });

  it('in no plausible byte order is invalid, and no stats file', () => {
    const bytes = new TextEncoder().encode('{ "a": "text of some other kind" }');
    expect(codeOf(() => decodeStatsFile(bytes))).toBe('STATS_FILE_INVALID');
    expect(looksLikeStatsFile(bytes)).toBe(false);
    expect(looksLikeStatsFile(encodeStatsFile({ ...ordinary, byteOrder: otherByteOrder }))).toBe(true);
  });
});

describe('the bounds', () => {
  const many = (count: number, size: number) => ({
    id: 'kvm-1',
    nameSizeBytes: 16,
    stats: Array.from({ length: count }, (_, index) => ({
      name: String(index),
      type: 'cumulative',
      values: new Array<bigint>(size).fill(1n),
    })),
  });

  it('of descriptors hold from both sides', () => {
    expect(decodeStatsFile(encodeStatsFile(many(MAX_DESCRIPTORS, 1))).stats).toHaveLength(MAX_DESCRIPTORS);
    expect(codeOf(() => decodeStatsFile(encodeStatsFile(many(MAX_DESCRIPTORS + 1, 1))))).toBe('STATS_FILE_TOO_LARGE');
  });

  it('of values hold from both sides', () => {
    expect(decodeStatsFile(encodeStatsFile(many(2, 32_768))).stats).toHaveLength(2);
    expect(codeOf(() => decodeStatsFile(encodeStatsFile(many(3, 32_768))))).toBe('STATS_FILE_TOO_LARGE');
  });

  it('of the whole file holds from both sides', () => {
    const { dataOffset } = decodeHeader(encodeStatsFile(ordinary));
    const endingAt = (end: number) => decodeLayout(withField(FIRST_DESCRIPTOR + 8, end - dataOffset - 8));
    const lastEnd = MAX_FILE_SIZE_BYTES - ((MAX_FILE_SIZE_BYTES - dataOffset) % 8);
    expect(endingAt(lastEnd).dataSizeBytes).toBe(lastEnd - dataOffset);
    expect(codeOf(() => endingAt(lastEnd + 8))).toBe('STATS_FILE_TOO_LARGE');
  });

  it('of name sizes hold from both sides', () => {
    const sized = (nameSizeBytes: number) => encodeStatsFile({ ...ordinary, nameSizeBytes });
    const order = MACHINE_BYTE_ORDER;
    expect(codeOf(() => decodeStatsFile(sized(MAX_NAME_SIZE_BYTES), order))).toBeUndefined();
    expect(codeOf(() => decodeStatsFile(sized(MAX_NAME_SIZE_BYTES + 1), order))).toBe('STATS_FILE_TOO_LARGE');
    expect(codeOf(() => decodeStatsFile(sized(16), order))).toBeUndefined();
    expect(codeOf(() => decodeStatsFile(sized(15), order))).toBe('STATS_FILE_INVALID');
  });
});

describe('a layout', () => {
  it('needs no more of the file than its header says', () => {
    const bytes = encodeStatsFile(ordinary);
    const { layoutSizeBytes } = decodeHeader(bytes.subarray(0, 24));
    const layout = decodeLayout(bytes.subarray(0, layoutSizeBytes));
    expect(layout.dataSizeBytes).toBe(40);
    expect(codeOf(() => decodeLayout(bytes.subarray(0, layoutSizeBytes - 1)))).toBe('STATS_FILE_TRUNCATED');
    expect(codeOf(() => decodeValues(layout, new Uint8Array(39)))).toBe('STATS_FILE_TRUNCATED');
  });

  it.each([
    ['kvm-12/vcpu-5', { target: 'vcpu', vcpuId: 5, threadId: 12 }],
    ['kvm-12', { target: 'vm', threadId: 12 }],
    ['', { target: 'vm' }],
    ['kvm-12/vcpu-', { target: 'vm' }],
    ['something', { target: 'vm' }],
  ])('of the id %j knows what it is about', (id, scope) => {
    expect(decodeLayout(encodeStatsFile({ ...ordinary, id })).scope).toStrictEqual(scope);
  });

  it('is the same for another id, and another for other descriptors', () => {
    const layout = decodeLayout(encodeStatsFile(ordinary));
    expect(layout.isSameAs(encodeStatsFile({ ...ordinary, id: 'kvm-8/vcpu-9' }))).toBe(true);
    expect(layout.isSameAs(encodeStatsFile({ ...ordinary, gapSizeBytes: 8 }))).toBe(false);
    const renamed = ordinary.stats.map((each) => ({ ...each, name: `${each.name}2` }));
    expect(layout.isSameAs(encodeStatsFile({ ...ordinary, stats: renamed }))).toBe(false);
    expect(layout.isSameAs(new Uint8Array())).toBe(false);
  });

  it('does not change with the memory that it was decoded from, also where that is a Buffer', () => {
    const bytes = Buffer.from(encodeStatsFile(ordinary));
    const layout = decodeLayout(bytes);
    bytes.fill(0);
    expect(layout.isSameAs(encodeStatsFile(ordinary))).toBe(true);
    expect(layout.stats.map(({ name }) => name)).toStrictEqual(['a', 'b', 'c']);
  });
});

describe('LayoutCache', () => {
  it('decodes descriptors once for all files that have them', () => {
    const cache = new LayoutCache();
    const [first, second] = ['kvm-1/vcpu-0', 'kvm-2/vcpu-1'].map((id) =>
      cache.decode(encodeStatsFile({ ...ordinary, id })),
    );
    expect(second?.stats).toBe(first?.stats);
    expect([first?.id, second?.id]).toStrictEqual(['kvm-1/vcpu-0', 'kvm-2/vcpu-1']);
    const other = cache.decode(encodeStatsFile({ ...ordinary, byteOrder: otherByteOrder }), 'detect');
    expect(other.stats).not.toBe(first?.stats);
    expect(other.stats).toStrictEqual(first?.stats);
  });

  it('refuses a file for the same reason as without it', () => {
    // The id has no end, and the descriptors are cut off.
    const bytes = encodeStatsFile({ ...ordinary, id: 'x'.repeat(47) });
    bytes[71] = 1;
    const cut = bytes.subarray(0, 100);
    expect(codeOf(() => decodeLayout(cut))).toBe('STATS_FILE_TRUNCATED');
    expect(codeOf(() => new LayoutCache().decode(cut))).toBe('STATS_FILE_TRUNCATED');
  });

  it('forgets the oldest beyond its bound', () => {
    const cache = new LayoutCache();
    const fileOf = (index: number) =>
      encodeStatsFile({ id: 'kvm-1', stats: [{ name: `n${index}`, type: 'peak', values: [1n] }] });
    const first = cache.decode(fileOf(0));
    for (let index = 1; index < MAX_CACHED_TABLES; index++) cache.decode(fileOf(index));
    expect(cache.decode(fileOf(0)).stats).toBe(first.stats);
    cache.decode(fileOf(MAX_CACHED_TABLES));
    expect(cache.decode(fileOf(0)).stats).not.toBe(first.stats);
  });
});

it('a lazy reading decodes when it is looked at, once', () => {
  const { layout } = decodeStatsFile(encodeStatsFile(ordinary));
  const data = new Uint8Array(40);
  const reading = lazyReading(layout, data, { via: 'test', collectedAtNs: 1n });
  data.fill(0xff);
  expect(reading.stats[0]).toStrictEqual({ name: 'a', value: U64_MAX });
  expect(reading.stats).toBe(reading.stats);
});

describe('encodeStatsFile refuses', () => {
  const one = (changes: Partial<StatToEncode>): StatsFileDescription => ({
    id: 'kvm-1',
    stats: [{ name: 'a', type: 'instant', values: [1n], ...changes }],
  });

  it.each([
    ['a name without room', one({ name: 'x'.repeat(48) })],
    ['an unknown word', one({ type: 'sometimes' })],
    ['an exponent of 17 bits', one({ exponent: 32768 })],
    ['a negative value', one({ values: [-1n] })],
    ['an incomplete order', { ...one({}), dataOrder: [] }],
  ])('%s', (_, description) => {
    expect(codeOf(() => encodeStatsFile(description))).toBe('USAGE');
  });
});
