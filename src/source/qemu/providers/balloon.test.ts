import { describe, expect, it, vi } from 'vitest';
import { NO_BALLOON } from '../../../model/guest-memory.ts';
import { GUEST_STAT_NAMES } from '../../../protocol/qmp/guest-stats.ts';
import { FakeBalloon } from '../../../testing/fake-balloon.ts';
import { FakeMonitor, type FakeMonitorOptions } from '../../../testing/fake-monitor.ts';
import { ABSENT_MS, BalloonDevice } from '../balloon-device.ts';
import { Monitor } from '../monitor.ts';
import { BalloonProvider } from './balloon.ts';

const options = { signal: new AbortController().signal };
const domain = { id: 'a', name: 'a', source: 'test:' };
const NONE = 2n ** 64n - 1n;

interface Given {
  readonly provider: BalloonProvider;
  readonly balloon: FakeBalloon;
  readonly fake: FakeMonitor;
  values(): Promise<Readonly<Record<string, unknown>>>;
  count(command: string): number;
}

async function withProvider(use: (given: Given) => Promise<void>, more: FakeMonitorOptions = {}): Promise<void> {
  const balloon = new FakeBalloon();
  await using fake = await FakeMonitor.listen({ ...more, commands: { ...balloon.commands, ...more.commands } });
  const monitor = new Monitor(fake.address);
  const provider = new BalloonProvider(new BalloonDevice(monitor));
  try {
    await use({
      provider,
      balloon,
      fake,
      values: async () => {
        const [reading] = await provider.stats(domain, { target: 'vm' }, options);
        return Object.fromEntries((reading?.stats ?? []).map(({ name, value }) => [name, value]));
      },
      count: (command) => fake.requests.filter((request) => request.command === command).length,
    });
  } finally {
    await monitor.close();
  }
}

