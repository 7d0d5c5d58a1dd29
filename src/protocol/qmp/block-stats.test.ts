import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StatEntry, StatValue } from '../../model/sample.ts';
import { type JsonInput, type JsonValue, parseJson, stringifyJson } from '../json/json.ts';
import { blockOrder, describeBlockStat } from './block-descriptors.ts';
import { decodeBlockBackends, MAX_BACKING_IMAGES } from './block-devices.ts';
import { decodeBlockNodes, MAX_BLOCK_NODES, MAX_NODE_LIMITS } from './block-nodes.ts';
import { decodeBackingNodes, decodeBlockStats, MAX_BLOCK_DEVICES, MAX_BLOCK_STATS } from './block-stats.ts';

const fixture = new URL('../../../test/fixtures/qmp/block.json', import.meta.url);
const captured = parseJson(readFileSync(fixture, 'utf8')) as Record<string, Record<string, JsonValue>>;

const decode = (...devices: JsonInput[]) => decodeBlockStats(parseJson(stringifyJson(devices)));
const valuesOf = (stats: readonly StatEntry[] = []): Record<string, StatValue> =>
  Object.fromEntries(stats.map(({ name, value }) => [name, value]));
const one = (stats: JsonInput, more: Record<string, JsonInput> = {}) =>
  valuesOf(decode({ device: 'd', stats, ...more })[0]?.stats);

describe.each(Object.entries(captured))('what QEMU %s tells of block devices', (_, replies) => {
  const devices = decodeBlockStats(replies['query-blockstats'] as JsonValue);

  it('is by QOM path where a device uses the drive, else by the name of the drive', () => {
    expect(devices.map(({ path, nodeName }) => [path.replace(/\d+\]/, 'N]'), nodeName?.replace(/\d+/, 'N')])).toEqual([
      ['/machine/peripheral/hd1', '#blockN'],
      ['spare', '#blockN'],
      ['/machine/unattached/device[N]', undefined],
      ['/machine/peripheral/vd0/virtio-backend', 'fmtN'],
    ]);
  });

  it('has every integer and boolean as it is', () => {
    for (const [index, json] of (replies['query-blockstats'] as { stats: Record<string, JsonValue> }[]).entries()) {
      const told = Object.entries(json.stats).filter(([, value]) => typeof value !== 'object');
      const values = valuesOf(devices[index]?.stats);
      expect(told.length).toBeGreaterThan(20);
      for (const [name, value] of told)
        expect(values[name]).toBe(typeof value === 'boolean' ? value : BigInt(value as number));
    }
  });

  it('has averages by interval, histograms with their boundaries, and how far the file was written', () => {
    const [disk, spare, cdrom, virtio] = devices.map(({ stats }) => valuesOf(stats));
    expect(disk).toMatchObject({ allocation: 589824n, timed_3600s_min_wr_latency_ns: disk?.['wr_total_time_ns'] });
    expect(disk?.['timed_3600s_avg_rd_queue_depth']).toBeGreaterThan(0n);
    expect(spare).toMatchObject({ allocation: 0n, rd_operations: 0n });
    expect(cdrom).toMatchObject({ rd_operations: 0n, account_invalid: true });
    expect(cdrom).not.toHaveProperty('allocation');
    expect(virtio).toMatchObject({
      allocation: 1114112n,
      rd_latency_histogram: [0n, 0n, 2n, 0n],
      rd_latency_histogram_boundaries: [1000n, 100_000n, 10_000_000n],
    });
  });

  it('has sizes of images by node', () => {
    const images = decodeBlockNodes(replies['query-named-block-nodes'] as JsonValue);
    expect(images.get('fmt0')).toEqual({ capacity: 4_194_304n, physical: 65_536n });
    for (const { nodeName } of devices) expect(nodeName === undefined || images.has(nodeName)).toBe(true);
  });

  it('is described by the names alone, in the same order whatever is there', () => {
    const descriptors = new Map(
      devices.flatMap(({ stats }) => stats.map((stat) => [stat.name, describeBlockStat(stat)])),
    );
    const names = [...blockOrder(descriptors.keys()).keys()];
    expect(names).toEqual([...blockOrder([...names].reverse()).keys()]);
    expect(names.slice(0, 7)).toEqual([
      'rd_operations',
      'rd_bytes',
      'rd_total_time_ns',
      'rd_merged',
      'failed_rd_operations',
      'invalid_rd_operations',
      'wr_operations',
    ]);
    expect(names.at(-1)).toBe('flush_latency_histogram_boundaries');
    const described = (name: string) => {
      const { type, unit, base, exponent } = descriptors.get(name) ?? {};
      return [type, unit, base, exponent];
    };
    for (const name of names.filter((each) => /_(operations|merged)$/.test(each))) {
      expect(described(name)).toEqual(['cumulative', undefined, undefined, 0]);
    }
    expect(described('unmap_bytes')).toEqual(['cumulative', 'bytes', undefined, 0]);
    expect(described('flush_total_time_ns')).toEqual(['cumulative', 'seconds', 10, -9]);
    expect(described('idle_time_ns')).toEqual(['instant', 'seconds', 10, -9]);
    expect(described('wr_highest_offset')).toEqual(['peak', 'bytes', undefined, 0]);
    expect(described('account_failed')).toEqual(['instant', 'boolean', undefined, 0]);
    expect(described('timed_3600s_avg_wr_queue_depth')).toEqual(['instant', undefined, 10, -9]);
    expect(described('timed_3600s_max_wr_latency_ns')).toEqual(['instant', 'seconds', 10, -9]);
    expect(described('rd_latency_histogram')).toEqual(['histogram', 'seconds', 10, -9]);
    expect(described('rd_latency_histogram_boundaries')).toEqual(['instant', 'seconds', 10, -9]);
  });
});

