import { VirtstatError } from '../../model/errors.ts';
import { excerpt } from '../json/json.ts';
import { VIR_ERR_ERROR } from './constants.ts';
import { DOMAIN, type DomainReference, UUID } from './domain.ts';
import { MAX_STRING_BYTES } from './typed-parameter.ts';
import { INT, optional, struct, text, type XdrCodec } from './xdr-codec.ts';

/** A network, as an error may name one. */
export interface NetworkReference {
  readonly name: string;
  readonly uuid: string;
}

/** What the payload of a reply says whose status is an error. */
export interface RemoteError {
  /** VIR_ERR_*. */
  readonly code: number;
  /** Which part of libvirt raised it, VIR_FROM_*. */
  readonly domain: number;
  /** Complete, in English unless the daemon speaks another language. */
  readonly message: string | undefined;
  /** 1 a warning, 2 an error. */
  readonly level: number;
  readonly dom: DomainReference | undefined;
  /** The format that `message` was made with; its spelling differs between versions. */
  readonly str1: string | undefined;
  readonly str2: string | undefined;
  readonly str3: string | undefined;
  readonly int1: number;
  readonly int2: number;
  readonly net: NetworkReference | undefined;
}

const TEXT: XdrCodec<string | undefined> = optional(text(MAX_STRING_BYTES));

/**
 * An error:
 *
 * | field | form |
 * | --- | --- |
 * | code, domain | int |
 * | message | optional string |
 * | level | int |
 * | dom | optional domain |
 * | str1, str2, str3 | optional string |
 * | int1, int2 | int |
 * | net | optional network: string name, opaque uuid of 16 bytes |
 */
export const REMOTE_ERROR: XdrCodec<RemoteError> = struct<RemoteError>({
  code: INT,
  domain: INT,
  message: TEXT,
  level: INT,
  dom: optional(DOMAIN),
  str1: TEXT,
  str2: TEXT,
  str3: TEXT,
  int1: INT,
  int2: INT,
  net: optional(struct<NetworkReference>({ name: text(MAX_STRING_BYTES), uuid: UUID })),
});

/** An error as a server makes it from a code, a domain and a message. */
export function remoteError(code: number, domain: number, message: string): RemoteError {
  const unused = { dom: undefined, str1: '%s', str2: message, str3: undefined, int1: -1, int2: -1, net: undefined };
  return { code, domain, message, level: VIR_ERR_ERROR, ...unused };
}

/** Longest piece of a server's words in a message, in characters. */
export const MAX_SAID = 500;

/** A call that libvirt refused, or that its clients refuse before they send it: LIBVIRT_CALL_FAILED. */
export class LibvirtError extends VirtstatError {
  /** VIR_ERR_*: 42 for a domain that is not there. */
  readonly errorCode: number;
  /** Which part of libvirt raised it, VIR_FROM_*. */
  readonly errorDomain: number;
  /** 1 a warning, 2 an error. */
  readonly errorLevel: number;
  /** What libvirt said, as it said it. */
  readonly errorMessage: string;

  /** `what` was called, by libvirt's name. */
  constructor(what: string, { code, domain, level, message = 'no message' }: RemoteError, options?: ErrorOptions) {
    super(
      'LIBVIRT_CALL_FAILED',
      `libvirt refused ${what}: ${excerpt(message, MAX_SAID)} (code ${code}, domain ${domain})`,
      options,
    );
    this.errorCode = code;
    this.errorDomain = domain;
    this.errorLevel = level;
    this.errorMessage = message;
  }
}
