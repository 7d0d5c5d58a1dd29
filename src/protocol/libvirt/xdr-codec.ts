import { Buffer } from 'node:buffer';
import type { XdrReader } from './xdr-reader.ts';
import type { XdrWriter } from './xdr-writer.ts';

/** How one kind of value is read and written. */
export interface XdrCodec<T> {
  /** The least that a value takes, in bytes. */
  readonly minBytes: number;
  /** @throws LIBVIRT_MESSAGE_INVALID */
  decode(reader: XdrReader): T;
  /** @throws USAGE for a value that its form cannot hold */
  encode(writer: XdrWriter, value: T): void;
}

/** No bytes at all. */
export const NOTHING: XdrCodec<void> = { minBytes: 0, decode: () => undefined, encode: () => undefined };

/** -2^31 to 2^31-1. */
export const INT: XdrCodec<number> = {
  minBytes: 4,
  decode: (reader) => reader.int(),
  encode: (writer, value) => writer.int(value),
};

/** 0 to 2^32-1. */
export const UINT: XdrCodec<number> = {
  minBytes: 4,
  decode: (reader) => reader.uint(),
  encode: (writer, value) => writer.uint(value),
};

/** -2^63 to 2^63-1. */
export const HYPER: XdrCodec<bigint> = {
  minBytes: 8,
  decode: (reader) => reader.hyper(),
  encode: (writer, value) => writer.hyper(value),
};

/** 0 to 2^64-1. */
export const UHYPER: XdrCodec<bigint> = {
  minBytes: 8,
  decode: (reader) => reader.uhyper(),
  encode: (writer, value) => writer.uhyper(value),
};

/** True or false, as 1 or 0. */
export const BOOL: XdrCodec<boolean> = {
  minBytes: 4,
  decode: (reader) => reader.bool(),
  encode: (writer, value) => writer.bool(value),
};

/** Text in UTF-8 of at most `maxBytes`. */
export function text(maxBytes: number): XdrCodec<string> {
  return {
    minBytes: 4,
    decode: (reader) => reader.string(maxBytes),
    encode: (writer, value) => writer.string(value, maxBytes),
  };
}

/**
 * At most `maxCount` bytes that libvirt declares as `char data<N>`: an array, in which each of them takes the four bytes of an
 * int, with a sign where the compiler's char has one.
 */
export function chars(maxCount: number): XdrCodec<Uint8Array> {
  return {
    minBytes: 4,
    decode: (reader) => Uint8Array.from({ length: reader.count(maxCount, 4) }, () => reader.int()),
    encode: (writer, bytes) => {
      writer.count(bytes.length, maxCount);
      for (const byte of Int8Array.from(bytes)) writer.int(byte);
    },
  };
}

/**
 * Exactly `count` bytes that libvirt declares as `char data[N]`: each takes four bytes. Text in them ends with zeros, of which
 * there is at least one.
 */
export function fixedChars(count: number): XdrCodec<string> {
  return {
    minBytes: 4 * count,
    decode: (reader) => {
      const bytes = Uint8Array.from({ length: count }, () => reader.int());
      const end = bytes.indexOf(0);
      return Buffer.from(bytes.subarray(0, end < 0 ? count - 1 : end)).toString('utf8');
    },
    encode: (writer, value) => {
      const bytes = Int8Array.from(Buffer.from(value).subarray(0, count - 1));
      for (let index = 0; index < count; index++) writer.int(bytes[index] ?? 0);
    },
  };
}

/** A value that may be absent. */
export function optional<T>({ decode, encode }: XdrCodec<T>): XdrCodec<T | undefined> {
  return {
    minBytes: 4,
    decode: (reader) => (reader.bool() ? decode(reader) : undefined),
    encode: (writer, value) => {
      writer.bool(value !== undefined);
      if (value !== undefined) encode(writer, value);
    },
  };
}

/** At most `maxCount` values. */
export function list<T>(maxCount: number, { minBytes, decode, encode }: XdrCodec<T>): XdrCodec<readonly T[]> {
  return {
    minBytes: 4,
    decode: (reader) => {
      const count = reader.count(maxCount, minBytes);
      const items: T[] = [];
      for (let index = 0; index < count; index++) items.push(decode(reader));
      return items;
    },
    encode: (writer, items) => {
      writer.count(items.length, maxCount);
      for (const item of items) encode(writer, item);
    },
  };
}

/** Several values one after the other, in the order of `fields`. */
export function struct<T extends object>(fields: { readonly [K in keyof T]-?: XdrCodec<T[K]> }): XdrCodec<T> {
  const entries = (Object.keys(fields) as (keyof T)[]).map((name) => [name, fields[name]] as const);
  return {
    minBytes: entries.reduce((sum, [, { minBytes }]) => sum + minBytes, 0),
    decode: (reader) => {
      const value: Partial<T> = {};
      for (const [name, codec] of entries) value[name] = codec.decode(reader);
      return value as T;
    },
    encode: (writer, value) => {
      for (const [name, codec] of entries) codec.encode(writer, value[name]);
    },
  };
}
