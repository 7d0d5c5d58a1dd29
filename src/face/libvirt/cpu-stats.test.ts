import { describe, expect, it } from 'vitest';
import type { NodeFacts } from '../../host/node-info.ts';
import type { Domain } from '../../model/domain.ts';
import type { CpuStats, CpuStatsArgs } from '../../protocol/libvirt/classic-procedures.ts';
import { VIR_ERR_INVALID_ARG, VIR_ERR_NO_DOMAIN } from '../../protocol/libvirt/constants.ts';
import type { Reader } from '../face.ts';
import { CallerView } from './caller-view.ts';
import { cpuStats } from './cpu-stats.ts';
import { Identities } from './identities.ts';
import { Statistics } from './statistics.ts';

const UUID = '11111111-2222-4333-8444-555555555555';
const DOMAIN: Domain = { id: 'a', name: 'web', uuid: UUID, source: 'test:' };
const NODE: NodeFacts = {
  ...{ hostname: 'host', machine: 'x86_64', memoryBytes: 2n ** 34n, cpus: 12, mhz: 1000 },
  ...{ nodes: 1, sockets: 1, cores: 12, threads: 1 },
};

/** Of a VM in a control group of its own, in nanoseconds; the schema says so. */
const TIMES = { cgroup_cpu_time: 7n, cgroup_user_time: 5n, cgroup_system_time: 2n };

const reader: Reader = {
  domains: async () => [DOMAIN],
  list: async () => [],
  schemas: async ({ target = 'vm' } = {}) => {
    const stats = Object.keys(TIMES).map((name) => ({ name, type: 'cumulative', base: 10, exponent: -9 }));
    return [{ domain: DOMAIN, items: [{ provider: 'process', target, stats }], errors: [] }];
  },
  query: async ({ target }) => {
    const stats = [
      { name: 'cgroup_own', value: true },
      ...Object.entries(TIMES).map(([name, value]) => ({ name, value })),
    ];
    const sample = { domain: DOMAIN.id, provider: 'process', target, via: 'test', collectedAtNs: 0n, stats };
    return [{ domain: DOMAIN, items: target === 'vm' ? [sample] : [], errors: [] }];
  },
  readsAllOf: () => true,
};

const ask = (asked: Partial<CpuStatsArgs>): Promise<CpuStats> => {
  const view = new CallerView(reader, new Identities(), new Statistics({ monitorOf: async () => undefined }));
  const usual = { domain: { name: 'web', uuid: UUID, id: 1 }, maxParameters: 0, firstCpu: 0, cpus: 0, flags: 0 };
  return cpuStats(view, () => NODE, { ...usual, ...asked }, { signal: new AbortController().signal });
};

describe('the CPU time of a domain', () => {
  const params = [
    { field: 'cpu_time', type: 'ullong', value: 7n },
    { field: 'user_time', type: 'ullong', value: 5n },
    { field: 'system_time', type: 'ullong', value: 2n },
  ];

  it('on all host CPUs is that of the bulk statistics, as much of it as there is room for', async () => {
    expect(await ask({ firstCpu: -1, cpus: 1, flags: 4 })).toEqual({ params: [], count: 3 });
    expect(await ask({ firstCpu: -1, cpus: 1, flags: 4, maxParameters: 3 })).toEqual({ params, count: 3 });
    expect(await ask({ firstCpu: -1, cpus: 1, maxParameters: 9 })).toEqual({ params, count: 3 });
    expect(await ask({ firstCpu: -1, cpus: 1, maxParameters: 1 })).toEqual({ params: params.slice(0, 1), count: 1 });
  });

  it('on each of them is refused as libvirt does, once it was said how much there would be', async () => {
    expect(await ask({})).toEqual({ params: [], count: 12 });
    expect(await ask({ cpus: 1 })).toEqual({ params: [], count: 2 });
    await expect(ask({ cpus: 12, maxParameters: 2 })).rejects.toMatchObject({
      error: {
        ...{ code: 84, domain: 54 },
        message: "Operation not supported: operation 'getCpuacctPercpuUsage' not supported for backend 'cgroup V2'",
      },
    });
  });

  it('is refused for flags that there are not, and for a domain that is not there', async () => {
    await expect(ask({ flags: 12 })).rejects.toMatchObject({
      error: { code: VIR_ERR_INVALID_ARG, message: 'unsupported flags (0x8) in function qemuDomainGetCPUStats' },
    });
    const gone = { name: 'web', uuid: '00000000-0000-4000-8000-000000000000', id: 1 };
    await expect(ask({ domain: gone })).rejects.toMatchObject({ error: { code: VIR_ERR_NO_DOMAIN } });
  });
});
