import { encodeStatsFile, type StatToEncode } from '../../src/kvm.ts';

/** Numbers that an offset, a count or a size of a hostile file may have. */
const ABSURD: readonly number[] = [1, 7, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff];

const TRUNCATED = /^STATS_FILE_TRUNCATED$/;
const INVALID = /^STATS_FILE_INVALID$/;
const TOO_LARGE = /^STATS_FILE_TOO_LARGE$/;
const INVALID_OR_TOO_LARGE = /^STATS_FILE_(INVALID|TOO_LARGE)$/;

const STATS: readonly StatToEncode[] = [
  { name: 'first', type: 'cumulative', values: [7n] },
  { name: 'second', type: 'log2-histogram', unit: 'seconds', exponent: -9, values: [1n, 2n, 3n] },
];

/** Where the fields of {@link plainFile} stand. */
const NAME_SIZE = 4;
const COUNT = 8;
const ID_OFFSET = 12;
const DESCRIPTORS_OFFSET = 16;
const DATA_OFFSET = 20;
const ID = 24;
const FIRST = 72;
const SECOND = FIRST + 64;

/** A stats file as the kernel writes it, of a VM with two statistics. */
export function plainFile(): Uint8Array {
  return encodeStatsFile({ id: 'kvm-7', stats: STATS, byteOrder: 'little' });
}

/** A file with something wrong in it, and the code of the error that says so. */
export interface HostileFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly code: RegExp;
}

/** Files of which each has one thing wrong. */
export function hostileFiles(): readonly HostileFile[] {
  return [
    ...[0, 1, 23, 24, 71, 72, 100, 199, 200, 207, 231].map((sizeBytes) => ({
      name: `cut-${sizeBytes}`,
      bytes: plainFile().subarray(0, sizeBytes),
      code: TRUNCATED,
    })),
    ...ABSURD.flatMap((value) => [
      changed(`name-size-${value}`, (view) => view.setUint32(NAME_SIZE, value, true), INVALID_OR_TOO_LARGE),
      changed(`id-at-${value}`, (view) => view.setUint32(ID_OFFSET, value, true), INVALID_OR_TOO_LARGE),
      changed(`table-at-${value}`, (view) => view.setUint32(DESCRIPTORS_OFFSET, value, true), INVALID_OR_TOO_LARGE),
      changed(`data-at-${value}`, (view) => view.setUint32(DATA_OFFSET, value, true), INVALID_OR_TOO_LARGE),
      changed(`value-at-${value}`, (view) => view.setUint32(SECOND + 8, value, true), INVALID_OR_TOO_LARGE),
    ]),
    changed('count-max', (view) => view.setUint32(COUNT, 0xffff_ffff, true), TOO_LARGE),
    changed('count-4097', (view) => view.setUint32(COUNT, 4097, true), TOO_LARGE),
    changed('count-3', (view) => view.setUint32(COUNT, 3, true), TRUNCATED),
    changed('size-past-end', (view) => view.setUint16(SECOND + 6, 4, true), TRUNCATED),
    changed('size-max', (view) => view.setUint16(SECOND + 6, 0xffff, true), TRUNCATED),
    changed('offset-past-end', (view) => view.setUint32(SECOND + 8, 4096, true), TRUNCATED),
    changed('values-overlap', (view) => view.setUint32(SECOND + 8, 0, true), INVALID),
    changed('blocks-overlap', (view) => view.setUint32(DESCRIPTORS_OFFSET, ID + 8, true), INVALID),
    changed('data-in-table', (view) => view.setUint32(DATA_OFFSET, FIRST + 8, true), INVALID),
    changed('id-without-nul', (view) => fill(view, ID), INVALID),
    changed('name-without-nul', (view) => fill(view, SECOND + 16), INVALID),
    // Read in its own order the name size is absurd, and in the other one the offsets are.
    changed('mixed-order', (view) => view.setUint32(NAME_SIZE, 48, false), INVALID_OR_TOO_LARGE),
    {
      name: 'noise',
      bytes: Uint8Array.from({ length: 512 }, (_, at) => (at * 167) & 0xff),
      code: INVALID_OR_TOO_LARGE,
    },
    { name: 'zeros', bytes: new Uint8Array(4096), code: INVALID },
    { name: 'ones', bytes: new Uint8Array(4096).fill(0xff), code: INVALID },
  ];
}

function changed(name: string, change: (view: DataView) => void, code: RegExp): HostileFile {
  const bytes = plainFile();
  change(new DataView(bytes.buffer, bytes.byteOffset));
  return { name, bytes, code };
}

function fill(view: DataView, start: number): void {
  for (let at = start; at < start + 48; at++) view.setUint8(at, 0x61);
}
