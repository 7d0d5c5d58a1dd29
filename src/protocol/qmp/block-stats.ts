import { boundariesName } from '../../model/histogram.ts';
import type { StatEntry } from '../../model/sample.ts';
import { U64_MAX } from '../../model/u64.ts';
import type { JsonObject, JsonValue } from '../json/json.ts';
import { ALLOCATION, isQueueDepth, QUEUE_DEPTH_STEPS, timedName } from './block-descriptors.ts';
import { MAX_BACKING_IMAGES } from './block-devices.ts';
import { devicePath } from './block-path.ts';
import { counterOf } from './counters.ts';
import { asArray, asObject, invalidReply, objectOf, textOf } from './shape.ts';

/**
 * Replies of `query-blockstats` (qapi/block-core.json, `BlockStats`):
 *
 * | in QEMU's reply                       | here                                                                       |
 * | ------------------------------------- | -------------------------------------------------------------------------- |
 * | `qdev`, `/…`                          | the path                                                                   |
 * | `qdev`, an id                         | the path `/machine/peripheral/ID`, where QEMU puts what was given an id    |
 * | no `qdev`: no device uses the drive   | the path is `device`, else `node-name`                                     |
 * | `stats`, integers and booleans        | a stat each by QEMU's name, also those that this version does not know     |
 * | `stats.timed_stats`                   | a stat for each average and interval: `timed_60s_avg_rd_latency_ns`        |
 * | `stats.…_latency_histogram`           | `bins` by that name, `boundaries` as `…_latency_histogram_boundaries`      |
 * | `parent`, down to the last one        | its `wr_highest_offset` as `allocation`                                    |
 *
 * What is no integer of 0 to 2^64-1 is absent.
 */
export interface BlockDevice {
  readonly path: string;
  /** The uppermost node of its image; absent for a drive without a medium. */
  readonly nodeName?: string;
  /** The node of its protocol layer: a file, a block device, a connection; absent like {@link nodeName}. */
  readonly storageName?: string;
  /** In no order, each name once. */
  readonly stats: readonly StatEntry[];
}

/** Most devices of one reply: more than a machine has places for. */
export const MAX_BLOCK_DEVICES = 16_384;

/** Most statistics of one device, and bins of one histogram. */
export const MAX_BLOCK_STATS = 4096;

/** The block devices of a VM, in QEMU's order; of two by one path the first. @throws QMP_REPLY_INVALID */
export function decodeBlockStats(reply: JsonValue): readonly BlockDevice[] {
  const devices = new Map<string, BlockDevice>();
  const items = asArray(reply, 'query-blockstats');
  if (items.length > MAX_BLOCK_DEVICES) {
    throw invalidReply('query-blockstats', `a list of at most ${MAX_BLOCK_DEVICES} devices`);
  }
  for (const [index, json] of items.entries()) {
    const where = `query-blockstats[${index}]`;
    const device = asObject(json, where);
    const path = pathOf(device);
    if (path === undefined || devices.has(path)) continue;
    const nodeName = textOf(device['node-name']);
    const storageName = textOf(storageOf(device)['node-name']);
    const told = [...statsOf(asObject(device['stats'], `${where}.stats`)), ...allocationOf(device)];
    // Should QEMU have a name of ours one day, the last one counts: ours.
    const stats = [...new Map(told.map((stat) => [stat.name, stat])).values()];
    if (stats.length > MAX_BLOCK_STATS) throw invalidReply(where, `a device of at most ${MAX_BLOCK_STATS} statistics`);
    devices.set(path, {
      path,
      ...(nodeName !== undefined && { nodeName }),
      ...(storageName !== undefined && { storageName }),
      stats,
    });
  }
  return [...devices.values()];
}

function pathOf(device: JsonObject): string | undefined {
  return devicePath(device) ?? textOf(device['node-name']);
}

function statsOf(stats: JsonObject): readonly StatEntry[] {
  return Object.entries(stats).flatMap(([name, value]) => {
    if (typeof value === 'boolean') return [{ name, value }];
    if (typeof value !== 'object') return entryOf(name, counterOf(value));
    if (Array.isArray(value)) return name === 'timed_stats' ? timedStatsOf(value) : [];
    return value === null ? [] : histogramOf(name, value);
  });
}

function entryOf(name: string, value: bigint | undefined): readonly StatEntry[] {
  return value === undefined ? [] : [{ name, value }];
}

