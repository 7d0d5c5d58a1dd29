/**
 * virtstat: every statistic of every virtual machine on a KVM host, self-described and exact.
 *
 * ```ts
 * import { open } from 'virtstat';
 *
 * const host = await open('local:');
 * for (const { domain, items } of await host.query({ target: 'vcpu' })) {
 *   for (const sample of items) console.log(domain.name, sample.path, sample.stats);
 * }
 * await host.close();
 * ```
 *
 * @packageDocumentation
 */
export type { Availability, Domain, Vmm } from './model/domain.ts';
export { ERROR_CODES, type ErrorCode, VirtstatError } from './model/errors.ts';
export type { ProviderFilter, StatsFilter } from './model/filter.ts';
export type { GuestMemory, GuestMemoryStatus } from './model/guest-memory.ts';
export { type Bucket, boundariesOf, bucketBounds, percentile, totalCount } from './model/histogram.ts';
export type {
  BalloonPolling,
  CallOptions,
  DomainTwin,
  FoundDomain,
  MonitorRelay,
  MonitorValue,
  PollingLease,
  PollingMark,
  PollingOrder,
  PollingState,
  Provider,
  SchemaOptions,
  Source,
  StatsRequest,
} from './model/provider.ts';
export type { Reading, Sample, Staleness, StatEntry, StatValue } from './model/sample.ts';
export { humanize, type Scale } from './model/scale.ts';
export {
  isHistogram,
  isMonotonic,
  isUnknownCode,
  type Schema,
  type StatDescriptor,
  type StatType,
  type StatUnit,
  type UnknownCode,
} from './model/stat.ts';
export { type Increase, increase, ratePerSecond } from './model/u64.ts';
export { open } from './open.ts';
export type { DomainAnswer, FoundDomains, ListAnswer, SampleAnswer, SchemaAnswer } from './registry/answer.ts';
export { type CheckedRequest, type Request, resolveRequest } from './registry/check.ts';
export { readGuestMemory } from './registry/guest-memory.ts';
export type {
  QueryOptions,
  ReadOptions,
  RegistryOptions,
  SchemaReadOptions,
  WatchOptions,
} from './registry/options.ts';
export { Registry } from './registry/registry.ts';
