/**
 * KVM's binary statistics, without a registry: decode the bytes of a stats file, open the stats files that a VMM on this
 * host keeps, and read thousands of them at almost no cost.
 *
 * @packageDocumentation
 */

export type { KernelFacts } from './host/kernel.ts';
export { kernelObjection } from './host/kernel.ts';
export { OwnedFd } from './host/owned-fd.ts';
export { type ErrorCode, VirtstatError } from './model/errors.ts';
export { type Bucket, bucketBounds, percentile } from './model/histogram.ts';
export type { Reading, StatEntry, StatValue } from './model/sample.ts';
export type { StatDescriptor, StatType, StatUnit, UnknownCode } from './model/stat.ts';
export {
  type BlockName,
  encodeStatsFile,
  type StatsFileDescription,
  type StatToEncode,
} from './protocol/kvm-stats/encode.ts';
export type { ByteOrder } from './protocol/kvm-stats/format.ts';
export { type Block, type ByteOrderChoice, decodeHeader, type Header } from './protocol/kvm-stats/header.ts';
export {
  decodeLayout,
  type Layout,
  type Place,
  type Scope,
  type VcpuScope,
  type VmScope,
} from './protocol/kvm-stats/layout.ts';
export { LayoutCache } from './protocol/kvm-stats/layout-cache.ts';
export { type DecodedStatsFile, dataBlockOf, decodeStatsFile, decodeValues } from './protocol/kvm-stats/values.ts';
export { Sampler } from './source/kvm/sampler.ts';
export { StatsFile } from './source/kvm/stats-file.ts';
export { openStatsFiles, type VmmFiles, type VmmFilesOptions } from './source/kvm/vmm-files.ts';
