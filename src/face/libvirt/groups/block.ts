import type { Sample } from '../../../model/sample.ts';
import { VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING } from '../../../protocol/libvirt/constants.ts';
import {
  BLOCK_COUNTER_KEYS,
  BLOCK_LIMIT_KEYS,
  BLOCK_REQUESTS,
  BLOCK_SIZE_KEYS,
} from '../../../protocol/libvirt/stats-keys.ts';
import type { TypedParameter } from '../../../protocol/libvirt/typed-parameter.ts';
import type { BackingDisk, Disk } from '../disks.ts';
import { type DomainFacts, type Need, numberIn } from '../facts.ts';
import { type Parameters, text, uint, ullong } from '../parameters.ts';

/** What `block.*` is made of. */
export const BLOCK_NEEDS: readonly Need[] = [{ provider: 'block', target: 'block' }];

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
    ...BLOCK_SIZE_KEYS.flatMap((name) => ullong(`${prefix}.${name}`, image[name])),
  ];
}

function diskParameters(disk: Disk | undefined, sample: Sample, prefix: string): Parameters {
  return [
    ...text(`${prefix}.name`, disk?.target ?? plainName(sample.path)),
    ...text(`${prefix}.path`, disk?.source),
    ...uint(`${prefix}.backingIndex`, disk?.backingIndex),
    ...BLOCK_COUNTER_KEYS.flatMap(([key, name]) => ullong(`${prefix}.${key}`, numberIn(sample, name))),
    ...timedParameters(sample, prefix),
    ...BLOCK_REQUESTS.flatMap(([, long, name]) =>
      histogramParameters(sample, `${prefix}.latency_histogram.${long}.bin`, name),
    ),
    ...BLOCK_SIZE_KEYS.flatMap((name) => ullong(`${prefix}.${name}`, numberIn(sample, name))),
    ...ullong(`${prefix}.threshold`, numberIn(sample, 'write_threshold')),
    ...BLOCK_LIMIT_KEYS.flatMap(([key, name]) => ullong(`${prefix}.limits.${key}`, numberIn(sample, `limit_${name}`))),
  ];
}

/** A disk that goes by a name, not by a place in QEMU's object model, was named by a libvirt elsewhere. */
function plainName(path: string | undefined): string | undefined {
  return path?.startsWith('/') ? undefined : path;
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
        ...BLOCK_REQUESTS.flatMap(([short, , name]) =>
          ['min', 'max', 'avg'].flatMap((which) =>
            ullong(`${group}.${short}_latency_${which}`, average(`${which}_${name}_latency_ns`)),
          ),
        ),
        ...BLOCK_REQUESTS.flatMap(([short, , name]) =>
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
