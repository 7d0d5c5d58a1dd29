import { describe, expect, it } from 'vitest';
import type { JsonInput } from '../../../protocol/json/json.ts';
import { QmpCommandError } from '../../../protocol/qmp/messages.ts';
import { FakeMonitor } from '../../../testing/fake-monitor.ts';
import { Monitor } from '../monitor.ts';
import { BlockProvider } from './block.ts';

const options = { signal: new AbortController().signal };
const domain = { id: 'a', name: 'a', source: 'test:' };
const everything = { target: 'block' };

/** What the fake tells; may be changed while it runs. */
interface Told {
  devices: JsonInput[];
  nodes: JsonInput[] | undefined;
}

const disk = (qdev: string, more: Record<string, JsonInput> = {}) => ({
  device: '',
  qdev,
  'node-name': `node-${qdev}`,
  stats: { rd_operations: 1, wr_highest_offset: 4096, rd_bytes: 2n ** 64n - 1n, ...more },
});
const node = (qdev: string): JsonInput => ({
  'node-name': `node-${qdev}`,
  image: { 'virtual-size': 1_048_576, 'actual-size': 8192 },
});
const cdrom = { device: 'ide1-cd0', qdev: '/machine/unattached/device[20]', stats: { rd_operations: 0 } };

async function withProvider(
  told: Told,
  use: (provider: BlockProvider, asked: () => Record<string, number>) => Promise<void>,
): Promise<void> {
  const commands = {
    'query-blockstats': () => told.devices,
    'query-named-block-nodes': () => {
      if (told.nodes !== undefined) return told.nodes;
      throw new QmpCommandError('query-named-block-nodes', 'GenericError', 'an image is broken');
    },
  };
  await using fake = await FakeMonitor.listen({ commands });
  const monitor = new Monitor(fake.address);
  const count = (command: string) => fake.requests.filter((request) => request.command === command).length;
  try {
    await use(new BlockProvider(monitor), () => ({
      counters: count('query-blockstats'),
      images: count('query-named-block-nodes'),
    }));
  } finally {
    await monitor.close();
  }
}

describe('the provider block', () => {
  it('gives each device what it has, in the order of a schema that has what any of them has', async () => {
    const histogram = { rd_latency_histogram: { bins: [0, 3], boundaries: [10] } };
    const below = { 'node-name': 'file-d1', stats: { wr_highest_offset: 2048 } };
    const limits = { 'max-iov': 1024, 'max-transfer': 65_536 };
    const file = { 'node-name': 'file-d1', write_threshold: 7, image: { 'actual-size': 1, limits } };
    const told = { devices: [{ ...disk('d1', histogram), parent: below }, cdrom], nodes: [node('d1'), file] };
    await withProvider(told, async (provider) => {
      const names = [
        'rd_operations',
        'rd_bytes',
        'wr_highest_offset',
        'capacity',
        'physical',
        'allocation',
        'write_threshold',
        'limit_max-iov',
        'limit_max-transfer',
        'rd_latency_histogram',
        'rd_latency_histogram_boundaries',
      ];
      const [schema] = await provider.schemas(domain, options);
      expect(schema?.stats.map(({ name }) => name)).toEqual(names);
      const [first, second] = await provider.stats(domain, everything, options);
      expect(first).toMatchObject({ path: '/machine/peripheral/d1', via: 'qmp' });
      expect(first?.stats.map(({ name }) => name)).toEqual(names);
      expect(first?.stats.map(({ value }) => value)).toEqual([
        ...[1n, 2n ** 64n - 1n, 4096n, 1_048_576n, 8192n, 2048n, 7n, 1024n, 65_536n],
        ...[[0n, 3n], [10n]],
      ]);
      expect(second).toMatchObject({ path: cdrom.qdev, stats: [{ name: 'rd_operations', value: 0n }] });
      expect(await provider.availability(domain, options)).toMatchObject([{ provider: 'block', available: true }]);
    });
  });

  it('asks for counters at every turn, once for all who ask at that moment, and for images when they are old', async () => {
    await withProvider({ devices: [disk('d1')], nodes: [node('d1')] }, async (provider, asked) => {
      await Promise.all([provider.stats(domain, everything, options), provider.schemas(domain, options)]);
      expect(asked()).toEqual({ counters: 1, images: 1 });
      await provider.stats(domain, everything, options);
      expect(asked()).toEqual({ counters: 2, images: 1 });
    });
  });

  it('asks for images only where they are wanted, and for nothing where nothing is', async () => {
    await withProvider({ devices: [disk('d1')], nodes: [node('d1')] }, async (provider, asked) => {
      expect(await provider.stats(domain, { ...everything, names: [] }, options)).toEqual([]);
      expect(asked()).toEqual({ counters: 0, images: 0 });
      await provider.stats(domain, { ...everything, names: ['rd_bytes', 'allocation'] }, options);
      expect(asked()).toEqual({ counters: 1, images: 0 });
      await provider.stats(domain, { ...everything, names: ['physical'] }, options);
      expect(asked()).toEqual({ counters: 2, images: 1 });
      await provider.stats(domain, { ...everything, names: ['limit_max-iov'] }, options);
      expect(asked()).toEqual({ counters: 3, images: 1 });
    });
  });

  it('follows disks that come and go', async () => {
    const told: Told = { devices: [disk('d1')], nodes: [node('d1')] };
    await withProvider(told, async (provider) => {
      const sweep = async () =>
        (await provider.stats(domain, everything, options)).map(({ path, stats }) => [
          path,
          stats.some(({ name }) => name === 'capacity'),
        ]);
      expect(await sweep()).toEqual([['/machine/peripheral/d1', true]]);
      told.devices = [disk('d1'), disk('d2', { zone_append_bytes: 1 })];
      told.nodes = [node('d1'), node('d2')];
      // The image of the new one is asked for with the next counters.
      expect((await sweep())[1]).toEqual(['/machine/peripheral/d2', false]);
      expect((await sweep())[1]).toEqual(['/machine/peripheral/d2', true]);
      const names = async () => (await provider.schemas(domain, options))[0]?.stats.map(({ name }) => name);
      expect(await names()).toContain('zone_append_bytes');
      told.devices = [disk('d1')];
      expect(await sweep()).toEqual([['/machine/peripheral/d1', true]]);
      expect(await names()).not.toContain('zone_append_bytes');
    });
  });

  it('has the counters also where the images cannot be had', async () => {
    await withProvider({ devices: [disk('d1')], nodes: undefined }, async (provider, asked) => {
      for (const turn of [1, 2, 3]) {
        const [reading] = await provider.stats(domain, everything, options);
        expect(reading?.stats.map(({ name }) => name)).toEqual([
          'rd_operations',
          'rd_bytes',
          'wr_highest_offset',
          'allocation',
        ]);
        expect(asked()).toEqual({ counters: turn, images: 1 });
      }
    });
  });

  it('says that a VM has no block devices', async () => {
    await withProvider({ devices: [], nodes: [] }, async (provider) => {
      expect(await provider.schemas(domain, options)).toEqual([]);
      expect(await provider.stats(domain, everything, options)).toEqual([]);
      expect(await provider.availability(domain, options)).toMatchObject([
        { provider: 'block', available: false, reason: 'the VM has no block devices' },
      ]);
    });
  });

  it('gives ten thousand devices in one sweep', async () => {
    const many = Array.from({ length: 10_000 }, (_, n) => disk(`d${n}`));
    await withProvider({ devices: many, nodes: [] }, async (provider) => {
      expect(await provider.stats(domain, everything, options)).toHaveLength(10_000);
    });
  });
});
