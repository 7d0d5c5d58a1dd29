import { crc32 } from 'node:zlib';
import type { LockedDirectory, PositionedFile } from '../../host/locked-directory.ts';

const NAME = 'acknowledged';

/**
 * One of the two slots of the file, which are written by turns, in place: whatever happens meanwhile, the other one holds, and
 * a full disk has room for it. Little-endian:
 *
 * | offset | size | field                                            |
 * | ------ | ---- | ------------------------------------------------ |
 * | 0      | 4    | `VSA1`                                           |
 * | 4      | 4    | CRC-32 (zlib's) of what follows                  |
 * | 8      | 8    | number of the last record that was acknowledged  |
 */
const MAGIC = 0x31415356;
const SLOT_BYTES = 16;

/** Up to which record an engine has taken what is in a queue, in a file. */
export class Acknowledged {
  readonly #file: PositionedFile;
  #sequence: bigint;
  #slot: number;

  private constructor(file: PositionedFile, sequence: bigint, slot: number) {
    this.#file = file;
    this.#sequence = sequence;
    this.#slot = slot;
  }

  /** Reads the file, and makes it where it is missing. Rejects with the system's error. */
  static async open(directory: LockedDirectory): Promise<Acknowledged> {
    const file = await directory.openFile(NAME);
    try {
      const bytes = await file.read(0, 2 * SLOT_BYTES);
      const [first, second] = [decodeSlot(bytes.subarray(0, SLOT_BYTES)), decodeSlot(bytes.subarray(SLOT_BYTES))];
      const isFirst = (first ?? -1n) > (second ?? -1n);
      const acknowledged = new Acknowledged(file, (isFirst ? first : second) ?? 0n, isFirst ? 0 : 1);
      // Its room is taken now: later there may be none.
      if (bytes.length < 2 * SLOT_BYTES) await acknowledged.#fill();
      return acknowledged;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Number of the last record that was acknowledged; 0 where none ever was. */
  get sequence(): bigint {
    return this.#sequence;
  }

  /** Resolves when the disk has it. Rejects with the system's error: then the number is the one before. */
  async write(sequence: bigint): Promise<void> {
    const slot = 1 - this.#slot;
    await this.#file.write(encodeSlot(sequence), slot * SLOT_BYTES);
    await this.#file.sync();
    this.#slot = slot;
    this.#sequence = sequence;
  }

  /** Gives the file back. */
  close(): Promise<void> {
    return this.#file.close();
  }

  async #fill(): Promise<void> {
    const slot = encodeSlot(this.#sequence);
    await this.#file.write(Buffer.concat([slot, slot]), 0);
    await this.#file.sync();
  }
}

function encodeSlot(sequence: bigint): Uint8Array {
  const slot = Buffer.allocUnsafe(SLOT_BYTES);
  slot.writeUInt32LE(MAGIC, 0);
  slot.writeBigUInt64LE(sequence, 8);
  slot.writeUInt32LE(crc32(slot.subarray(8)), 4);
  return slot;
}

function decodeSlot(bytes: Uint8Array): bigint | undefined {
  if (bytes.length < SLOT_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== crc32(bytes.subarray(8))) return undefined;
  return view.getBigUint64(8, true);
}
