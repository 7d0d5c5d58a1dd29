import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PollingLease, PollingMark, PollingOrder } from '../../model/provider.ts';
import { FakeBalloon } from '../../testing/fake-balloon.ts';
import { FakeMonitor } from '../../testing/fake-monitor.ts';
import { MAX_INTERVAL_SECONDS, QemuBalloonPolling, setPollingInterval } from './balloon-polling.ts';
import { Monitor } from './monitor.ts';

const options = { signal: new AbortController().signal };
const DEVICE = '/machine/peripheral/balloon0';

interface Given {
  readonly balloon: FakeBalloon;
  readonly fake: FakeMonitor;
  readonly monitor: Monitor;
  /** What is noted now. */
  readonly noted: readonly (PollingMark | undefined)[];
  order(order?: Partial<PollingOrder>): PollingLease;
}

async function withBalloon(use: (given: Given) => Promise<void>): Promise<void> {
  const balloon = new FakeBalloon();
  await using fake = await FakeMonitor.listen({ commands: balloon.commands });
  const monitor = new Monitor(fake.address);
  const polling = new QemuBalloonPolling(monitor);
  const noted: (PollingMark | undefined)[] = [];
  const order = (more: Partial<PollingOrder> = {}) =>
    polling.order({ intervalSeconds: 2, note: (mark) => noted.push(mark), ...more });
  try {
    await use({ balloon, fake, monitor, noted, order });
  } finally {
    await monitor.close();
  }
}

/** What QEMU was asked to change. */
function writes(fake: FakeMonitor): readonly unknown[] {
  return fake.requests
    .filter(({ command }) => !/^(query-|qom-get$|qom-list$|qmp_capabilities$)/.test(command))
    .map(({ command, arguments: args }) => [command, args]);
}

describe('polling of a balloon', () => {
  it('is off until it is kept; then it is set once, and put back', async () => {
    await withBalloon(async ({ balloon, fake, noted, order }) => {
      const lease = order();
      expect(fake.requests).toEqual([]);
      for (let round = 0; round < 3; round++) {
        expect(await lease.keep(options)).toEqual({ owner: 'ours', intervalSeconds: 2, lastUpdateSeconds: 0n });
      }
      expect(balloon.interval).toBe(2);
      await lease.release(options);
      await lease.release(options);
      const set = (value: number) => ['qom-set', { path: DEVICE, property: 'guest-stats-polling-interval', value }];
      expect(writes(fake)).toEqual([set(2), set(0)]);
      expect(noted).toEqual([{ device: DEVICE, intervalSeconds: 2 }, undefined]);
    });
  });

  it('is nothing to put back where it was never kept', async () => {
    await withBalloon(async ({ fake, order }) => {
      await order().release(options);
      expect(fake.requests).toEqual([]);
    });
  });

  it.each([1, 2, 60])('that somebody else set to %d s stays as it is', async (interval) => {
    await withBalloon(async ({ balloon, fake, noted, order }) => {
      balloon.interval = interval;
      const lease = order();
      expect(await lease.keep(options)).toMatchObject({ owner: 'theirs', intervalSeconds: interval });
      await lease.release(options);
      expect([balloon.interval, writes(fake), noted]).toEqual([interval, [], []]);
    });
  });

  it('is taken on when somebody else, who had it before us, lets go of it', async () => {
    await withBalloon(async ({ balloon, order }) => {
      balloon.interval = 5;
      const lease = order();
      await lease.keep(options);
      balloon.interval = 0;
      expect(await lease.keep(options)).toMatchObject({ owner: 'ours' });
      expect(balloon.interval).toBe(2);
    });
  });

  it.each([0, 1, 7])('that somebody changed from ours to %d is theirs from then on', async (interval) => {
    await withBalloon(async ({ balloon, noted, order }) => {
      const lease = order();
      await lease.keep(options);
      balloon.interval = interval;
      expect(await lease.keep(options)).toMatchObject({ owner: 'theirs', intervalSeconds: interval });
      expect(noted.at(-1)).toBeUndefined();
      balloon.interval = 0;
      expect(await lease.keep(options)).toMatchObject({ owner: 'theirs' });
      balloon.interval = interval;
      await lease.release(options);
      expect([balloon.interval, balloon.set]).toEqual([interval, [2]]);
    });
  });

  it('that somebody changed is not put back, also where nobody looked in between', async () => {
    await withBalloon(async ({ balloon, order }) => {
      const lease = order();
      await lease.keep(options);
      balloon.interval = 7;
      await lease.release(options);
      expect(balloon.interval).toBe(7);
    });
  });

  it.each(['RESET', 'DEVICE_DELETED'])('is set anew where the device forgot it: %s', async (event) => {
    await withBalloon(async ({ balloon, fake, order }) => {
      const lease = order();
      await lease.keep(options);
      balloon.interval = 0;
      fake.send({ timestamp: { seconds: 1, microseconds: 0 }, event });
      expect(await lease.keep(options)).toMatchObject({ owner: 'ours' });
      expect(balloon.set).toEqual([2, 2]);
    });
  });

  it('is set anew at a device that was plugged in again while nobody listened', async () => {
    await withBalloon(async ({ balloon, fake, order }) => {
      const lease = order();
      balloon.lastUpdate = 77;
      await lease.keep(options);
      fake.disconnect();
      await expect.poll(() => fake.openConnections).toBe(0);
      balloon.interval = 0;
      balloon.lastUpdate = 0;
      expect(await lease.keep(options)).toMatchObject({ owner: 'ours' });
      expect(balloon.set).toEqual([2, 2]);
    });
  });

  it('follows a device that goes, and comes at another place', async () => {
    await withBalloon(async ({ balloon, noted, order }) => {
      const lease = order();
      await lease.keep(options);
      balloon.path = undefined;
      expect(await lease.keep(options)).toEqual({ owner: 'no-device', intervalSeconds: 0, lastUpdateSeconds: 0n });
      expect(noted.at(-1)).toBeUndefined();
      await lease.release(options);
      expect(balloon.set).toEqual([2]);
    });
    await withBalloon(async ({ balloon, order }) => {
      const lease = order();
      await lease.keep(options);
      [balloon.path, balloon.interval] = ['/machine/peripheral-anon/device[1]', 0];
      expect(await lease.keep(options)).toMatchObject({ owner: 'ours' });
      await lease.release(options);
      expect(balloon.set).toEqual([2, 2, 0]);
    });
  });

  it('that an earlier process has set is gone on with, changed or put back', async () => {
    const earlier = { device: DEVICE, intervalSeconds: 2 };
    for (const [intervalSeconds, kept] of [
      [2, []],
      [3, [0, 3]],
    ] as const) {
      await withBalloon(async ({ balloon, order }) => {
        balloon.interval = 2;
        const lease = order({ earlier, intervalSeconds });
        expect(await lease.keep(options)).toMatchObject({ owner: 'ours', intervalSeconds });
        await lease.release(options);
        expect(balloon.set).toEqual([...kept, 0]);
      });
    }
    await withBalloon(async ({ balloon, noted, order }) => {
      balloon.interval = 2;
      await order({ earlier }).release(options);
      expect([balloon.set, noted]).toEqual([[0], [undefined]]);
    });
  });

  it('that an earlier process has set, and somebody changed since, is theirs', async () => {
    const earlier = { device: DEVICE, intervalSeconds: 2 };
    await withBalloon(async ({ balloon, order }) => {
      balloon.interval = 9;
      await order({ earlier }).release(options);
      expect(await order({ earlier }).keep(options)).toMatchObject({ owner: 'theirs' });
      expect(balloon.set).toEqual([]);
    });
    await withBalloon(async ({ balloon, order }) => {
      // At another device it is somebody else's as well.
      balloon.interval = 2;
      await order({ earlier: { ...earlier, device: '/machine/peripheral/other' } }).release(options);
      expect(balloon.set).toEqual([]);
    });
  });

  it('is not set where it cannot be noted', async () => {
    await withBalloon(async ({ balloon, fake, order }) => {
      const note = (): void => {
        throw new Error('full');
      };
      const lease = order({ note });
      await expect(lease.keep(options)).rejects.toThrow('full');
      expect([balloon.interval, writes(fake)]).toEqual([0, []]);
    });
  });

  it('is noted before it is set', async () => {
    await withBalloon(async ({ balloon, order }) => {
      let intervalThen: unknown;
      const lease = order({ note: () => (intervalThen ??= balloon.interval) });
      await lease.keep(options);
      expect(intervalThen).toBe(0);
    });
  });

  it('ends in the order in which it was asked for, also when nobody waits', async () => {
    await withBalloon(async ({ balloon, order }) => {
      const lease = order();
      const kept = lease.keep(options);
      await lease.release(options);
      await kept;
      expect(balloon.set).toEqual([2, 0]);
    });
  });

  it.each([0, -1, 1.5, Number.NaN, MAX_INTERVAL_SECONDS + 1])(
    'cannot be ordered every %d s',
    async (intervalSeconds) => {
      await withBalloon(async ({ order }) => {
        expect(() => order({ intervalSeconds })).toThrow(expect.objectContaining({ code: 'USAGE' }));
      });
    },
  );
});

