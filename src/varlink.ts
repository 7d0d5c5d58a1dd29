/**
 * `virtstat/varlink`: both sides of varlink, free of sockets, with integers of 64 bits exact; a connection to a service; and
 * `org.virtstat.Stats`, which virtstatd serves.
 *
 * ```ts
 * import { VarlinkLink } from 'virtstat/varlink';
 *
 * const link = new VarlinkLink({ kind: 'unix', path: '/run/virtstat/varlink' });
 * const reply = await link.call('org.virtstat.Stats.ListDomains', {}, { signal: AbortSignal.timeout(3000) });
 * link.close();
 * ```
 *
 * @packageDocumentation
 */

export type { StreamAddress, TlsFiles } from './host/stream.ts';
export type { Availability, Domain, Vmm } from './model/domain.ts';
export { type ErrorCode, VirtstatError } from './model/errors.ts';
export type { CallOptions } from './model/provider.ts';
export type { Sample, Staleness, StatEntry, StatValue } from './model/sample.ts';
export type { Schema, StatDescriptor, StatType, StatUnit, UnknownCode } from './model/stat.ts';
export {
  type JsonInput,
  type JsonObject,
  type JsonValue,
  parseJson,
  stringifyJson,
} from './protocol/json/json.ts';
export {
  type CallMethodOptions,
  MAX_PENDING_CALLS,
  VarlinkClient,
  type VarlinkClientOptions,
} from './protocol/varlink/client.ts';
export {
  encodeMessage,
  MAX_MESSAGE_BYTES,
  MAX_MESSAGE_DEPTH,
  type MessageLimits,
  MessageReader,
} from './protocol/varlink/framing.ts';
export type {
  IdlError,
  IdlField,
  IdlInterface,
  IdlMember,
  IdlMethod,
  IdlStruct,
  IdlType,
  IdlTypeMember,
} from './protocol/varlink/idl.ts';
export { formatIdl } from './protocol/varlink/idl-format.ts';
export { parseIdl, VarlinkIdlError } from './protocol/varlink/idl-parse.ts';
export { defineInterface, type VarlinkInterface } from './protocol/varlink/interface.ts';
export {
  decodeCall,
  decodeReply,
  type VarlinkCall,
  VarlinkError,
  type VarlinkParameters,
  type VarlinkReply,
} from './protocol/varlink/messages.ts';
export {
  MAX_CALL_BYTES,
  MAX_WAITING_BYTES,
  VarlinkServer,
  type VarlinkServerOptions,
} from './protocol/varlink/server.ts';
export {
  SERVICE_ERRORS,
  SERVICE_INTERFACE,
  type ServiceInfo,
  type SingleMethod,
  type StreamMethod,
  type VarlinkImplementation,
  type VarlinkRequest,
  VarlinkService,
} from './protocol/varlink/service.ts';
export { decodeAvailability, decodeDomain, decodeSample, decodeSchema } from './protocol/varlink/stats/decode.ts';
export { STATS_INTERFACE } from './protocol/varlink/stats/idl.ts';
export { type CheckOptions, findMismatch, type Mismatch } from './protocol/varlink/types.ts';
export type { Credentials } from './source/virtstat/credentials.ts';
export { VarlinkLink, type VarlinkLinkOptions } from './source/virtstat/link.ts';
