import {
  type ByteOrder,
  DESCRIPTOR_FIXED_BYTES,
  HEADER_SIZE_BYTES,
  invalid,
  MACHINE_BYTE_ORDER,
  MAX_DESCRIPTORS,
  MAX_FILE_SIZE_BYTES,
  MAX_NAME_SIZE_BYTES,
  MIN_NAME_SIZE_BYTES,
  tooLarge,
  truncated,
} from './format.ts';

/**
 * The header of a stats file, at its start. The three blocks that it points to may stand in any order, with holes.
 *
 * | offset | size | field                                         |
 * | ------ | ---- | --------------------------------------------- |
 * | 0      | u32  | flags, 0 today                                |
 * | 4      | u32  | size of a name, and of the id block, in bytes |
 * | 8      | u32  | number of descriptors                         |
 * | 12     | u32  | offset of the id block                        |
 * | 16     | u32  | offset of the descriptors                     |
 * | 20     | u32  | offset of the data block                      |
 */
export interface Header {
  readonly byteOrder: ByteOrder;
  readonly nameSizeBytes: number;
  readonly descriptorCount: number;
  readonly id: Block;
  readonly descriptors: Block;
  /** How long the data block is stands only in the descriptors. */
  readonly dataOffset: number;
  /** How much of the file, from its start, the layout needs: header, id and all descriptors. */
  readonly layoutSizeBytes: number;
}

/** A run of bytes of the file. */
export interface Block {
  /** As errors call it. */
  readonly name: string;
  readonly start: number;
  /** First offset after it. */
  readonly end: number;
}

/** In which byte order to read a file; `detect` takes the one in which its header is plausible. */
export type ByteOrderChoice = ByteOrder | 'detect';

/**
 * Decodes and checks the first 24 bytes of a stats file.
 * @throws STATS_FILE_TRUNCATED with fewer bytes, STATS_FILE_TOO_LARGE beyond the bounds of format.ts, STATS_FILE_INVALID
 * where blocks overlap or names have no room
 */
export function decodeHeader(file: Uint8Array, choice: ByteOrderChoice = MACHINE_BYTE_ORDER): Header {
  if (file.length < HEADER_SIZE_BYTES) throw truncated('its header', HEADER_SIZE_BYTES, file.length);
  const byteOrder = choice === 'detect' ? plausibleByteOrder(file) : choice;
  if (byteOrder === undefined) throw invalid('the file is no KVM stats file: its header is plausible in no byte order');
  const field = fieldReader(file, byteOrder);
  const nameSizeBytes = field(4);
  const descriptorCount = field(8);
  checkBounds(nameSizeBytes, descriptorCount);
  const id = blockAt('the id block', field(12), nameSizeBytes);
  const descriptors = blockAt('the descriptors', field(16), descriptorCount * (DESCRIPTOR_FIXED_BYTES + nameSizeBytes));
  const data = blockAt('the data block', field(20), 0);
  checkApart([HEADER_BLOCK, id, descriptors]);
  // Blocks without a byte overlap nothing.
  for (const { name, start } of [descriptors, data]) {
    if (start < HEADER_SIZE_BYTES) throw invalid(`in the stats file ${name} begins inside the header`);
  }
  const layoutSizeBytes = Math.max(HEADER_SIZE_BYTES, id.end, descriptors.end);
  return { byteOrder, nameSizeBytes, descriptorCount, id, descriptors, dataOffset: data.start, layoutSizeBytes };
}

/** True where the bytes begin as a stats file does, in either byte order; says nothing about the rest. */
export function looksLikeStatsFile(file: Uint8Array): boolean {
  if (file.length < HEADER_SIZE_BYTES) return false;
  const byteOrder = plausibleByteOrder(file);
  if (byteOrder === undefined) return false;
  const field = fieldReader(file, byteOrder);
  const starts = [field(12), field(16), field(20)];
  return field(8) <= MAX_DESCRIPTORS && starts.every((at) => at >= HEADER_SIZE_BYTES && at <= MAX_FILE_SIZE_BYTES);
}

/** A block from where it starts and how long it is, inside the bound for a whole file. */
export function blockAt(name: string, start: number, sizeBytes: number): Block {
  const end = start + sizeBytes;
  if (end > MAX_FILE_SIZE_BYTES) throw tooLarge(`bytes up to the end of ${name}`, end, MAX_FILE_SIZE_BYTES);
  return { name, start, end };
}

/** Refuses blocks that share a byte; an empty block shares none. */
export function checkApart(blocks: readonly Block[]): void {
  const sorted = blocks.filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
  for (const [index, block] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next !== undefined && next.start < block.end) {
      throw invalid(`in the stats file ${block.name} and ${next.name} overlap at offset ${next.start}`);
    }
  }
}

/** The header as a block among the others. */
export const HEADER_BLOCK: Block = { name: 'the header', start: 0, end: HEADER_SIZE_BYTES };

function checkBounds(nameSizeBytes: number, descriptorCount: number): void {
  if (nameSizeBytes > MAX_NAME_SIZE_BYTES) throw tooLarge('bytes for a name', nameSizeBytes, MAX_NAME_SIZE_BYTES);
  if (nameSizeBytes < MIN_NAME_SIZE_BYTES) {
    throw invalid(`the stats file announces ${nameSizeBytes} bytes for a name, fewer than ${MIN_NAME_SIZE_BYTES}`);
  }
  if (descriptorCount > MAX_DESCRIPTORS) throw tooLarge('descriptors', descriptorCount, MAX_DESCRIPTORS);
}

/** At most one order passes: a name size within its bounds exceeds them with its bytes swapped. */
function plausibleByteOrder(file: Uint8Array): ByteOrder | undefined {
  return (['little', 'big'] as const).find((byteOrder) => {
    const nameSizeBytes = fieldReader(file, byteOrder)(4);
    return nameSizeBytes >= MIN_NAME_SIZE_BYTES && nameSizeBytes <= MAX_NAME_SIZE_BYTES;
  });
}

function fieldReader(file: Uint8Array, byteOrder: ByteOrder): (offset: number) => number {
  const view = new DataView(file.buffer, file.byteOffset, HEADER_SIZE_BYTES);
  return (offset) => view.getUint32(offset, byteOrder === 'little');
}