describe('the one thing that is set', () => {
  it('is that property of a device, whatever the arguments are', async () => {
    await withBalloon(async ({ balloon, fake, monitor }) => {
      balloon.path = undefined;
      const path = fc.oneof(fc.string(), fc.constantFrom('/machine', '/objects/x', `${DEVICE}/virtio-backend`, DEVICE));
      const value = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, MAX_INTERVAL_SECONDS, 2 ** 32, 2 ** 63));
      await fc.assert(
        fc.asyncProperty(path, value, async (device, seconds) => {
          const before = fake.requests.length;
          await setPollingInterval(monitor, device, seconds, options).catch(() => undefined);
          for (const { command, arguments: args } of fake.requests.slice(before)) {
            if (command === 'qmp_capabilities') continue;
            expect(command).toBe('qom-set');
            expect(Object.keys(args).sort()).toEqual(['path', 'property', 'value']);
            expect(args['property']).toBe('guest-stats-polling-interval');
            expect(args['path']).toMatch(/^\/machine\/peripheral(-anon)?\/[^/]+$/);
            expect(Number.isInteger(args['value']) && Number(args['value']) >= 0).toBe(true);
          }
        }),
      );
      expect(fake.requests.some(({ command }) => command === 'qom-set')).toBe(true);
    });
  });

  it('is set in one place of the source alone', () => {
    const root = new URL('../../', import.meta.url).pathname;
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((name) => /(?<!\.test)\.tsx?$/.test(name) && !name.startsWith('testing/'))
      .filter((name) => readFileSync(join(root, name), 'utf8').includes('qom-set'));
    expect(files).toEqual(['source/qemu/balloon-polling.ts']);
  });

  it('is out of the reach of every face', () => {
    const faces = new URL('../../face/', import.meta.url).pathname;
    const files = readdirSync(faces, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((name) => /balloonPolling/i.test(readFileSync(join(faces, name), 'utf8')))).toEqual([]);
  });
});
