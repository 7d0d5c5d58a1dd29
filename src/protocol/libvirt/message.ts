import { VirtstatError } from '../../model/errors.ts';
import { ReceivedBytes } from '../received-bytes.ts';
import type { XdrCodec } from './xdr-codec.ts';
import { invalid, XdrReader } from './xdr-reader.ts';
import { XdrWriter } from './xdr-writer.ts';

/** Size of the length and the header, in bytes. */
export const HEADER_BYTES = 28;

/** Longest message, in bytes: libvirt's own limit, 32 MiB and the length. */
export const MAX_MESSAGE_BYTES: number = 32 * 2 ** 20 + 4;

/** Whose procedures a message is about. */
export const PROGRAM = { remote: 0x2000_8086, keepalive: 0x6b65_6570 } as const;

/** The version of every program. */
export const PROGRAM_VERSION = 1;

/** What a message is. */
export const MESSAGE_TYPE = {
  call: 0,
  reply: 1,
  /** An event or a keepalive: nobody waits for it, nobody answers it. */
  message: 2,
  stream: 3,
  callWithFds: 4,
  replyWithFds: 5,
  streamHole: 6,
} as const;

/** How a call went. */
export const MESSAGE_STATUS = { ok: 0, error: 1, continue: 2 } as const;

/**
 * The header of a message, behind its length. All of it is big-endian.
 *
 * | offset | size | field |
 * | --- | --- | --- |
 * | 0 | 4 | length of the message in bytes, these four included |
 * | 4 | 4 | program |
 * | 8 | 4 | version of the program |
 * | 12 | 4 | procedure (int) |
 * | 16 | 4 | type: 0 call, 1 reply, 2 message, 3 stream, 4 and 5 with descriptors, 6 stream hole |
 * | 20 | 4 | serial: the caller's choice, repeated in the reply; 0 in a message |
 * | 24 | 4 | status: 0 ok, 1 error, 2 continue; 0 in a call |
 * | 28 | | payload: arguments of a call, result of a reply, the error of a failed one |
 *
 * Spec: "libvirt RPC infrastructure" in libvirt's documentation.
 */
export interface MessageHeader {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly type: number;
  readonly serial: number;
  readonly status: number;
}

/** A message as it comes. */
export interface Message {
  readonly header: MessageHeader;
  /** A view of what was received. */
  readonly payload: Uint8Array;
}

/**
 * A message as bytes.
 * @throws USAGE for a value that its form cannot hold, FRAME_TOO_LARGE
 */
export function encodeMessage<T>(header: MessageHeader, payload: XdrCodec<T>, value: T): Uint8Array {
  const writer = new XdrWriter();
  writer.uint(0);
  writer.uint(header.program);
  writer.uint(header.version);
  writer.int(header.procedure);
  writer.uint(header.type);
  writer.uint(header.serial);
  writer.uint(header.status);
  payload.encode(writer, value);
  if (writer.length > MAX_MESSAGE_BYTES) throw tooLarge(writer.length);
  writer.setUint(0, writer.length);
  return writer.take();
}

/** The value in the payload of a message, which must hold nothing else. @throws LIBVIRT_MESSAGE_INVALID */
export function decodePayload<T>(payload: Uint8Array, codec: XdrCodec<T>): T {
  const reader = new XdrReader(payload);
  const value = codec.decode(reader);
  reader.end();
  return value;
}

/**
 * Cuts a byte stream into messages. Room is made for what came, not for what a length announces; a length that cannot be
 * true is refused as soon as its four bytes are there.
 */
export class MessageReader {
  readonly #maxMessageBytes: number;
  readonly #received: ReceivedBytes;

  /** A longer message than that is refused; {@link MAX_MESSAGE_BYTES} if absent. */
  constructor(maxMessageBytes: number = MAX_MESSAGE_BYTES) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#received = new ReceivedBytes(maxMessageBytes);
  }

  /** Bytes held for a message that is not complete yet. */
  get heldBytes(): number {
    return this.#received.sizeBytes;
  }

  /** Takes the next bytes of the stream; the chunk is the reader's to keep. */
  push(chunk: Uint8Array): void {
    this.#received.push(chunk);
  }

  /**
   * The next complete message, or undefined until more bytes come. After an error the stream is of no more use.
   * @throws LIBVIRT_MESSAGE_INVALID, FRAME_TOO_LARGE
   */
  next(): Message | undefined {
    const received = this.#received;
    const { bytes, start, sizeBytes: held } = received;
    if (held < 4) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, held);
    const sizeBytes = view.getUint32(0);
    if (sizeBytes < HEADER_BYTES) throw invalid(`it says that it has ${sizeBytes} bytes, less than its header`);
    if (sizeBytes > this.#maxMessageBytes) throw tooLarge(sizeBytes, this.#maxMessageBytes);
    if (held < sizeBytes) return undefined;
    const payload = received.take(sizeBytes).subarray(HEADER_BYTES);
    if (received.sizeBytes === 0) received.clear();
    return { header: headerOf(view), payload };
  }
}

function headerOf(view: DataView): MessageHeader {
  return {
    program: view.getUint32(4),
    version: view.getUint32(8),
    procedure: view.getInt32(12),
    type: view.getUint32(16),
    serial: view.getUint32(20),
    status: view.getUint32(24),
  };
}

function tooLarge(sizeBytes: number, maxBytes: number = MAX_MESSAGE_BYTES): VirtstatError {
  const limit = `the limit is ${maxBytes}; ask for fewer domains or groups at once`;
  return new VirtstatError('FRAME_TOO_LARGE', `a message of libvirt has ${sizeBytes} bytes, ${limit}`);
}
