import { BOOLEAN, BYTES, COUNT, describeStat, NANOSECONDS, type Scale } from '../../model/describe.ts';
import { HISTOGRAM, isBoundariesName } from '../../model/histogram.ts';
import type { StatEntry } from '../../model/sample.ts';
import type { StatDescriptor, StatType } from '../../model/stat.ts';

/**
 * What the statistics of block devices are, by QEMU's own convention for their names, so that one that a later version adds
 * has its type and unit too. The first row that fits wins:
 *
 * | name                              | type       | unit                    |
 * | --------------------------------- | ---------- | ----------------------- |
 * | `wr_highest_offset`, `allocation` | peak       | bytes                   |
 * | `capacity`, `physical`, `write_threshold` | instant | bytes              |
 * | any, a boolean                    | instant    | boolean                 |
 * | any, a list of bins               | histogram  | bounds in nanoseconds   |
 * | the boundaries of one             | instant    | nanoseconds             |
 * | `timed_…_queue_depth`             | instant    | none, 10^-9             |
 * | `timed_…_ns`                      | instant    | nanoseconds             |
 * | `timed_…`                         | instant    | none                    |
 * | `limit_…-iov`                     | instant    | none                    |
 * | `limit_…`                         | instant    | bytes                   |
 * | `…_operations`, `…_merged`        | cumulative | none                    |
 * | `…_bytes`                         | cumulative | bytes                   |
 * | `…_total_time_ns`                 | cumulative | nanoseconds             |
 * | `…_ns`                            | instant    | nanoseconds             |
 * | any other                         | instant    | none                    |
 */
export function describeBlockStat({ name, value }: StatEntry): StatDescriptor {
  const fixed = FIXED.get(name);
  if (fixed !== undefined) return fixed;
  if (typeof value === 'boolean') return describeStat(name, 'instant', BOOLEAN);
  if (typeof value === 'object') {
    // How many bins there are is each device's own.
    return { name, type: isBoundariesName(name) ? 'instant' : HISTOGRAM, ...NANOSECONDS };
  }
  const [, type, scale] = CONVENTIONS.find(([pattern]) => pattern.test(name)) ?? OTHERS;
  return describeStat(name, type, scale);
}

/** Size of the image as the guest sees it, in bytes. */
export const CAPACITY = 'capacity';
/** What the image takes up where it lies, in bytes. */
export const PHYSICAL = 'physical';
/** How far the protocol layer of the image was written, in bytes. */
export const ALLOCATION = 'allocation';

/** How far may be written until QEMU sends an event, in bytes. */
export const WRITE_THRESHOLD = 'write_threshold';
/** What stands before QEMU's name for a limit of the protocol layer. */
export const LIMIT = 'limit_';

/** QEMU tells the depth of queues as doubles: how many steps of ours one request is: over an hour few are in it. */
export const QUEUE_DEPTH_STEPS = 1_000_000_000;
const QUEUE_DEPTH: Scale = { base: 10, exponent: -9 };

/** True for an average that QEMU tells as a double. */
export function isQueueDepth(name: string): boolean {
  return name.endsWith('_queue_depth');
}

/** The name of an average over so many seconds. */
export function timedName(seconds: bigint, name: string): string {
  return `timed_${seconds}s_${name}`;
}

const FIXED: ReadonlyMap<string, StatDescriptor> = new Map(
  [
    describeStat('wr_highest_offset', 'peak', BYTES),
    describeStat(CAPACITY, 'instant', BYTES),
    describeStat(PHYSICAL, 'instant', BYTES),
    describeStat(ALLOCATION, 'peak', BYTES),
    describeStat(WRITE_THRESHOLD, 'instant', BYTES),
  ].map((stat) => [stat.name, stat]),
);

type Convention = readonly [pattern: RegExp, type: StatType, scale: Scale];

const CONVENTIONS: readonly Convention[] = [
  [/^timed_.*_queue_depth$/, 'instant', QUEUE_DEPTH],
  [/^timed_.*_ns$/, 'instant', NANOSECONDS],
  [/^timed_/, 'instant', COUNT],
  [/^limit_.*-iov$/, 'instant', COUNT],
  [/^limit_/, 'instant', BYTES],
  [/_(operations|merged)$/, 'cumulative', COUNT],
  [/_bytes$/, 'cumulative', BYTES],
  [/_total_time_ns$/, 'cumulative', NANOSECONDS],
  [/_ns$/, 'instant', NANOSECONDS],
];

const OTHERS: Convention = [/^/, 'instant', COUNT];

/** Kinds of requests, in the order in which people look at them. */
const REQUESTS = ['rd', 'wr', 'zone_append', 'unmap', 'flush'];

const COUNTERS = [
  ...REQUESTS.flatMap((kind) => [
    ...['operations', 'bytes', 'total_time_ns', 'merged'].map((name) => `${kind}_${name}`),
    ...['failed', 'invalid'].map((fate) => `${fate}_${kind}_operations`),
  ]),
  ...['idle_time_ns', 'wr_highest_offset', 'account_invalid', 'account_failed'],
];

const IMAGE = [CAPACITY, PHYSICAL, ALLOCATION, WRITE_THRESHOLD];

const AVERAGES = REQUESTS.flatMap((kind) => [
  ...['min', 'avg', 'max'].map((which) => `${which}_${kind}_latency_ns`),
  `avg_${kind}_queue_depth`,
]);

const HISTOGRAMS = REQUESTS.map((kind) => `${kind}_latency_histogram`);

const RANKS: ReadonlyMap<string, number> = new Map(
  [COUNTERS, AVERAGES, HISTOGRAMS].flatMap((names) => names.map((name, index) => [name, index])),
);

/** Which group of names, which interval, which place in the group; names that this version does not know come last in theirs. */
type Place = readonly [group: number, seconds: number, rank: number, name: string];

function placeOf(name: string): Place {
  const [, seconds, average = ''] = /^timed_(\d+)s_(.*)$/s.exec(name) ?? [];
  if (seconds !== undefined) return [2, Number(seconds), rankOf(average), average];
  const histogram = isBoundariesName(name) ? name.slice(0, name.lastIndexOf('_')) : name;
  if (histogram.endsWith('_histogram')) return [3, 0, rankOf(histogram), name];
  if (name.startsWith(LIMIT)) return [1, 0, IMAGE.length, name];
  const image = IMAGE.indexOf(name);
  return image < 0 ? [0, 0, rankOf(name), name] : [1, 0, image, name];
}

function rankOf(name: string): number {
  return RANKS.get(name) ?? Number.MAX_SAFE_INTEGER;
}

/**
 * Where each name stands in a schema, the same whatever else is there: counters request by request, the image, averages by
 * ascending interval, histograms each before its boundaries.
 */
export function blockOrder(names: Iterable<string>): ReadonlyMap<string, number> {
  const placed = [...new Set(names)]
    .map((name) => ({ name, place: placeOf(name) }))
    .sort((a, b) => compare(a.place, b.place));
  return new Map(placed.map(({ name }, index) => [name, index]));
}

function compare(a: Place, b: Place): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || (a[3] < b[3] ? -1 : 1);
}
