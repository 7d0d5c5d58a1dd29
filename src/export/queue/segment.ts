import type { LockedDirectory, PositionedFile } from '../../host/locked-directory.ts';
import { decodeHeader, decodeRecord, encodeRecord, type QueuedBatch, RECORD_HEADER_BYTES } from './record.ts';

const SUFFIX = '.segment';
const NAME = /^[0-9a-f]{16}\.segment$/;

/** True for the name of a segment; names are in the order of what is in them. */
export function isSegmentName(name: string): boolean {
  return NAME.test(name);
}

/** Where a record stands in a segment. */
interface Place {
  readonly sequence: bigint;
  readonly samples: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** What was found in a segment that somebody else left. */
export interface FoundSegment {
  readonly segment: Segment;
  /** What could not be used of it, and was cut off, in bytes. */
  readonly lostBytes: number;
}

/** A file of records, one behind the other. It keeps in memory where each of those stands that is not acknowledged yet. */
export class Segment {
  readonly name: string;
  readonly #file: PositionedFile;
  #sizeBytes = 0;
  #places: Place[] = [];

  private constructor(name: string, file: PositionedFile) {
    this.name = name;
    this.#file = file;
  }

  /** A new one, whose first record will have this number. Rejects with the system's error. */
  static async create(directory: LockedDirectory, sequence: bigint): Promise<Segment> {
    const name = sequence.toString(16).padStart(16, '0') + SUFFIX;
    const segment = new Segment(name, await directory.openFile(name));
    try {
      await segment.#file.truncate(0);
      directory.sync();
      return segment;
    } catch (error) {
      await segment.close();
      throw error;
    }
  }

  /**
   * One that is there, with its records behind `acknowledged`; it ends before the first one that was not written to its end. With
   * `checkAll` every body is read for that, else only the headers are. Rejects with the system's error.
   */
  static async find(
    directory: LockedDirectory,
    { name, sizeBytes }: { readonly name: string; readonly sizeBytes: number },
    { acknowledged, checkAll }: { readonly acknowledged: bigint; readonly checkAll: boolean },
  ): Promise<FoundSegment> {
    const segment = new Segment(name, await directory.openFile(name));
    let before = BigInt(`0x${name.slice(0, -SUFFIX.length)}`) - 1n;
    for (;;) {
      const header = decodeHeader(await segment.#file.read(segment.#sizeBytes, RECORD_HEADER_BYTES));
      if (header === undefined || header.sequence <= before) break;
      const { sequence, samples, bodyBytes } = header;
      const place = {
        sequence,
        samples,
        offsetBytes: segment.#sizeBytes,
        sizeBytes: RECORD_HEADER_BYTES + bodyBytes,
      };
      if (place.offsetBytes + place.sizeBytes > sizeBytes) break;
      if (checkAll && (await segment.#readAt(place)) === undefined) break;
      if (sequence > acknowledged) segment.#places.push(place);
      segment.#sizeBytes += place.sizeBytes;
      before = sequence;
    }
    const lostBytes = sizeBytes - segment.#sizeBytes;
    if (lostBytes > 0) await segment.#file.truncate(segment.#sizeBytes);
    return { segment, lostBytes };
  }

  /** Of the file. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** How many batches wait in it. */
  get batches(): number {
    return this.#places.length;
  }

  /** How many samples wait in it. */
  get samples(): number {
    return this.#places.reduce((sum, { samples }) => sum + samples, 0);
  }

  /** How many bytes wait in it. */
  get pendingBytes(): number {
    return this.#places.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** The number of the last batch that waits in it. */
  get lastSequence(): bigint | undefined {
    return this.#places.at(-1)?.sequence;
  }

  /**
   * As {@link append}, or with the first ones alone where the disk has no room for all; resolves to how many. Rejects where it
   * has none for one.
   */
  async appendSome(batches: readonly QueuedBatch[]): Promise<number> {
    for (let count = batches.length; ; count = Math.floor(count / 2)) {
      try {
        await this.append(batches.slice(0, count));
        return count;
      } catch (error) {
        if (count <= 1) throw error;
      }
    }
  }

  /**
   * Writes records behind those that are there, and resolves when the disk has them. Rejects with the system's error: then none
   * is there.
   */
  async append(batches: readonly QueuedBatch[]): Promise<void> {
    const records = batches.map(encodeRecord);
    const offsetBytes = this.#sizeBytes;
    try {
      await this.#file.write(Buffer.concat(records), offsetBytes);
      await this.#file.sync();
    } catch (error) {
      // What is left of it would be cut off at the next start.
      await this.#file.truncate(offsetBytes).catch(() => undefined);
      throw error;
    }
    for (const [index, { sequence, samples }] of batches.entries()) {
      const sizeBytes = records[index]?.length ?? 0;
      this.#places.push({ sequence, samples, offsetBytes: this.#sizeBytes, sizeBytes });
      this.#sizeBytes += sizeBytes;
    }
  }

  /**
   * The first batch that waits in it; `lost` where its record is damaged. Undefined where none waits. Rejects with the system's
   * error.
   */
  async first(): Promise<QueuedBatch | { readonly lost: bigint } | undefined> {
    const [place] = this.#places;
    return place && ((await this.#readAt(place)) ?? { lost: place.sequence });
  }

  /** Those up to this number wait no more. */
  acknowledge(sequence: bigint): void {
    const kept = this.#places.findIndex((place) => place.sequence > sequence);
    this.#places = kept < 0 ? [] : this.#places.slice(kept);
  }

  /** Gives the file back. */
  close(): Promise<void> {
    return this.#file.close();
  }

  async #readAt({ offsetBytes, sizeBytes, sequence }: Place): Promise<QueuedBatch | undefined> {
    const batch = decodeRecord(await this.#file.read(offsetBytes, sizeBytes));
    return batch?.sequence === sequence ? batch : undefined;
  }
}
