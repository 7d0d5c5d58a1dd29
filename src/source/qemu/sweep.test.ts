import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Schema } from '../../model/stat.ts';
import { Registry } from '../../registry/registry.ts';
import { FakeMonitor, type FakeRequest } from '../../testing/fake-monitor.ts';
import { QemuSource } from './source.ts';

const TARGETS = ['vm', 'vcpu', 'block', 'iothread'];

const schema = (target: string): Schema => ({
  provider: 'kvm',
  target,
  stats: [{ name: 'exits', type: 'cumulative', exponent: 0 }],
});
const result = (path?: string) => ({
  provider: 'kvm',
  ...(path !== undefined && { path }),
  stats: [{ name: 'exits', value: 1n }],
});
const disk = { device: 'd', 'node-name': 'n', stats: { rd_bytes: 1 } };
const image = { 'node-name': 'n', image: { 'virtual-size': 1, 'actual-size': 1 } };

/** A VM of everything, found by its monitor. */
async function withSweeps(
  use: (registry: Registry, since: () => readonly FakeRequest[]) => Promise<void>,
): Promise<void> {
  await using fake = await FakeMonitor.listen({
    schemas: [schema('vm'), schema('vcpu')],
    results: { vm: [result()], vcpu: [result('/cpu0'), result('/cpu1')] },
    commands: {
      'query-blockstats': () => [disk],
      'query-named-block-nodes': () => [image],
      'qom-get': ({ property }) => (property === 'smp' ? { maxcpus: 2 } : { size: 1 }),
    },
  });
  const registry = new Registry([new QemuSource(fake.uri)]);
  try {
    await use(registry, () => fake.requests.splice(0));
  } finally {
    await registry.close();
  }
}

/** Everything that can be measured, at one moment. */
async function sweep(registry: Registry): Promise<void> {
  const answers = await Promise.all(TARGETS.map((target) => registry.query({ target })));
  expect(answers.flat().flatMap(({ errors }) => errors)).toEqual([]);
  expect(answers.map(([answer]) => answer?.items.length)).toEqual([2, 2, 1, 0]);
}

const commandsOf = (requests: readonly FakeRequest[]) => requests.map(({ command }) => command).sort();
const piecesOf = (requests: readonly FakeRequest[]) => new Set(requests.map(({ piece }) => piece)).size;

describe('a sweep over everything that a monitor tells', () => {
  it('takes two turns with the monitor the first time: what it is, and all values', async () => {
    await withSweeps(async (registry, since) => {
      await sweep(registry);
      const requests = since();
      expect(piecesOf(requests)).toBe(2);
      const [first] = requests;
      expect(commandsOf(requests.filter(({ piece }) => piece === first?.piece))).toEqual([
        'qmp_capabilities',
        'query-name',
        'query-stats-schemas',
        'query-uuid',
      ]);
      expect(commandsOf(requests.filter(({ piece }) => piece !== first?.piece))).toEqual([
        'qom-get',
        'qom-get',
        'qom-list',
        'qom-list',
        'query-blockstats',
        'query-cpus-fast',
        'query-dirty-rate',
        'query-iothreads',
        'query-memory-size-summary',
        'query-named-block-nodes',
        'query-stats',
        'query-stats',
        'query-status',
      ]);
    });
  });

  it('takes one turn and three questions afterwards', async () => {
    await withSweeps(async (registry, since) => {
      await sweep(registry);
      since();
      for (let turn = 0; turn < 5; turn++) {
        await sweep(registry);
        const requests = since();
        expect(commandsOf(requests)).toEqual(['query-blockstats', 'query-stats', 'query-stats']);
        expect(piecesOf(requests)).toBe(1);
        await sleep(5);
      }
    });
  });

  it('asks nothing that nobody asked for', async () => {
    await withSweeps(async (registry, since) => {
      // What there is of all providers has to be known to tell a name that does not exist.
      const filter = await registry.resolve({ target: 'vm', names: ['exits'], provider: 'kvm' });
      since();
      await registry.query(filter);
      expect(commandsOf(since())).toEqual(['query-stats']);
      await registry.query({ target: 'vm', providers: [{ provider: 'state', names: ['running'] }] });
      expect(commandsOf(since())).toEqual(['query-status']);
      await registry.query({ target: 'vm', providers: [{ provider: 'state', names: ['running'] }] });
      expect(since()).toEqual([]);
      await registry.query({ target: 'block', providers: [{ provider: 'block', names: ['rd_bytes'] }] });
      expect(commandsOf(since())).toEqual(['query-blockstats']);
    });
  });
});
