import { describe, expect, it } from 'vitest';
import type { StatsFilter } from '../model/filter.ts';
import type { Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import { writeExposition } from '../protocol/openmetrics/writer.ts';
import { LIBVIRT_FAMILIES } from './libvirt-families.ts';
import { LibvirtView } from './libvirt-view.ts';

/** The names that two exporters of libvirt's statistics have in common, Tinkoff's and inovex's, as they stand in their sources. */
const SHARED = [
  'libvirt_up',
  ...['maximum_memory_bytes', 'memory_usage_bytes', 'virtual_cpus', 'cpu_time_seconds_total'].map(
    (name) => `libvirt_domain_info_${name}`,
  ),
  ...['read_bytes', 'read_requests', 'read_time_seconds', 'write_bytes', 'write_requests', 'write_time_seconds'].map(
    (name) => `libvirt_domain_block_stats_${name}_total`,
  ),
  'libvirt_domain_block_stats_flush_requests_total',
  'libvirt_domain_block_stats_flush_time_seconds_total',
  'libvirt_domain_block_stats_capacity_bytes',
  ...['receive', 'transmit'].flatMap((way) =>
    ['bytes', 'packets', 'errors', 'drops'].map((name) => `libvirt_domain_interface_stats_${way}_${name}_total`),
  ),
  ...['unused_bytes', 'available_bytes', 'usable_bytes', 'rss_bytes', 'used_percent'].map(
    (name) => `libvirt_domain_memory_stats_${name}`,
  ),
  'libvirt_domain_memory_stats_major_fault_total',
  'libvirt_domain_memory_stats_minor_fault_total',
  ...['state', 'time_seconds_total', 'wait_seconds_total', 'delay_seconds_total'].map(
    (name) => `libvirt_domain_vcpu_${name}`,
  ),
];

describe('the libvirt profile', () => {
  it('has every name that exporters of libvirt share, of a VM that has everything, and no other', async () => {
    const domain = { id: '1', name: 'web', source: 'test:' };
    const groups = Map.groupBy(LIBVIRT_FAMILIES, ({ provider, target }) => JSON.stringify([provider, target]));
    const schemas = [...groups.values()].map((rows): Schema => {
      const [{ provider, target }] = rows as [(typeof rows)[0]];
      return { provider, target, stats: rows.map(({ stat }) => ({ name: stat, type: 'cumulative', exponent: 0 })) };
    });
    const sampleOf = ({ provider, target, stats }: Schema): Sample => ({
      ...{ domain: 'web', provider, target, path: '/machine/peripheral/x0', via: 'test', collectedAtNs: 1n },
      stats: stats.map(({ name }) => ({ name, value: 1n })),
    });
    const reader = {
      schemas: async () => [{ domain, items: schemas, errors: [] }],
      query: async ({ target }: StatsFilter) => [
        { domain, items: schemas.filter((schema) => schema.target === target).map(sampleOf), errors: [] },
      ],
    };
    const { families } = await new LibvirtView(1000).read(reader, {});
    const text = [...writeExposition(families, 'prometheus')].join('');
    const names = [...text.matchAll(/^(libvirt_\w+)/gm)].map(([, name = '']) => name);
    expect(SHARED).toHaveLength(33);
    expect(names.toSorted()).toEqual(SHARED.toSorted());
  });
});