describe('the provider balloon', () => {
  it('describes every statistic, with its type and unit, in the order of the tags', async () => {
    await withProvider(async ({ provider, balloon }) => {
      balloon.stats = Object.fromEntries([...GUEST_STAT_NAMES, 'stat-tomorrow'].reverse().map((name) => [name, NONE]));
      const [schema] = await provider.schemas(domain, options);
      const rows = schema?.stats.map(({ name, type, unit, exponent }) => `${name} ${type} ${unit ?? '-'} ${exponent}`);
      expect(rows).toEqual([
        'stat-swap-in cumulative bytes 0',
        'stat-swap-out cumulative bytes 0',
        'stat-major-faults cumulative - 0',
        'stat-minor-faults cumulative - 0',
        'stat-free-memory instant bytes 0',
        'stat-total-memory instant bytes 0',
        'stat-available-memory instant bytes 0',
        'stat-disk-caches instant bytes 0',
        'stat-htlb-pgalloc cumulative - 0',
        'stat-htlb-pgfail cumulative - 0',
        'stat-oom-kills cumulative - 0',
        'stat-alloc-stalls cumulative - 0',
        'stat-async-scans cumulative bytes 0',
        'stat-direct-scans cumulative bytes 0',
        'stat-async-reclaims cumulative bytes 0',
        'stat-direct-reclaims cumulative bytes 0',
        'stat-tomorrow instant - 0',
        'balloon-size instant bytes 0',
        'last-update instant seconds 0',
        'last-update-age instant seconds -9',
        'polling-interval instant seconds 0',
      ]);
      expect(await provider.availability(domain, options)).toEqual([
        { provider: 'balloon', target: 'vm', via: 'qmp', available: true },
      ]);
    });
  });

  it('gives what the guest says as it says it, and leaves out what it does not say', async () => {
    await withProvider(async ({ balloon, values }) => {
      balloon.stats = { 'stat-free-memory': 2n ** 63n, 'stat-total-memory': 1, 'stat-swap-in': NONE, 'stat-x': 'much' };
      balloon.interval = 2;
      balloon.lastUpdate = Math.floor(Date.now() / 1000) - 30;
      const { 'last-update-age': ageNs, ...others } = await values();
      expect(others).toEqual({
        'stat-free-memory': 2n ** 63n,
        'stat-total-memory': 1n,
        'balloon-size': 67108864n,
        'last-update': BigInt(balloon.lastUpdate),
        'polling-interval': 2n,
      });
      expect(Number(ageNs) / 1e9).toBeGreaterThanOrEqual(30);
      expect(Number(ageNs) / 1e9).toBeLessThan(40);
    });
  });

  it('asks how often the guest is asked only for who wants to know', async () => {
    await withProvider(async ({ provider, balloon, count }) => {
      balloon.interval = 2;
      const asked = async (names: readonly string[]) => {
        const before = count('qom-get');
        const [reading] = await provider.stats(domain, { target: 'vm', names }, options);
        return [count('qom-get') - before, reading?.stats.find(({ name }) => name === 'polling-interval')?.value];
      };
      expect(await asked(['balloon-size', 'last-update'])).toEqual([1, undefined]);
      expect(await asked(['balloon-size', 'polling-interval'])).toEqual([2, 2n]);
      balloon.path = '/machine/peripheral-anon/device[3]';
      // Refused at the old path, asked at the new one.
      expect(await asked(['balloon-size'])).toEqual([2, undefined]);
    });
  });

  it.each([0, 2 ** 40, 2n ** 63n])('has no age where the last answer was at %s', async (lastUpdate) => {
    await withProvider(async ({ balloon, values }) => {
      balloon.lastUpdate = lastUpdate;
      expect(await values()).toEqual({
        'balloon-size': 67108864n,
        'last-update': BigInt(lastUpdate),
        'polling-interval': 0n,
      });
    });
  });

  it('looks for the device once, and asks for its size again only when QEMU says that it changed', async () => {
    await withProvider(async ({ balloon, fake, values, count }) => {
      for (let round = 0; round < 3; round++) await values();
      expect([count('qom-list'), count('query-balloon'), count('qom-get')]).toEqual([2, 1, 6]);
      balloon.actual = 48 << 20;
      expect((await values())['balloon-size']).toBe(64n << 20n);
      const timestamp = { seconds: 1, microseconds: 0 };
      fake.send({ timestamp, event: 'BALLOON_CHANGE', data: { actual: balloon.actual } });
      await vi.waitFor(async () => expect((await values())['balloon-size']).toBe(48n << 20n));
      expect([count('qom-list'), count('query-balloon')]).toEqual([2, 2]);
    });
  });

  it('looks for it anew when it is no longer where it was', async () => {
    await withProvider(async ({ provider, balloon, values, count }) => {
      await values();
      balloon.path = '/machine/peripheral-anon/device[3]';
      expect(await values()).toHaveProperty('balloon-size');
      expect(count('qom-list')).toBe(4);
      balloon.path = undefined;
      expect(await provider.stats(domain, { target: 'vm' }, options)).toEqual([]);
      expect(count('qom-list')).toBe(6);
    });
  });

  it('says that a VM has none, asks it for nothing, and looks again after a while', async () => {
    await withProvider(async ({ provider, balloon, values, count }) => {
      balloon.path = undefined;
      vi.useFakeTimers({ toFake: ['performance'] });
      try {
        expect(await provider.schemas(domain, options)).toEqual([]);
        expect(await provider.stats(domain, { target: 'vm' }, options)).toEqual([]);
        expect(await provider.availability(domain, options)).toEqual([
          { provider: 'balloon', target: 'vm', via: 'qmp', available: false, reason: NO_BALLOON },
        ]);
        expect([count('qom-list'), count('qom-get'), count('query-balloon')]).toEqual([2, 0, 0]);
        balloon.path = '/machine/peripheral/late';
        vi.advanceTimersByTime(ABSENT_MS + 1);
        expect(await values()).toHaveProperty('balloon-size');
      } finally {
        vi.useRealTimers();
      }
    });
  });

  it('has no size where QEMU cannot tell it', async () => {
    await withProvider(async ({ values }) => expect(await values()).not.toHaveProperty('balloon-size'), {
      commands: { 'query-balloon': null },
    });
  });

  it.each([
    ['qom-list', [{ name: 1 }]],
    ['qom-get', 'much'],
    ['query-balloon', []],
  ])('refuses what is no reply to %s', async (command, reply) => {
    await withProvider(
      async ({ values }) => {
        await expect(values()).rejects.toMatchObject({ code: 'QMP_REPLY_INVALID' });
      },
      { commands: { [command]: () => reply } },
    );
  });
});
