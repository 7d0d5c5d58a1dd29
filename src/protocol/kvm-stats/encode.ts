import { VirtstatError } from '../../model/errors.ts';
import type { StatDescriptor, UnknownCode } from '../../model/stat.ts';
import { U64_MAX } from '../../model/u64.ts';
import {
  type ByteOrder,
  DESCRIPTOR_FIXED_BYTES,
  encodeFlags,
  HEADER_SIZE_BYTES,
  MACHINE_BYTE_ORDER,
  USUAL_NAME_SIZE_BYTES,
  VALUE_SIZE_BYTES,
} from './format.ts';

/** One of the blocks that follow the header. */
export type BlockName = 'id' | 'descriptors' | 'data';

/** A statistic to be written. */
export interface StatToEncode extends Pick<StatDescriptor, 'name' | 'type' | 'unit' | 'bucketSize'> {
  /** 10 if absent. */
  readonly base?: number | UnknownCode;
  /** -32768 to 32767; 0 if absent. */
  readonly exponent?: number;
  /** 0 to 65535 of them, each 0 to 2^64-1. */
  readonly values: readonly bigint[];
  /** Words left free in the data block before these values; 0 if absent. */
  readonly holeWords?: number;
}

/** A stats file to be written. What is absent is as current kernels have it. */
export interface StatsFileDescription {
  /** `kvm-N` or `kvm-N/vcpu-M`. */
  readonly id: string;
  /** In the order of their descriptors. */
  readonly stats: readonly StatToEncode[];
  /** Indexes of `stats` in the order of their values; that of the descriptors if absent. */
  readonly dataOrder?: readonly number[];
  readonly byteOrder?: ByteOrder;
  readonly nameSizeBytes?: number;
  /** In the order in which they follow the header. */
  readonly blockOrder?: readonly BlockName[];
  /** Free bytes before each block. */
  readonly gapSizeBytes?: number;
}

/**
 * Writes a stats file as the kernel would: for tests and fake peers. It can write everything that the format can say, also
 * what no kernel of today does.
 * @throws USAGE for what the format has no room for
 */
export function encodeStatsFile(description: StatsFileDescription): Uint8Array<ArrayBuffer> {
  const { stats, byteOrder = MACHINE_BYTE_ORDER, nameSizeBytes = USUAL_NAME_SIZE_BYTES } = description;
  const stride = DESCRIPTOR_FIXED_BYTES + nameSizeBytes;
  const data = placeValues(description);
  const sizes = { id: nameSizeBytes, descriptors: stride * stats.length, data: data.sizeBytes };
  const blocks = placeBlocks(description, sizes);
  const file = new Uint8Array(blocks.fileSizeBytes);
  const view = new DataView(file.buffer);
  const little = byteOrder === 'little';
  const header = [0, nameSizeBytes, stats.length, blocks.starts.id, blocks.starts.descriptors, blocks.starts.data];
  for (const [index, field] of header.entries()) view.setUint32(index * 4, field, little);
  writeText(file, blocks.starts.id, nameSizeBytes, description.id);
  for (const [index, stat] of stats.entries()) {
    const offsetBytes = data.offsets[index]!;
    const start = blocks.starts.descriptors + index * stride;
    writeDescriptor(view, start, stat, offsetBytes, little);
    writeText(file, start + DESCRIPTOR_FIXED_BYTES, nameSizeBytes, stat.name);
    writeValues(view, blocks.starts.data + offsetBytes, stat.values, little);
  }
  return file;
}

function placeValues({ stats, dataOrder = [...stats.keys()] }: StatsFileDescription): {
  readonly offsets: readonly number[];
  readonly sizeBytes: number;
} {
  if (new Set(dataOrder).size !== stats.length || !dataOrder.every((index) => stats[index] !== undefined)) {
    throw new VirtstatError('USAGE', 'dataOrder must name the index of every statistic once');
  }
  const offsets = new Array<number>(stats.length);
  let sizeBytes = 0;
  for (const index of dataOrder) {
    const { holeWords = 0, values } = stats[index]!;
    offsets[index] = sizeBytes + holeWords * VALUE_SIZE_BYTES;
    sizeBytes = offsets[index] + values.length * VALUE_SIZE_BYTES;
  }
  return { offsets, sizeBytes };
}

function placeBlocks(
  { blockOrder = ['id', 'descriptors', 'data'], gapSizeBytes = 0 }: StatsFileDescription,
  sizes: Readonly<Record<BlockName, number>>,
): { readonly starts: Readonly<Record<BlockName, number>>; readonly fileSizeBytes: number } {
  const starts = { id: 0, descriptors: 0, data: 0 };
  let end = HEADER_SIZE_BYTES;
  for (const block of blockOrder) {
    starts[block] = end + gapSizeBytes;
    end = starts[block] + sizes[block];
  }
  return { starts, fileSizeBytes: end };
}

function writeDescriptor(view: DataView, start: number, stat: StatToEncode, offset: number, little: boolean): void {
  const { exponent = 0, values, bucketSize = 0 } = stat;
  if (exponent < -32768 || exponent > 32767) throw new VirtstatError('USAGE', `exponent ${exponent} exceeds 16 bits`);
  if (values.length > 0xffff) throw new VirtstatError('USAGE', `${stat.name} has more than 65535 values`);
  view.setUint32(start, encodeFlags({ type: stat.type, unit: stat.unit, base: stat.base ?? 10 }), little);
  view.setInt16(start + 4, exponent, little);
  view.setUint16(start + 6, values.length, little);
  view.setUint32(start + 8, offset, little);
  view.setUint32(start + 12, bucketSize, little);
}

function writeValues(view: DataView, start: number, values: readonly bigint[], little: boolean): void {
  for (const [index, value] of values.entries()) {
    if (value < 0n || value > U64_MAX) throw new VirtstatError('USAGE', `${value} is no unsigned 64-bit number`);
    view.setBigUint64(start + index * VALUE_SIZE_BYTES, value, little);
  }
}

/** Text and a NUL after it, in a place of `sizeBytes`. */
function writeText(file: Uint8Array, start: number, sizeBytes: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length >= sizeBytes) throw new VirtstatError('USAGE', `${text} has no room in ${sizeBytes} bytes`);
  file.set(bytes, start);
}