describe('a block device', () => {
  it('has what a later QEMU adds, by QEMU’s own convention for names', () => {
    const stats = {
      copy_operations: 1,
      copy_bytes: 2,
      copy_total_time_ns: 3,
      copy_depth: 4,
      copy_age_ns: 5,
      is_new: false,
    };
    const [device] = decode({ device: 'd', stats });
    expect(device?.stats.map((stat) => [stat.name, describeBlockStat(stat)])).toMatchObject([
      ['copy_operations', { type: 'cumulative', exponent: 0 }],
      ['copy_bytes', { type: 'cumulative', unit: 'bytes' }],
      ['copy_total_time_ns', { type: 'cumulative', unit: 'seconds', exponent: -9 }],
      ['copy_depth', { type: 'instant', exponent: 0 }],
      ['copy_age_ns', { type: 'instant', unit: 'seconds', exponent: -9 }],
      ['is_new', { type: 'instant', unit: 'boolean' }],
    ]);
  });

  it('has nothing for what is no integer of 0 to 2^64-1', () => {
    const stats = { a: 2n ** 64n - 1n, b: 2n ** 64n, c: -1, d: '1', e: 1.5, f: null, g: [1], h: {}, timed_stats: 'no' };
    expect(one(stats)).toEqual({ a: 2n ** 64n - 1n });
  });

  it('has no histogram whose bins and boundaries do not belong together', () => {
    const histograms: JsonInput[] = [
      { bins: [1, 2], boundaries: [1, 2] },
      { bins: [1, 2, 3], boundaries: [2, 1] },
      { bins: [1, 2, 3], boundaries: [2, 2] },
      { bins: [1, -2], boundaries: [1] },
      { bins: [1, 2] },
      { bins: 'no', boundaries: [] },
      { bins: Array(MAX_BLOCK_STATS + 1).fill(0), boundaries: Array.from({ length: MAX_BLOCK_STATS }, (_, n) => n) },
    ];
    for (const rd_latency_histogram of histograms) expect(one({ rd_latency_histogram })).toEqual({});
    expect(one({ rd_latency_histogram: { bins: [2n ** 64n - 1n], boundaries: [] } })).toEqual({
      rd_latency_histogram: [2n ** 64n - 1n],
      rd_latency_histogram_boundaries: [],
    });
  });

  it('has averages of each interval once, the depth of queues in whole steps', () => {
    const timed_stats: JsonInput[] = [
      { interval_length: 60, avg_rd_queue_depth: 1.5, avg_wr_queue_depth: 1e-10, min_rd_latency_ns: 7 },
      { interval_length: 60, min_rd_latency_ns: 8 },
      { interval_length: 3600, avg_rd_queue_depth: 1e12, avg_wr_queue_depth: -1, min_rd_latency_ns: 'x' },
      { interval_length: 7200, avg_rd_queue_depth: 2n ** 60n, avg_wr_queue_depth: 10_000_000_000 },
      { interval_length: -1, min_rd_latency_ns: 1 },
      null,
    ];
    expect(one({ timed_stats })).toEqual({
      timed_60s_avg_rd_queue_depth: 1_500_000_000n,
      timed_60s_avg_wr_queue_depth: 0n,
      timed_60s_min_rd_latency_ns: 7n,
      timed_7200s_avg_wr_queue_depth: 10_000_000_000_000_000_000n,
    });
    const names = ['timed_3600s_avg_rd_queue_depth', 'timed_60s_new', 'timed_60s_min_wr_latency_ns', 'zzz', 'wr_bytes'];
    expect([...blockOrder(names).keys()]).toEqual(['wr_bytes', 'zzz', names[2], names[1], names[0]]);
  });

  it('takes the allocation from the last of the layers', () => {
    const layer = (offset: JsonInput, parent?: JsonInput): JsonInput => ({
      stats: { wr_highest_offset: offset },
      ...(parent !== undefined && { parent }),
    });
    const own = { wr_highest_offset: 1 };
    const named = { 'node-name': 'n' };
    expect(one(own, { ...named, parent: layer(2, layer(3)) })).toMatchObject({ allocation: 3n });
    expect(one(own, { ...named, parent: layer(-1) })).not.toHaveProperty('allocation');
    expect(one(own, { ...named, parent: 'x' })).toMatchObject({ allocation: 1n });
    expect(one(own, { parent: layer(2) })).not.toHaveProperty('allocation');
    expect(one({ allocation: 9, ...own }, named)).toMatchObject({ allocation: 1n });
  });

  it('without any name, or by the name of another, is left out', () => {
    const stats = { rd_bytes: 1 };
    expect(decode({ device: '', stats }, { device: 'a', stats }, { device: 'a', stats: {} })).toEqual([
      { path: 'a', stats: [{ name: 'rd_bytes', value: 1n }] },
    ]);
  });

  it.each<[string, JsonInput]>([
    ['query-blockstats should be an array', {}],
    ['query-blockstats[0] should be an object', [null]],
    ['query-blockstats[0].stats should be an object', [{ device: 'd' }]],
    ['query-blockstats should be a list of at most', Array(MAX_BLOCK_DEVICES + 1).fill(null)],
    [
      'query-blockstats[0] should be a device of at most',
      [{ device: 'd', stats: Object.fromEntries(Array.from({ length: MAX_BLOCK_STATS + 1 }, (_, n) => [`s${n}`, n])) }],
    ],
  ])('that is none is refused: %s', (message, reply) => {
    expect(() => decodeBlockStats(reply as JsonValue)).toThrow(message);
  });

  it('is one of ten thousand', () => {
    const stats = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`s${n}_bytes`, n]));
    const many = Array.from({ length: 10_000 }, (_, n): JsonValue => ({ qdev: `d${n}`, stats }));
    expect(decodeBlockStats(many)).toHaveLength(10_000);
  });

  it('never fails in another way than by saying what is wrong', () => {
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.constantFrom('device', 'qdev', 'stats', 'parent', 'node-name'), fc.jsonValue())),
        (json) => {
          try {
            for (const { stats } of decodeBlockStats(parseJson(JSON.stringify(json)))) stats.map(describeBlockStat);
          } catch (error) {
            expect(error).toMatchObject({ code: 'QMP_REPLY_INVALID' });
          }
        },
      ),
    );
  });
});

