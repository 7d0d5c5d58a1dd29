import { Buffer } from 'node:buffer';
import { VirtstatError } from '../../model/errors.ts';
import { XDR_UNIT_BYTES } from './xdr-reader.ts';

const FIRST_BYTES = 256;

/**
 * Writes XDR, in the forms that `XdrReader` describes. A value that its form cannot hold is a mistake of the caller, not of a
 * peer: USAGE.
 *
 * Spec: RFC 4506.
 */
export class XdrWriter {
  #bytes: Buffer = Buffer.alloc(FIRST_BYTES);
  #view: DataView = viewOf(this.#bytes);
  #length = 0;

  /** Bytes that were written. */
  get length(): number {
    return this.#length;
  }

  /** Takes what was written; the writer is of no more use. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** -2^31 to 2^31-1. */
  int(value: number): void {
    if ((value | 0) !== value) throw unfit(`${value} is no int`);
    const at = this.#grow(4);
    this.#view.setInt32(at, value);
  }

  /** 0 to 2^32-1. */
  uint(value: number): void {
    if (value >>> 0 !== value) throw unfit(`${value} is no unsigned int`);
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
  }

  /** Replaces an unsigned int that was written before. */
  setUint(offset: number, value: number): void {
    this.#view.setUint32(offset, value);
  }

  /** -2^63 to 2^63-1. */
  hyper(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) throw unfit(`${value} is no hyper`);
    const at = this.#grow(8);
    this.#view.setBigInt64(at, value);
  }

  /** 0 to 2^64-1. */
  uhyper(value: bigint): void {
    if (BigInt.asUintN(64, value) !== value) throw unfit(`${value} is no unsigned hyper`);
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value);
  }

  /** A double of IEEE 754. */
  double(value: number): void {
    const at = this.#grow(8);
    this.#view.setFloat64(at, value);
  }

  /** 0 or 1. */
  bool(value: boolean): void {
    this.uint(value ? 1 : 0);
  }

  /** Bytes of a fixed size. */
  opaque(bytes: Uint8Array, sizeBytes: number): void {
    if (bytes.length !== sizeBytes) throw unfit(`${bytes.length} bytes are not ${sizeBytes}`);
    const at = this.#growPadded(sizeBytes);
    this.#bytes.set(bytes, at);
  }

  /** Text in UTF-8, of a bounded size in bytes. */
  string(text: string, maxBytes: number): void {
    const sizeBytes = Buffer.byteLength(text);
    this.#announce(sizeBytes, maxBytes);
    const at = this.#growPadded(sizeBytes);
    this.#bytes.write(text, at, 'utf8');
  }

  /** The count of an array. */
  count(count: number, maxCount: number): void {
    if (count > maxCount) throw unfit(`an array has ${count} items, more than ${maxCount}`);
    this.uint(count);
  }

  #announce(sizeBytes: number, maxBytes: number): void {
    if (sizeBytes > maxBytes) throw unfit(`${sizeBytes} bytes stand where at most ${maxBytes} may be`);
    this.uint(sizeBytes);
  }

  #growPadded(sizeBytes: number): number {
    return this.#grow(sizeBytes + (-sizeBytes & (XDR_UNIT_BYTES - 1)));
  }

  /** Makes room and says where; what is written to may be another buffer than before. */
  #grow(sizeBytes: number): number {
    const start = this.#length;
    this.#length += sizeBytes;
    if (this.#length > this.#bytes.length) {
      // New room is zero, and so is the padding in it.
      const grown = Buffer.alloc(Math.max(2 * this.#bytes.length, this.#length));
      grown.set(this.#bytes.subarray(0, start));
      this.#bytes = grown;
      this.#view = viewOf(grown);
    }
    return start;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function unfit(why: string): VirtstatError {
  return new VirtstatError('USAGE', `a message for libvirt cannot be written: ${why}`);
}
