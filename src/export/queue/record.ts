import { crc32 } from 'node:zlib';

/**
 * A record of a queue's segment, little-endian:
 *
 * | offset | size | field                                                        |
 * | ------ | ---- | ------------------------------------------------------------ |
 * | 0      | 4    | `VSQ1`                                                       |
 * | 4      | 4    | CRC-32 (zlib's) of everything from offset 8 on               |
 * | 8      | 4    | size of the body in bytes                                    |
 * | 12     | 4    | how many samples the body has                                |
 * | 16     | 8    | number of the record; each is larger than the one before it  |
 * | 24     | …    | the body: what is sent, byte by byte                         |
 */
const MAGIC = 0x31515356;

/** Size of what stands before a body, in bytes. */
export const RECORD_HEADER_BYTES = 24;

/** The largest body, in bytes. */
export const MAX_BODY_BYTES: number = 32 << 20;

/** What a request of an engine carries, ready to be sent. */
export interface Batch {
  readonly body: Uint8Array;
  readonly samples: number;
}

/** A batch with its place in the queue. */
export interface QueuedBatch extends Batch {
  readonly sequence: bigint;
}

/** What a header says of its record. */
export interface RecordHeader {
  readonly checksum: number;
  readonly bodyBytes: number;
  readonly samples: number;
  readonly sequence: bigint;
}

/** How much room a batch takes, in bytes. */
export function recordBytes({ body }: Batch): number {
  return RECORD_HEADER_BYTES + body.length;
}

/** The whole record. */
export function encodeRecord({ body, samples, sequence }: QueuedBatch): Uint8Array {
  const record = Buffer.allocUnsafe(RECORD_HEADER_BYTES + body.length);
  record.writeUInt32LE(MAGIC, 0);
  record.writeUInt32LE(body.length, 8);
  record.writeUInt32LE(samples, 12);
  record.writeBigUInt64LE(sequence, 16);
  record.set(body, RECORD_HEADER_BYTES);
  record.writeUInt32LE(crc32(record.subarray(8)), 4);
  return record;
}

/** What stands before a body; undefined where it is no header, or says more than the bound. */
export function decodeHeader(bytes: Uint8Array): RecordHeader | undefined {
  if (bytes.length < RECORD_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bodyBytes = view.getUint32(8, true);
  if (view.getUint32(0, true) !== MAGIC || bodyBytes > MAX_BODY_BYTES) return undefined;
  return {
    checksum: view.getUint32(4, true),
    bodyBytes,
    samples: view.getUint32(12, true),
    sequence: view.getBigUint64(16, true),
  };
}

/** The batch of a whole record; undefined where it is not what was written. */
export function decodeRecord(bytes: Uint8Array): QueuedBatch | undefined {
  const header = decodeHeader(bytes);
  if (header === undefined || bytes.length !== RECORD_HEADER_BYTES + header.bodyBytes) return undefined;
  if (crc32(bytes.subarray(8)) !== header.checksum) return undefined;
  return { body: bytes.subarray(RECORD_HEADER_BYTES), samples: header.samples, sequence: header.sequence };
}
