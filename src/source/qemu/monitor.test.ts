import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { QmpEvent } from '../../protocol/qmp/messages.ts';
import type { FakeFault } from '../../testing/fake-faults.ts';
import { FakeMonitor, type FakeMonitorOptions } from '../../testing/fake-monitor.ts';
import { Monitor, type MonitorOptions } from './monitor.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-monitor-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = { signal: new AbortController().signal };
const QUICK: MonitorOptions = { greetingTimeoutMs: 300, commandTimeoutMs: 300 };

async function withFake(
  fakeOptions: FakeMonitorOptions,
  monitorOptions: MonitorOptions,
  use: (monitor: Monitor, fake: FakeMonitor) => Promise<void>,
): Promise<void> {
  await using fake = await FakeMonitor.listen({ path: join(folder, 'qmp'), ...fakeOptions });
  const monitor = new Monitor(fake.address, monitorOptions);
  try {
    await use(monitor, fake);
  } finally {
    await monitor.close();
  }
}

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Bytes in buffers that somebody still refers to. */
function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

function openFds(): number {
  return readdirSync('/proc/self/fd').length;
}

describe('Monitor', () => {
  it('asks what is asked at the same moment over one connection', async () => {
    await withFake({}, {}, async (monitor, fake) => {
      const replies = await Promise.all([
        monitor.execute('query-name', undefined, options),
        monitor.execute('query-status', undefined, options),
      ]);
      expect(replies).toMatchObject([{ name: 'fake' }, { running: true }]);
      expect(fake.connections).toBe(1);
      expect(fake.requests.map((request) => request.command)).toEqual([
        'qmp_capabilities',
        'query-name',
        'query-status',
      ]);
    });
  });

  it('understands a peer that sends byte by byte', async () => {
    await withFake({ chunkBytes: 1 }, {}, async (monitor) => {
      await expect(monitor.execute('query-name', undefined, options)).resolves.toEqual({ name: 'fake' });
    });
  });

  it('lets go of an unused connection, so that others get their turn, and comes back when asked', async () => {
    await withFake({}, { idleMs: 50 }, async (monitor, fake) => {
      await monitor.execute('query-name', undefined, options);
      await monitor.execute('query-name', undefined, options);
      expect(monitor.connectionNumber).toBe(1);
      expect(fake.connections).toBe(1);
      await expect.poll(() => fake.openConnections).toBe(0);
      expect(monitor.connectionNumber).toBeUndefined();
      await monitor.execute('query-name', undefined, options);
      expect(monitor.connectionNumber).toBe(2);
    });
  });

  it('says that a monitor is busy, and serves when it is free', async () => {
    await withFake({}, QUICK, async (monitor, fake) => {
      const other = new Monitor(fake.address, QUICK);
      await other.execute('query-name', undefined, options);
      await expect(monitor.execute('query-name', undefined, options)).rejects.toMatchObject({
        code: 'MONITOR_BUSY',
        message: expect.stringContaining('one client at a time'),
      });
      await other.close();
      await expect(monitor.execute('query-name', undefined, options)).resolves.toEqual({ name: 'fake' });
    });
  });

  const faults: readonly [FakeFault, string][] = [
    ['never-greets', 'MONITOR_BUSY'],
    ['no-qmp', 'MONITOR_NOT_QMP'],
    ['never-answers', 'TIMEOUT'],
    ['wrong-id', 'TIMEOUT'],
    ['dies-in-mid-reply', 'CONNECTION_LOST'],
    ['garbage', 'JSON_INVALID'],
    ['binary', 'JSON_INVALID'],
    ['endless-line', 'FRAME_TOO_LARGE'],
    ['deep-nesting', 'NESTING_TOO_DEEP'],
  ];
  it.each(faults)('raises one clear error where the peer has the fault %s: %s', async (fault, code) => {
    const limits = fault === 'endless-line' ? { ...QUICK, commandTimeoutMs: 10_000 } : QUICK;
    await withFake({ fault }, limits, async (monitor) => {
      await expect(monitor.execute('query-name', undefined, options)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(/^[^\n]{10,400}$/),
      });
    });
  });

  it.each<[FakeFault, number]>([
    ['never-greets', 10],
    ['never-answers', 10],
    ['wrong-id', 10],
    ['dies-in-mid-reply', 100],
    ['garbage', 100],
    ['deep-nesting', 100],
  ])('leaks neither descriptors nor memory to the fault %s', async (fault, rounds) => {
    const limits = { greetingTimeoutMs: 20, commandTimeoutMs: 20, idleMs: 0 };
    await withFake({ fault }, limits, async (monitor, fake) => {
      const fail = (): Promise<unknown> => monitor.execute('query-name', undefined, options).catch((error) => error);
      const failOften = async (): Promise<void> => {
        for (let round = 0; round < rounds; round++) await fail();
        await expect.poll(() => fake.openConnections).toBe(0);
      };
      // What the engine and the pools of buffers take once, they take in the first rounds.
      await failOften();
      const before = [openFds(), heldBytes()] as const;
      await failOften();
      await expect.poll(openFds).toBeLessThanOrEqual(before[0]);
      await expect.poll(() => heldBytes() - before[1]).toBeLessThan(2 ** 20);
    });
  });

  it('does not keep what a line without end brought', async () => {
    await withFake({ fault: 'endless-line' }, { idleMs: 0 }, async (monitor) => {
      const fail = (): Promise<unknown> => monitor.execute('query-name', undefined, options).catch((error) => error);
      await fail();
      const before = heldBytes();
      for (let round = 0; round < 3; round++) expect(await fail()).toMatchObject({ code: 'FRAME_TOO_LARGE' });
      await expect.poll(() => heldBytes() - before, { timeout: 5000 }).toBeLessThan(8 * 2 ** 20);
    });
  });

  it('tries the addresses in turn, and the one that worked first', async () => {
    await withFake({}, {}, async (_, fake) => {
      const monitor = new Monitor([{ kind: 'unix', path: join(folder, 'none') }, fake.address], { idleMs: 0 });
      await monitor.execute('query-name', undefined, options);
      await expect.poll(() => fake.openConnections).toBe(0);
      await monitor.execute('query-name', undefined, options);
      expect(fake.connections).toBe(2);
      await monitor.close();
    });
  });

  it('tells of every address where none works, the busy one first', async () => {
    await withFake({ fault: 'never-greets' }, {}, async (_, fake) => {
      const monitor = new Monitor([{ kind: 'unix', path: join(folder, 'none') }, fake.address], QUICK);
      await expect(monitor.execute('query-name', undefined, options)).rejects.toMatchObject({
        code: 'MONITOR_BUSY',
        message: expect.stringMatching(/none.*does not exist; .*qmp.*no greeting/),
      });
    });
    await expect(new Monitor([]).execute('query-name', undefined, options)).rejects.toMatchObject({
      code: 'MONITOR_MISSING',
    });
  });

  it('recovers from a line of garbage without a new connection', async () => {
    await withFake({}, {}, async (monitor, fake) => {
      await monitor.execute('query-name', undefined, options);
      fake.sendBytes('what is this\r\n');
      await sleep(50);
      await expect(monitor.execute('query-name', undefined, options)).resolves.toEqual({ name: 'fake' });
      expect(fake.connections).toBe(1);
    });
  });

  it('connects anew after QEMU has gone', async () => {
    await withFake({}, {}, async (monitor, fake) => {
      await monitor.execute('query-name', undefined, options);
      fake.disconnect();
      await expect.poll(() => monitor.connectionNumber).toBeUndefined();
      await expect(monitor.execute('query-name', undefined, options)).resolves.toEqual({ name: 'fake' });
    });
  });

  it('ends a wait with its signal, and no other', async () => {
    await withFake({ fault: 'never-answers' }, QUICK, async (monitor) => {
      const controller = new AbortController();
      const patient = monitor.execute('query-name', undefined, options);
      const cancelled = monitor.execute('query-name', undefined, { signal: controller.signal });
      setTimeout(() => controller.abort(), 20);
      await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
      await expect(patient).rejects.toMatchObject({ code: 'TIMEOUT' });
      await expect(monitor.execute('x', undefined, { signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: 'CANCELLED',
      });
    });
  });

  it('hears events, with oob where it is asked for', async () => {
    const events: QmpEvent[] = [];
    await withFake({}, { oob: true, onEvent: (event) => events.push(event) }, async (monitor, fake) => {
      expect((await monitor.greeting(options)).version).toMatchObject({ major: 7, minor: 2 });
      fake.send({ timestamp: { seconds: 1, microseconds: 0 }, event: 'STOP' });
      await expect.poll(() => events.map((event) => event.name)).toEqual(['STOP']);
      expect(fake.requests[0]?.arguments).toEqual({ enable: ['oob'] });
    });
  });

  it('fails what waits when it is closed, also while it connects, and everything later', async () => {
    for (const fault of ['never-answers', 'never-greets'] as const) {
      await withFake({ fault }, {}, async (monitor, fake) => {
        const waiting = monitor.execute('query-name', undefined, options);
        const outcome = expect(waiting).rejects.toMatchObject({ code: 'CLOSED' });
        await expect.poll(() => fake.connections).toBe(1);
        await sleep(20);
        await monitor.close();
        await outcome;
        await expect(monitor.execute('query-name', undefined, options)).rejects.toMatchObject({ code: 'CLOSED' });
        await expect.poll(() => fake.openConnections).toBe(0);
      });
    }
  });
});