describe('images', () => {
  const node = (image: JsonInput, name: JsonInput = 'n') => [{ 'node-name': name, image }] as JsonValue;

  it('have the sizes that QEMU knows', () => {
    expect(decodeBlockNodes(node({ 'virtual-size': 5 })).get('n')).toEqual({ capacity: 5n });
    expect(decodeBlockNodes(node({ 'virtual-size': -5, 'actual-size': 2n ** 64n })).get('n')).toEqual({});
  });

  it('have a threshold where one is wanted, and the limits that QEMU tells', () => {
    const of = (more: Record<string, JsonInput>, image: JsonInput = {}) =>
      decodeBlockNodes([{ 'node-name': 'n', image, ...more }] as JsonValue).get('n');
    expect(of({ write_threshold: 4096 })).toEqual({ writeThreshold: 4096n });
    expect(of({ write_threshold: 0 })).toEqual({});
    const limits = { 'max-iov': 1024, 'max-transfer': -1, later: 'x' };
    expect(of({}, { limits })).toEqual({ limits: [{ name: 'max-iov', value: 1024n }] });
    const many = (count: number) => ({
      limits: Object.fromEntries(Array.from({ length: count }, (_, n) => [`l${n}`, n])),
    });
    expect(of({}, many(MAX_NODE_LIMITS))?.limits).toHaveLength(MAX_NODE_LIMITS);
    expect(() => of({}, many(MAX_NODE_LIMITS + 1))).toThrow('query-named-block-nodes[0]');
  });

  it.each([node('x'), node({}, 7), Array(MAX_BLOCK_NODES + 1).fill(null) as JsonValue, 'x'])(
    'are refused where the reply is something else',
    (reply) => {
      expect(() => decodeBlockNodes(reply)).toThrow('query-named-block-nodes');
    },
  );
});

