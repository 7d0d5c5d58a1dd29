import { describe, expect, it, vi } from 'vitest';
import { FakeMonitor } from '../../testing/fake-monitor.ts';
import { Kept, type KeptOptions } from './kept.ts';
import { Monitor } from './monitor.ts';

const options = { signal: new AbortController().signal };

/** Something kept that counts how often it is asked for. */
async function withKept(
  keptOptions: KeptOptions,
  use: (get: () => Promise<number>, fake: FakeMonitor) => Promise<void>,
): Promise<void> {
  await using fake = await FakeMonitor.listen();
  const monitor = new Monitor(fake.address);
  let asked = 0;
  const kept = new Kept(monitor, keptOptions, async (call) => {
    await monitor.execute('query-status', undefined, call);
    return ++asked;
  });
  try {
    await use(() => kept.get(options), fake);
  } finally {
    await monitor.close();
  }
}

describe('what QEMU told', () => {
  it('is asked for once, by all who want it at once', async () => {
    await withKept({}, async (get) => {
      expect(await Promise.all([get(), get()])).toEqual([1, 1]);
      expect(await get()).toBe(1);
    });
  });

  it('is asked for again when it is too old', async () => {
    await withKept({ maxAgeMs: 500 }, async (get) => {
      expect(await get()).toBe(1);
      expect(await get()).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 600));
      expect(await get()).toBe(2);
    });
  });

  it('is asked for again after one of its events, and after no other', async () => {
    await withKept({ events: ['STOP', 'RESUME'] }, async (get, fake) => {
      expect(await get()).toBe(1);
      for (const event of ['RESET', 'STOP']) fake.send({ timestamp: { seconds: 1, microseconds: 0 }, event });
      await vi.waitFor(async () => expect(await get()).toBe(2));
      expect(await get()).toBe(2);
    });
  });

  it.each<[KeptOptions, number]>([
    [{}, 2],
    [{ isOneProcess: true }, 1],
    [{ isOneProcess: true, events: ['STOP'] }, 2],
  ])('with %j has been asked for %i times on the second connection', async (keptOptions, times) => {
    await withKept(keptOptions, async (get, fake) => {
      await get();
      fake.disconnect();
      await expect.poll(() => fake.openConnections).toBe(0);
      expect(await get()).toBe(times);
    });
  });
});
