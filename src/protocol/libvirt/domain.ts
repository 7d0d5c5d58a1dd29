import { Buffer } from 'node:buffer';
import { MAX_STRING_BYTES } from './typed-parameter.ts';
import { INT, struct, text, type XdrCodec } from './xdr-codec.ts';

/** Size of a uuid, in bytes. */
const UUID_BYTES = 16;

/** Most domains in one list. */
export const MAX_DOMAINS = 16384;

/** Which domain is meant, as messages have it. The uuid decides: name and id may be out of date. */
export interface DomainReference {
  readonly name: string;
  /** In lower case, with dashes. */
  readonly uuid: string;
  /** Number of a domain that runs; -1 for one that does not. */
  readonly id: number;
}

/** A uuid: 16 raw bytes in messages, text with dashes here. */
export const UUID: XdrCodec<string> = {
  minBytes: UUID_BYTES,
  decode: (reader) => uuidText(reader.opaque(UUID_BYTES)),
  encode: (writer, uuid) => writer.opaque(Buffer.from(uuid.replaceAll('-', ''), 'hex'), UUID_BYTES),
};

/**
 * A domain:
 *
 * | field | form |
 * | --- | --- |
 * | name | string |
 * | uuid | opaque of 16 bytes |
 * | id | int; -1 where it does not run |
 */
export const DOMAIN: XdrCodec<DomainReference> = struct<DomainReference>({
  name: text(MAX_STRING_BYTES),
  uuid: UUID,
  id: INT,
});

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return parts.join('-');
}
