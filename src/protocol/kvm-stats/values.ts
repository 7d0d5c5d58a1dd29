import type { PackedForm, PackedStats, Reading, StatEntry, StatValue } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { IS_LITTLE_ENDIAN } from '../../model/u64.ts';
import { truncated, VALUE_SIZE_BYTES } from './format.ts';
import type { ByteOrderChoice } from './header.ts';
import { decodeLayout, type Layout, type Place } from './layout.ts';

/**
 * Decodes a data block: `layout.dataSizeBytes` bytes from `layout.dataOffset` of the file. A boolean of one value is a
 * `boolean` (any number but 0 is true), another single value a `bigint`, everything else a list in the kernel's order.
 * @throws STATS_FILE_TRUNCATED where `data` is shorter
 */
export function decodeValues(layout: Layout, data: Uint8Array): readonly StatEntry[] {
  if (data.length < layout.dataSizeBytes) throw truncated('its data block', layout.dataSizeBytes, data.length);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const little = layout.byteOrder === 'little';
  return layout.stats.map((stat, index) => ({
    name: stat.name,
    value: decodeValue(view, stat, layout.places[index]!, little),
  }));
}

function decodeValue(view: DataView, stat: StatDescriptor, place: Place, little: boolean): StatValue {
  const { offsetBytes, size } = place;
  if (size !== 1) return decodeList(view, offsetBytes, size, little);
  const value = decodeWord(view, offsetBytes, little);
  return stat.unit === 'boolean' ? value !== 0n : value;
}

/** A plain loop: histograms are most of what a file holds, and a mapping function costs as much as the reading. */
function decodeList(view: DataView, offsetBytes: number, size: number, little: boolean): readonly bigint[] {
  const values = new Array<bigint>(size);
  for (let index = 0; index < size; index++) {
    values[index] = decodeWord(view, offsetBytes + index * VALUE_SIZE_BYTES, little);
  }
  return values;
}

/** Every bigint that is read is an object of its own; most buckets hold 0, which need not be. */
function decodeWord(view: DataView, offsetBytes: number, little: boolean): bigint {
  const isZero = view.getUint32(offsetBytes, little) === 0 && view.getUint32(offsetBytes + 4, little) === 0;
  return isZero ? 0n : view.getBigUint64(offsetBytes, little);
}

/** What a reading says besides its values. */
type Facts = Omit<Reading, 'stats' | 'packed'>;

/** A reading of a data block that nobody changes any more: its values are decoded when they are first looked at, once. */
export function lazyReading(layout: Layout, data: Uint8Array, facts: Facts): Reading {
  return new LazyReading(layout, data, facts);
}

/**
 * A class and not an object with a getter of its own, which would cost the engine a hidden class for every reading, and
 * several times the decoding.
 */
class LazyReading implements Reading, PackedStats {
  declare readonly path?: string;
  readonly via: string;
  readonly collectedAtNs: bigint;
  readonly bytes: Uint8Array;
  readonly #layout: Layout;
  #stats: readonly StatEntry[] | undefined;

  constructor(layout: Layout, bytes: Uint8Array, { path, via, collectedAtNs }: Facts) {
    if (path !== undefined) this.path = path;
    this.via = via;
    this.collectedAtNs = collectedAtNs;
    this.bytes = bytes;
    this.#layout = layout;
  }

  get stats(): readonly StatEntry[] {
    this.#stats ??= decodeValues(this.#layout, this.bytes);
    return this.#stats;
  }

  /** One object less for each of hundreds of thousands of readings. */
  get packed(): PackedStats | undefined {
    return this.#layout.byteOrder === 'little' && IS_LITTLE_ENDIAN ? this : undefined;
  }

  get form(): PackedForm {
    return this.#layout.form;
  }
}

/** The data block of a whole file. @throws STATS_FILE_TRUNCATED where the file ends before it does */
export function dataBlockOf(layout: Layout, file: Uint8Array): Uint8Array {
  const end = layout.dataOffset + layout.dataSizeBytes;
  if (file.length < end) throw truncated('its data block', end, file.length);
  return file.subarray(layout.dataOffset, end);
}

/** A stats file, decoded whole. */
export interface DecodedStatsFile {
  readonly layout: Layout;
  readonly stats: readonly StatEntry[];
}

/**
 * Decodes the bytes of a whole stats file, from this machine or another.
 * @throws STATS_FILE_TRUNCATED, STATS_FILE_TOO_LARGE, STATS_FILE_INVALID
 */
export function decodeStatsFile(file: Uint8Array, byteOrder: ByteOrderChoice = 'detect'): DecodedStatsFile {
  const layout = decodeLayout(file, byteOrder);
  return { layout, stats: decodeValues(layout, dataBlockOf(layout, file)) };
}
