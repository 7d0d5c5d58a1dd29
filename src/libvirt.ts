/**
 * `virtstat/libvirt`: libvirt's bulk domain statistics without libvirt, with the names of libvirt's own bindings and no digit
 * lost: of a libvirt daemon on this host or another one, and of every other source of virtstat's.
 *
 * ```ts
 * import { openReadOnly, VIR_DOMAIN_STATS_BALLOON, VIR_DOMAIN_STATS_STATE } from 'virtstat/libvirt';
 *
 * await using connection = await openReadOnly('qemu:///system'); // or 'local:', 'virtstat+unix:/run/virtstat/varlink', …
 * for (const { domain, params } of await connection.getAllDomainStats(VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_BALLOON)) {
 *   for (const { field, type, value } of params) console.log(domain.name, field, type, value);
 * }
 * ```
 *
 * @packageDocumentation
 */

export { connectRegistry, type RegistryConnectionOptions } from './face/libvirt/registry-link.ts';
export { type ErrorCode, VirtstatError } from './model/errors.ts';
export { type OpenReadOnlyOptions, openReadOnly } from './open-read-only.ts';
export * from './protocol/libvirt/constants.ts';
export { type DomainReference, MAX_DOMAINS } from './protocol/libvirt/domain.ts';
export { type DomainStatsRecord, type DomainStatsRequest, MAX_PARAMETERS } from './protocol/libvirt/domain-stats.ts';
export { formatDomStats } from './protocol/libvirt/domstats-text.ts';
export { LibvirtError, type NetworkReference, type RemoteError } from './protocol/libvirt/error.ts';
export { MAX_MESSAGE_BYTES } from './protocol/libvirt/message.ts';
export { type OpeningOptions, openDriver } from './protocol/libvirt/opening.ts';
export type { Procedure } from './protocol/libvirt/procedure.ts';
export * from './protocol/libvirt/procedures.ts';
export type { SaslCredentials } from './protocol/libvirt/sasl-mechanism.ts';
export {
  LibvirtSession,
  type LibvirtSessionOptions,
  MAX_CALLS_IN_FLIGHT,
  MAX_QUEUED_CALLS,
  type RemoteCallOptions,
} from './protocol/libvirt/session.ts';
export {
  type CallLink,
  DEFAULT_CALL_TIMEOUT_MS,
  type LibvirtCallOptions,
  LibvirtDomain,
  type LibvirtStatsRecord,
  type LinkCallOptions,
  StatsConnection,
} from './protocol/libvirt/stats-connection.ts';
export {
  MAX_FIELD_BYTES,
  MAX_STRING_BYTES,
  type TypedParameter,
  type TypedParameterType,
} from './protocol/libvirt/typed-parameter.ts';
export type { XdrCodec } from './protocol/libvirt/xdr-codec.ts';
export { XdrReader } from './protocol/libvirt/xdr-reader.ts';
export { XdrWriter } from './protocol/libvirt/xdr-writer.ts';
export { LibvirtConnection, type LibvirtConnectionOptions } from './source/libvirt/connection.ts';
export { CredentialsMissing, type GivenCredentials } from './source/libvirt/credentials.ts';
export {
  DEFAULT_OPEN_TIMEOUT_MS,
  DEFAULT_SSH_OPEN_TIMEOUT_MS,
  type LibvirtLinkOptions,
} from './source/libvirt/link.ts';
export { findDomain } from './source/libvirt/lookup.ts';
