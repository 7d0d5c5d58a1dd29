import { Buffer } from 'node:buffer';
import { VirtstatError } from '../../model/errors.ts';

/** Every item of XDR takes a multiple of these bytes. */
export const XDR_UNIT_BYTES = 4;

/** What a peer sent is not what the protocol promises. */
export function invalid(why: string): VirtstatError {
  return new VirtstatError('LIBVIRT_MESSAGE_INVALID', `a message of libvirt is not understood: ${why}`);
}

/**
 * Reads XDR: big-endian items, each padded with zeros to a multiple of four bytes. Nothing that a length announces is read or
 * made room for before it is known to be there. Every method raises LIBVIRT_MESSAGE_INVALID for what does not fit.
 *
 * | item | bytes |
 * | --- | --- |
 * | int, unsigned int, enum, bool | 4 |
 * | hyper, unsigned hyper, double | 8 |
 * | opaque of fixed size | as many, and padding |
 * | string | unsigned int length, as many, and padding |
 * | optional | unsigned int 0, or 1 and the item |
 * | array | unsigned int count, and as many items |
 *
 * Spec: RFC 4506.
 */
export class XdrReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #end: number;
  #at = 0;

  /** The bytes must not change while they are read. */
  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.byteLength;
  }

  /** Bytes that were not read yet. */
  get remaining(): number {
    return this.#end - this.#at;
  }

  /** -2^31 to 2^31-1. */
  int(): number {
    return this.#view.getInt32(this.#skip(4));
  }

  /** 0 to 2^32-1. */
  uint(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  /** -2^63 to 2^63-1. */
  hyper(): bigint {
    return this.#view.getBigInt64(this.#skip(8));
  }

  /** 0 to 2^64-1. */
  uhyper(): bigint {
    return this.#view.getBigUint64(this.#skip(8));
  }

  /** A double of IEEE 754; infinities and NaN pass. */
  double(): number {
    return this.#view.getFloat64(this.#skip(8));
  }

  /** 0 or 1; everything else is refused. */
  bool(): boolean {
    const value = this.uint();
    if (value > 1) throw this.#wrong(`${value} is neither true nor false`);
    return value === 1;
  }

  /** Bytes of a fixed size: a view, which lives as long as what is read. */
  opaque(sizeBytes: number): Uint8Array {
    const start = this.#skipPadded(sizeBytes);
    return this.#bytes.subarray(start, start + sizeBytes);
  }

  /** Text in UTF-8, of a bounded size in bytes; what is no UTF-8 in it reads as U+FFFD. */
  string(maxBytes: number): string {
    const sizeBytes = this.#length(maxBytes);
    const start = this.#skipPadded(sizeBytes);
    return this.#bytes.toString('utf8', start, start + sizeBytes);
  }

  /** The count of an array whose items take at least `minItemBytes` each, so that a count that cannot be true is refused. */
  count(maxCount: number, minItemBytes: number): number {
    const count = this.uint();
    if (count > maxCount) throw this.#wrong(`an array has ${count} items, more than ${maxCount}`);
    if (count * minItemBytes > this.remaining) throw this.#wrong(`an array of ${count} items ends early`);
    return count;
  }

  /** Makes sure that everything was read. */
  end(): void {
    if (this.remaining > 0) throw this.#wrong(`${this.remaining} bytes follow`);
  }

  #length(maxBytes: number): number {
    const sizeBytes = this.uint();
    if (sizeBytes > maxBytes) throw this.#wrong(`${sizeBytes} bytes are announced where at most ${maxBytes} may be`);
    return sizeBytes;
  }

  #skip(sizeBytes: number): number {
    const start = this.#at;
    if (sizeBytes > this.#end - start) throw this.#wrong('it ends early');
    this.#at = start + sizeBytes;
    return start;
  }

  #skipPadded(sizeBytes: number): number {
    const padding = -sizeBytes & (XDR_UNIT_BYTES - 1);
    const start = this.#skip(sizeBytes + padding);
    for (let at = this.#at - padding; at < this.#at; at++) {
      if (this.#bytes[at] !== 0) throw this.#wrong('padding is not zero');
    }
    return start;
  }

  #wrong(why: string): VirtstatError {
    return invalid(`${why} (at byte ${this.#at} of ${this.#end})`);
  }
}
