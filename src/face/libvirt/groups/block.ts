import type { Sample } from '../../../model/sample.ts';
import type { TypedParameter } from '../../../protocol/libvirt/typed-parameter.ts';
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

const SIZES = ['allocation', 'capacity', 'physical'];

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

/** `block.count`, and of each disk name, image, counters, sizes, averages and histograms. */
export function blockParameters(facts: DomainFacts): Parameters {
  const disks = facts.samples('block', 'block');
  return [
    ...uint('block.count', facts.count('block', 'block')),
    ...disks.flatMap((sample, index) => diskParameters(facts, sample, `block.${index}`)),
  ];
}

function diskParameters({ disks }: DomainFacts, sample: Sample, prefix: string): Parameters {
  const disk = sample.path === undefined ? undefined : disks.get(sample.path);
  return [
    ...text(`${prefix}.name`, disk?.target),
    ...text(`${prefix}.path`, disk?.source),
    ...uint(`${prefix}.backingIndex`, disk?.backingIndex),
    ...COUNTERS.flatMap(([key, name]) => ullong(`${prefix}.${key}`, numberIn(sample, name))),
    ...timedParameters(sample, prefix),
    ...KINDS.flatMap(([, long, name]) => histogramParameters(sample, `${prefix}.latency_histogram.${long}.bin`, name)),
    ...SIZES.flatMap((name) => ullong(`${prefix}.${name}`, numberIn(sample, name))),
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
