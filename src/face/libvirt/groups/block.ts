import type { Sample } from '../../../model/sample.ts';
import { VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING } from '../../../protocol/libvirt/constants.ts';
import type { TypedParameter } from '../../../protocol/libvirt/typed-parameter.ts';
import type { BackingDisk, Disk } from '../disks.ts';
import { type DomainFacts, type Need, numberIn } from '../facts.ts';
import { type Parameters, text, uint, ullong } from '../parameters.ts';

/** What `block.*` is made of. */
export const BLOCK_NEEDS: readonly Need[] = [{ provider: 'block', target: 'block' }];

const COUNTERS: readonly (readonly [key: string, name: string])[] = [
  ['rd.reqs', 'rd_operations'],
  ['rd.bytes', 'rd_bytes'],
  ['rd.times', 'rd_total_time_ns'],
  ['wr.reqs', 'wr_operations'],
  ['wr.bytes', 'wr_bytes'],
  ['wr.times', 'wr_total_time_ns'],
  ['fl.reqs', 'flush_operations'],
  ['fl.times', 'flush_total_time_ns'],
];

const SIZES = ['allocation', 'capacity', 'physical'] as const;

/** Limits of the layer below: libvirt's word, QEMU's. */
const LIMITS: readonly (readonly [key: string, name: string])[] = [
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

/** Kinds of requests: libvirt's word in latencies, its word in histograms, QEMU's. */
const KINDS: readonly (readonly [short: string, long: string, name: string])[] = [
  ['rd', 'read', 'rd'],
  ['wr', 'write', 'wr'],
  ['zone_append', 'zone_append', 'zone_append'],
  ['flush', 'flush', 'flush'],
];

/** Of a device's averages, those of one interval: `timed_60s_avg_rd_latency_ns`. */
const TIMED = /^timed_(\d+)s_(.+)$/s;

/** Our schema has queue depths in billionths. */
const DEPTH_STEPS = 1e9;

/**
 * `block.count`, and of each disk name, image, counters, sizes, averages and histograms. With the flag BACKING each image below
 * that of a disk follows it as one more entry, which has no counters.
 */
export function blockParameters(facts: DomainFacts, flags: number = 0): Parameters {
  const isWhole = (flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING) !== 0;
  const entries = facts.samples('block', 'block').flatMap((sample): readonly Entry[] => {
    const disk = sample.path === undefined ? undefined : facts.disks.get(sample.path);
    const backing = isWhole ? (disk?.backing ?? []) : [];
    return [
      (prefix) => diskParameters(disk, sample, prefix),
      ...backing.map(
        (image): Entry =>
          (prefix) =>
            imageParameters(disk, image, prefix),
      ),
    ];
  });
  return [
    ...uint('block.count', entries.length === 0 ? facts.count('block', 'block') : BigInt(entries.length)),
    ...entries.flatMap((entry, index) => entry(`block.${index}`)),
  ];
}

/** One `block.N`. */
type Entry = (prefix: string) => Parameters;

function imageParameters(disk: Disk | undefined, image: BackingDisk, prefix: string): Parameters {
  return [
    ...text(`${prefix}.name`, disk?.target),
    ...text(`${prefix}.path`, image.source),
    ...uint(`${prefix}.backingIndex`, image.backingIndex),
    ...SIZES.flatMap((name) => ullong(`${prefix}.${name}`, image[name])),
  ];
}

function diskParameters(disk: Disk | undefined, sample: Sample, prefix: string): Parameters {
  return [
    ...text(`${prefix}.name`, disk?.target),
    ...text(`${prefix}.path`, disk?.source),
    ...uint(`${prefix}.backingIndex`, disk?.backingIndex),
    ...COUNTERS.flatMap(([key, name]) => ullong(`${prefix}.${key}`, numberIn(sample, name))),
    ...timedParameters(sample, prefix),
    ...KINDS.flatMap(([, long, name]) => histogramParameters(sample, `${prefix}.latency_histogram.${long}.bin`, name)),
    ...SIZES.flatMap((name) => ullong(`${prefix}.${name}`, numberIn(sample, name))),
    ...ullong(`${prefix}.threshold`, numberIn(sample, 'write_threshold')),
    ...LIMITS.flatMap(([key, name]) => ullong(`${prefix}.limits.${key}`, numberIn(sample, `limit_${name}`))),
  ];
}

function timedParameters(sample: Sample, prefix: string): Parameters {
  const seconds = new Set(sample.stats.flatMap(({ name }) => TIMED.exec(name)?.[1] ?? []));
  if (seconds.size === 0) return [];
  return [
    ...ullong(`${prefix}.timed_group.count`, BigInt(seconds.size)),
    ...[...seconds].flatMap((interval, index) => {
      const group = `${prefix}.timed_group.${index}`;
      const average = (name: string): bigint | undefined => numberIn(sample, `timed_${interval}s_${name}`);
      return [
        ...ullong(`${group}.interval`, BigInt(interval)),
        ...KINDS.flatMap(([short, , name]) =>
          ['min', 'max', 'avg'].flatMap((which) =>
            ullong(`${group}.${short}_latency_${which}`, average(`${which}_${name}_latency_ns`)),
          ),
        ),
        ...KINDS.flatMap(([short, , name]) =>
          depth(`${group}.${short}_queue_depth_avg`, average(`avg_${name}_queue_depth`)),
        ),
      ];
    }),
  ];
}

function depth(field: string, steps: bigint | undefined): readonly TypedParameter[] {
  return steps === undefined ? [] : [{ field, type: 'double', value: Number(steps) / DEPTH_STEPS }];
}

/** libvirt's bins have the lower bound of each: 0, then QEMU's boundaries. */
function histogramParameters(sample: Sample, prefix: string, name: string): Parameters {
  const [bins, boundaries] = [`${name}_latency_histogram`, `${name}_latency_histogram_boundaries`].map((wanted) => {
    const value = sample.stats.find((stat) => stat.name === wanted)?.value;
    return typeof value === 'object' ? value : undefined;
  });
  if (bins === undefined || boundaries === undefined || bins.length !== boundaries.length + 1) return [];
  return [
    ...ullong(`${prefix}.count`, BigInt(bins.length)),
    ...bins.flatMap((value, index) => [
      ...ullong(`${prefix}.${index}.start`, index === 0 ? 0n : boundaries[index - 1]),
      ...ullong(`${prefix}.${index}.value`, value),
    ]),
  ];
}