describe('images below others', () => {
  const chain = (depth: number): JsonValue => {
    let node: JsonValue = {};
    for (let level = depth; level > 0; level--) {
      const parent = { 'node-name': `file${level}`, stats: { wr_highest_offset: level } };
      node = { 'node-name': `node${level}`, parent, stats: {}, ...(level < depth && { backing: node }) };
    }
    return [{ qdev: 'd1', 'node-name': 'top', stats: {}, ...(depth > 0 && { backing: node }) }];
  };
  const images = (depth: number): JsonValue => {
    let image: JsonValue = {};
    for (let level = depth; level >= 0; level--) {
      const own = { filename: `/${level}`, format: 'qcow2', 'virtual-size': 9, 'actual-size': level };
      image = { ...own, ...(level < depth && { 'backing-image': image }) };
    }
    return [{ qdev: 'd1', inserted: { file: '/0', drv: 'qcow2', image } }];
  };

  it('are told by both questions, the uppermost first', () => {
    expect(decodeBackingNodes(chain(2)).get('/machine/peripheral/d1')).toEqual([
      { nodeName: 'node1', allocation: 1n },
      { nodeName: 'node2', allocation: 2n },
    ]);
    expect(decodeBackingNodes(chain(0)).get('/machine/peripheral/d1')).toEqual([]);
    expect(decodeBlockBackends(images(2))[0]?.medium?.backing).toEqual([
      { file: '/1', format: 'qcow2', capacity: 9n, physical: 1n },
      { file: '/2', format: 'qcow2', capacity: 9n, physical: 2n },
    ]);
    expect(decodeBlockBackends(images(0))[0]?.medium?.backing).toEqual([]);
    expect(decodeBlockBackends([{ qdev: 'd1', inserted: { file: '/0' } }])[0]?.medium?.backing).toEqual([]);
  });

  it('are at most so many', () => {
    expect(decodeBackingNodes(chain(MAX_BACKING_IMAGES)).size).toBe(1);
    expect(() => decodeBackingNodes(chain(MAX_BACKING_IMAGES + 1))).toThrow('query-blockstats');
    expect(decodeBlockBackends(images(MAX_BACKING_IMAGES))[0]?.medium?.backing).toHaveLength(MAX_BACKING_IMAGES);
    expect(() => decodeBlockBackends(images(MAX_BACKING_IMAGES + 1))).toThrow('query-block');
    expect(() => decodeBackingNodes(Array(MAX_BLOCK_DEVICES + 1).fill({}) as JsonValue)).toThrow('query-blockstats');
  });

  it('of what QEMU captured are those of its disk', () => {
    const file = new URL('../../../test/fixtures/qmp/qemu11.1-alpha.json', import.meta.url);
    const alpha = parseJson(readFileSync(file, 'utf8')) as Record<string, { return: JsonValue }>;
    const reply = alpha['query-blockstats']?.return as JsonValue;
    const chains = [...decodeBackingNodes(reply).values()].map((nodes) => nodes.map(({ nodeName }) => nodeName));
    expect(chains).toContainEqual(['libvirt-3-format', 'libvirt-4-storage']);
    const [disk] = decodeBlockStats(reply);
    const nodes = decodeBlockNodes(alpha['query-named-block-nodes-flat']?.return as JsonValue);
    const names = nodes.get(disk?.storageName ?? '')?.limits?.map(({ name }) => name);
    expect(names?.toSorted()).toEqual(['max-iov', 'min-mem-alignment', 'opt-mem-alignment', 'request-alignment']);
  });
});
