/**
 * Keys of libvirt's bulk statistics beside the names that virtstat has for the same: one table for both directions.
 *
 * Spec: libvirt's documentation of virConnectGetAllDomainStats.
 */

/** How a key is called, and what means the same here. */
export type KeyName = readonly [key: string, name: string];

/** `balloon.KEY` of what the guest reports, in libvirt's order, and whether libvirt divides by 1024. */
export const GUEST_MEMORY_KEYS: readonly (readonly [key: string, name: string, isBytes: boolean])[] = [
  ['swap_in', 'stat-swap-in', true],
  ['swap_out', 'stat-swap-out', true],
  ['major_fault', 'stat-major-faults', false],
  ['minor_fault', 'stat-minor-faults', false],
  ['unused', 'stat-free-memory', true],
  ['available', 'stat-total-memory', true],
  ['usable', 'stat-available-memory', true],
  ['last-update', 'last-update', false],
  ['disk_caches', 'stat-disk-caches', true],
  ['hugetlb_pgalloc', 'stat-htlb-pgalloc', false],
  ['hugetlb_pgfail', 'stat-htlb-pgfail', false],
];

/** `net.N.KEY`: both count as the guest does. */
export const NET_KEYS: readonly KeyName[] = ['rx', 'tx'].flatMap((direction): readonly KeyName[] => [
  [`${direction}.bytes`, `${direction}_bytes`],
  [`${direction}.pkts`, `${direction}_packets`],
  [`${direction}.errs`, `${direction}_errors`],
  [`${direction}.drop`, `${direction}_dropped`],
]);

/** `block.N.KEY` of what is counted. */
export const BLOCK_COUNTER_KEYS: readonly KeyName[] = [
  ['rd.reqs', 'rd_operations'],
  ['rd.bytes', 'rd_bytes'],
  ['rd.times', 'rd_total_time_ns'],
  ['wr.reqs', 'wr_operations'],
  ['wr.bytes', 'wr_bytes'],
  ['wr.times', 'wr_total_time_ns'],
  ['fl.reqs', 'flush_operations'],
  ['fl.times', 'flush_total_time_ns'],
];

/** `block.N.KEY` of images, with the same name here. */
export const BLOCK_SIZE_KEYS = ['allocation', 'capacity', 'physical'] as const;

/** `block.N.limits.KEY`, limits of the layer below: libvirt's word, QEMU's. */
export const BLOCK_LIMIT_KEYS: readonly KeyName[] = [
  ['request_alignment', 'request-alignment'],
  ['discard_max', 'max-discard'],
  ['discard_alignment', 'discard-alignment'],
  ['write_zeroes_max', 'max-write-zeroes'],
  ['write_zeroes_alignment', 'write-zeroes-alignment'],
  ['transfer_optimal', 'opt-transfer'],
  ['transfer_max', 'max-transfer'],
  ['transfer_hw_max', 'max-hw-transfer'],
  ['iov_max', 'max-iov'],
  ['iov_hw_max', 'max-hw-iov'],
  ['memory_alignment_minimal', 'min-mem-alignment'],
  ['memory_alignment_optimal', 'opt-mem-alignment'],
];

/** Kinds of requests: libvirt's word in averages, its word in histograms, QEMU's. */
export const BLOCK_REQUESTS: readonly (readonly [short: string, long: string, name: string])[] = [
  ['rd', 'read', 'rd'],
  ['wr', 'write', 'wr'],
  ['zone_append', 'zone_append', 'zone_append'],
  ['flush', 'flush', 'flush'],
];

/** What libvirt puts behind the name of a statistic of KVM, by its type; histograms have no place in it. */
export const KVM_SUFFIXES: ReadonlyMap<string, string> = new Map([
  ['cumulative', 'sum'],
  ['instant', 'cur'],
  ['peak', 'max'],
]);
