import fc from 'fast-check';
import type { ErrorCode } from '../../src/model/errors.ts';
import { encodeStatsFile, type StatToEncode } from '../../src/protocol/kvm-stats/encode.ts';
import { MAX_NAME_SIZE_BYTES } from '../../src/protocol/kvm-stats/format.ts';
import { looksLikeStatsFile } from '../../src/protocol/kvm-stats/header.ts';
import { decodeLayout, type Layout } from '../../src/protocol/kvm-stats/layout.ts';
import { LayoutCache } from '../../src/protocol/kvm-stats/layout-cache.ts';
import { type DecodedStatsFile, decodeStatsFile } from '../../src/protocol/kvm-stats/values.ts';
import { Random, seedOf } from '../random.ts';
import { attempt, type FuzzTarget, must, mustEqual } from '../target.ts';

const ERRORS: readonly ErrorCode[] = ['STATS_FILE_TRUNCATED', 'STATS_FILE_INVALID', 'STATS_FILE_TOO_LARGE'];
const ORDERS = ['little', 'big', 'detect'] as const;

/** The parts of a layout that are its own, for comparing. */
function partsOf({ id, scope, stats, places, dataOffset, dataSizeBytes, byteOrder }: Layout): object {
  return { id, scope, stats, places, dataOffset, dataSizeBytes, byteOrder };
}

/** The same content in a file of its own decodes to the same. */
function checkRoundTrip({ layout, stats }: DecodedStatsFile): void {
  const list = (value: (typeof stats)[number]['value']): readonly bigint[] =>
    typeof value === 'object' ? value : [typeof value === 'boolean' ? BigInt(value) : value];
  const again = attempt(
    () =>
      encodeStatsFile({
        id: layout.id,
        stats: layout.stats.map(
          (stat, index) => ({ ...stat, values: list(stats[index]?.value ?? []) }) as StatToEncode,
        ),
        byteOrder: layout.byteOrder,
        nameSizeBytes: MAX_NAME_SIZE_BYTES,
      }),
    ['USAGE'],
  );
  // A name of bytes that are no text is longer when it is written, and may then have no room.
  if ('code' in again) {
    must(
      [layout.id, ...layout.stats.map(({ name }) => name)].some((text) => text.includes('\ufffd')),
      'cannot be written',
    );
    return;
  }
  const { layout: second, stats: values } = decodeStatsFile(again.value);
  mustEqual([second.id, second.scope, second.stats], [layout.id, layout.scope, layout.stats], 'a layout changes');
  mustEqual(values, stats, 'values change');
}

function check(input: Uint8Array): string {
  const words = ORDERS.map((order) => {
    const layout = attempt(() => decodeLayout(input, order), ERRORS);
    const whole = attempt(() => decodeStatsFile(input, order), ERRORS);
    const cache = new LayoutCache();
    for (let turn = 0; turn < 2; turn++) {
      const cached = attempt(() => cache.decode(input, order), ERRORS);
      mustEqual(
        'value' in cached ? partsOf(cached.value) : cached,
        'value' in layout ? partsOf(layout.value) : layout,
        'the cache has another layout',
      );
    }
    if ('code' in whole) return whole.code;
    must('value' in layout && layout.value.isSameAs(input), 'a file has not its own layout');
    if (order !== 'detect') return 'read';
    must(looksLikeStatsFile(input), 'a right file does not look like one');
    checkRoundTrip(whole.value);
    const { layout: found } = whole.value;
    const longer = decodeStatsFile(new Uint8Array(Buffer.concat([input, Uint8Array.of(1, 2, 3)])));
    mustEqual(longer.stats, whole.value.stats, 'what stands behind the data matters');
    const needed = Math.max(found.dataOffset + found.dataSizeBytes, 24);
    const cut = input.subarray(0, new Random(seedOf(input)).below(needed));
    mustEqual(
      attempt(() => decodeStatsFile(cut), ERRORS),
      { code: 'STATS_FILE_TRUNCATED' },
      'a file that was cut',
    );
    return `${Math.min(found.stats.length, 3)} stats`;
  });
  return words.join(' ');
}

const stat: fc.Arbitrary<StatToEncode> = fc.record(
  {
    name: fc.stringMatching(/^[a-z_]{1,15}$/),
    type: fc.constantFrom('cumulative', 'instant', 'peak', 'linear-histogram', 'log2-histogram', 'unknown-9'),
    values: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 4 }),
    unit: fc.constantFrom('bytes', 'seconds', 'cycles', 'boolean', 'unknown-7'),
    base: fc.constantFrom<10 | 2 | 'unknown-3'>(10, 2, 'unknown-3'),
    exponent: fc.integer({ min: -32768, max: 32767 }),
    bucketSize: fc.nat(2 ** 32 - 1),
    holeWords: fc.nat(2),
  },
  { requiredKeys: ['name', 'type', 'values'] },
);

/** The kernel's stats files: header, descriptors and values of whatever was captured, or handed over by a process. */
export const kvmStats: FuzzTarget = {
  name: 'kvm-stats',
  words: [
    ...[
      '\x18\0\0\0',
      '\x30\0\0\0',
      '\0\0\0\x30',
      '\x10\0\0\0',
      '\0\x04\0\0',
      '\0\x10\0\0',
      '\x01\x10\0\0',
      '\0\0\0\x01',
    ],
    ...['kvm-1', 'kvm-1/vcpu-0', '\0', '\xff\xff\xff\xff', '\xf8\xff\xff\xff', '\x08\0\0\0', '\xff\xff', '\0\0\x01\0'],
  ],
  inputs: fc
    .record(
      {
        id: fc.constantFrom('kvm-1', 'kvm-7/vcpu-3', 'other'),
        stats: fc.array(stat, { maxLength: 6 }),
        byteOrder: fc.constantFrom('little', 'big'),
        nameSizeBytes: fc.constantFrom(16, 48),
        gapSizeBytes: fc.constantFrom(0, 8),
      },
      { requiredKeys: ['id', 'stats', 'byteOrder'] },
    )
    .map((description) => encodeStatsFile(description)),
  check,
};