/** Of two for the same interval the first. */
function timedStatsOf(items: readonly JsonValue[]): readonly StatEntry[] {
  const byInterval = new Map<bigint, JsonObject>();
  for (const item of items) {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) continue;
    const seconds = counterOf(item['interval_length']);
    if (seconds !== undefined && !byInterval.has(seconds)) byInterval.set(seconds, item);
  }
  return [...byInterval].flatMap(([seconds, averages]) =>
    Object.entries(averages).flatMap(([name, value]) => {
      if (name === 'interval_length') return [];
      return entryOf(timedName(seconds, name), isQueueDepth(name) ? stepsOf(value) : counterOf(value));
    }),
  );
}

/** QEMU's doubles as whole steps, rounded to the nearest. */
function stepsOf(value: JsonValue): bigint | undefined {
  if (typeof value === 'bigint') return counterOf(value * BigInt(QUEUE_DEPTH_STEPS));
  if (typeof value !== 'number') return undefined;
  const steps = value * QUEUE_DEPTH_STEPS;
  return steps >= 0 && steps < Number(U64_MAX) ? BigInt(Math.round(steps)) : undefined;
}

/** Nothing of one whose bins and boundaries do not belong together. */
function histogramOf(name: string, { bins, boundaries }: JsonObject): readonly StatEntry[] {
  const [counts, bounds] = [countersIn(bins), countersIn(boundaries)];
  if (counts === undefined || bounds === undefined || counts.length !== bounds.length + 1) return [];
  const ascend = bounds.every((bound, index) => index === 0 || bound > (bounds[index - 1] as bigint));
  return ascend ? [{ name, value: counts }, ...entryOfBoundaries(name, bounds)] : [];
}

function entryOfBoundaries(name: string, value: readonly bigint[]): readonly StatEntry[] {
  return [{ name: boundariesName(name), value }];
}

function countersIn(value: JsonValue | undefined): readonly bigint[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_BLOCK_STATS) return undefined;
  const counters = value.flatMap((item) => counterOf(item) ?? []);
  return counters.length === value.length ? counters : undefined;
}

/** How far the protocol layer was written. */
function allocationOf(device: JsonObject): readonly StatEntry[] {
  if (textOf(device['node-name']) === undefined) return [];
  return entryOf(ALLOCATION, counterOf(objectOf(storageOf(device)['stats'])?.['wr_highest_offset']));
}

/** The protocol layer of an image: the last of the parents, or the node itself where it is that layer. */
function storageOf(node: JsonObject): JsonObject {
  let layer = node;
  for (let parent = objectOf(layer['parent']); parent !== undefined; parent = objectOf(layer['parent'])) layer = parent;
  return layer;
}

/** An image below another one, in the statistics of a device. */
export interface BackingNode {
  /** The uppermost node of this image. */
  readonly nodeName?: string;
  /** How far its protocol layer was written, in bytes. */
  readonly allocation?: bigint;
}

/** The images below those of the devices, the uppermost first, by the devices' paths. @throws QMP_REPLY_INVALID */
export function decodeBackingNodes(reply: JsonValue): ReadonlyMap<string, readonly BackingNode[]> {
  const items = asArray(reply, 'query-blockstats');
  if (items.length > MAX_BLOCK_DEVICES) {
    throw invalidReply('query-blockstats', `a list of at most ${MAX_BLOCK_DEVICES} devices`);
  }
  return new Map(
    items.flatMap((json, index) => {
      const device = asObject(json, `query-blockstats[${index}]`);
      const path = pathOf(device);
      return path === undefined ? [] : [[path, backingOf(device)] as const];
    }),
  );
}

function backingOf(device: JsonObject): readonly BackingNode[] {
  const nodes: BackingNode[] = [];
  for (let next = objectOf(device['backing']); next !== undefined; next = objectOf(next['backing'])) {
    if (nodes.length === MAX_BACKING_IMAGES) {
      throw invalidReply('query-blockstats', `a chain of at most ${MAX_BACKING_IMAGES} images`);
    }
    const nodeName = textOf(next['node-name']);
    const allocation = counterOf(objectOf(storageOf(next)['stats'])?.['wr_highest_offset']);
    nodes.push({ ...(nodeName !== undefined && { nodeName }), ...(allocation !== undefined && { allocation }) });
  }
  return nodes;
}
