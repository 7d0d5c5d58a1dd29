import { describe, expect, it, vi } from 'vitest';
import type { StatValue } from '../../../model/sample.ts';
import type { FakeCommand } from '../../../testing/fake-commands.ts';
import { FakeMonitor } from '../../../testing/fake-monitor.ts';
import { Monitor } from '../monitor.ts';
import { StateProvider } from './state.ts';

const options = { signal: new AbortController().signal };
const domain = { id: 'a', name: 'a', source: 'test:' };

const machine: FakeCommand = ({ property }) =>
  property === 'smp' ? { cpus: 2, maxcpus: 8 } : { size: 33_554_432, 'max-size': 2n ** 63n };
const measured: FakeCommand = () => ({
  ...{ status: 'measured', mode: 'page-sampling' },
  ...{ 'start-time': 70, 'calc-time': 1, 'dirty-rate': 12 },
});

async function withProvider(
  commands: Readonly<Record<string, FakeCommand | null>>,
  use: (
    read: (names?: readonly string[]) => Promise<Record<string, StatValue>>,
    fake: FakeMonitor,
    provider: StateProvider,
  ) => Promise<void>,
  isOneProcess = false,
): Promise<void> {
  await using fake = await FakeMonitor.listen({ commands });
  const monitor = new Monitor(fake.address);
  const provider = new StateProvider(monitor, { isOneProcess });
  const read = async (names?: readonly string[]) => {
    const readings = await provider.stats(domain, { target: 'vm', ...(names && { names }) }, options);
    return Object.fromEntries(readings.flatMap(({ stats }) => stats.map(({ name, value }) => [name, value])));
  };
  try {
    await use(read, fake, provider);
  } finally {
    await monitor.close();
  }
}

const commandsOf = (fake: FakeMonitor) =>
  fake.requests
    .map(({ command }) => command)
    .slice(1)
    .sort();

describe('the provider state', () => {
  it('tells what the VM is, in the order of its schema', async () => {
    await withProvider({ 'qom-get': machine, 'query-dirty-rate': measured }, async (read, _fake, provider) => {
      const values = {
        ...{ state: 1n, reason: 0n, running: true },
        ...{ vcpu_current: 2n, vcpu_maximum: 8n, memory_current: 33_554_432n, memory_maximum: 2n ** 63n },
        ...{ dirty_rate: 12n, dirty_rate_start_time: 70n, dirty_rate_calc_time: 1n },
        ...{ dirty_rate_status: 2n, dirty_rate_mode: 0n },
      };
      expect(await read()).toEqual(values);
      const [schema] = await provider.schemas();
      const names = schema?.stats.map(({ name }) => name).filter((name) => name !== 'since');
      expect(names).toEqual(Object.keys(values));
      expect(schema?.stats.find(({ name }) => name === 'dirty_rate')).toEqual({
        ...{ name: 'dirty_rate', type: 'instant', size: 1 },
        ...{ unit: 'bytes', base: 2, exponent: 20 },
      });
    });
  });

  it('asks for what is wanted and nothing else, and for its schema not at all', async () => {
    await withProvider({}, async (read, fake, provider) => {
      await provider.schemas();
      expect(await read([])).toEqual({});
      expect(fake.requests).toEqual([]);
      await read(['vcpu_current']);
      expect(commandsOf(fake)).toEqual(['query-cpus-fast']);
      await read(['running', 'since']);
      expect(commandsOf(fake)).toEqual(['query-cpus-fast', 'query-status']);
    });
  });

  it('asks nothing while nothing changes, and again for the run state after an event', async () => {
    await withProvider({ 'qom-get': machine }, async (read, fake) => {
      await read();
      const first = commandsOf(fake);
      expect(first).toEqual(
        [
          'qom-get',
          'qom-get',
          'query-cpus-fast',
          'query-dirty-rate',
          'query-memory-size-summary',
          'query-status',
        ].sort(),
      );
      for (let turn = 0; turn < 10; turn++) await read();
      expect(commandsOf(fake)).toEqual(first);
      fake.send({ timestamp: { seconds: 1_764_000_000, microseconds: 7 }, event: 'RESUME' });
      await vi.waitFor(async () => expect((await read())['since']).toBe(1_764_000_000_000_007n));
      expect(commandsOf(fake)).toEqual([...first, 'query-status'].sort());
    });
  });

  it('asks for what never changes once in the life of a process', async () => {
    await withProvider(
      { 'qom-get': machine },
      async (read, fake) => {
        await read();
        fake.disconnect();
        await expect.poll(() => fake.openConnections).toBe(0);
        expect(await read()).toMatchObject({ vcpu_maximum: 8n });
        expect(fake.requests.filter(({ command }) => command === 'qom-get')).toHaveLength(2);
      },
      true,
    );
  });

  it('has no more than an old QEMU tells, which is not asked again and again', async () => {
    await withProvider({ 'query-dirty-rate': null, 'query-memory-size-summary': null }, async (read, fake) => {
      const values = { state: 1n, reason: 0n, running: true, vcpu_current: 2n };
      for (let turn = 0; turn < 3; turn++) expect(await read()).toEqual(values);
      expect(fake.requests.filter(({ command }) => command === 'query-dirty-rate')).toHaveLength(1);
    });
  });

  it('refuses what is no such reply', async () => {
    await withProvider({ 'query-status': () => ({ status: 5 }) }, async (read, _fake, provider) => {
      await expect(read(['state'])).rejects.toMatchObject({ code: 'QMP_REPLY_INVALID' });
      await expect(provider.availability(domain, options)).rejects.toMatchObject({ code: 'QMP_REPLY_INVALID' });
      expect(await read(['vcpu_current'])).toEqual({ vcpu_current: 2n });
    });
  });
});
