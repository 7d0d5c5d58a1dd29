import { encodeMessage, MESSAGE_STATUS, MESSAGE_TYPE, PROGRAM, PROGRAM_VERSION } from './message.ts';
import { NOTHING } from './xdr-codec.ts';

/**
 * Keepalive: messages of a program of its own, without serial and payload. Either side may ping at any time; a server pings
 * only clients that asked for the feature PROGRAM_KEEPALIVE.
 */
export const KEEPALIVE = { ping: 1, pong: 2 } as const;

/** A keepalive message as bytes. */
export function encodeKeepalive(procedure: (typeof KEEPALIVE)[keyof typeof KEEPALIVE]): Uint8Array {
  const header = {
    program: PROGRAM.keepalive,
    version: PROGRAM_VERSION,
    procedure,
    type: MESSAGE_TYPE.message,
    serial: 0,
    status: MESSAGE_STATUS.ok,
  };
  return encodeMessage(header, NOTHING, undefined);
}
