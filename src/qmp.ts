/**
 * `virtstat/qmp`: a QMP client for QEMU monitors that loses no digit of a 64-bit integer.
 *
 * ```ts
 * import { Monitor } from 'virtstat/qmp';
 *
 * const monitor = new Monitor({ kind: 'unix', path: '/run/vm.qmp' });
 * const status = await monitor.execute('query-status', undefined, { signal: AbortSignal.timeout(1000) });
 * await monitor.close();
 * ```
 *
 * @packageDocumentation
 */

export type { StreamAddress, TlsFiles } from './host/stream.ts';
export { type ErrorCode, VirtstatError } from './model/errors.ts';
export type { ProviderFilter, StatsFilter } from './model/filter.ts';
export type { CallOptions, MonitorValue, StatsRequest } from './model/provider.ts';
export type { StatEntry, StatValue } from './model/sample.ts';
export type { Schema, StatDescriptor, StatType, StatUnit, UnknownCode } from './model/stat.ts';
export {
  type JsonInput,
  type JsonObject,
  JsonText,
  type JsonValue,
  MAX_INTEGER_LENGTH,
  parseJson,
  stringifyJson,
} from './protocol/json/json.ts';
export { type FrameLimits, FrameScanner, MAX_DEPTH, MAX_FRAME_BYTES } from './protocol/qmp/framing.ts';
export { JsonReader } from './protocol/qmp/json-reader.ts';
export {
  decodeMessage,
  decodeVersion,
  type QemuVersion,
  QmpCommandError,
  type QmpEvent,
  type QmpGreeting,
  type QmpMessage,
} from './protocol/qmp/messages.ts';
export {
  decodeCpus,
  decodeKvm,
  decodeName,
  decodeStatus,
  decodeUuid,
  type KvmInfo,
  type VmCpu,
  type VmStatus,
} from './protocol/qmp/queries.ts';
export {
  type ExecuteOptions,
  MAX_PENDING,
  type QmpArguments,
  QmpSession,
  type QmpSessionOptions,
  type QmpSessionState,
} from './protocol/qmp/session.ts';
export { encodeSchemas, encodeStats } from './protocol/qmp/stats-encode.ts';
export { decodeSchemas, decodeStats, type StatsResult } from './protocol/qmp/stats-reply.ts';
export { encodeStatsFilter, encodeStatsRequest } from './protocol/qmp/stats-request.ts';
export { Monitor, type MonitorOptions } from './source/qemu/monitor.ts';
