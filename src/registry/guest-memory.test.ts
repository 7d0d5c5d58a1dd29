import { describe, expect, it } from 'vitest';
import { QemuSource } from '../source/qemu/source.ts';
import { FakeBalloon } from '../testing/fake-balloon.ts';
import { FakeMonitor } from '../testing/fake-monitor.ts';
import { readGuestMemory } from './guest-memory.ts';
import { Registry } from './registry.ts';

const NONE = 2n ** 64n - 1n;

describe('readGuestMemory', () => {
  it('tells how every guest stands, with the reasons of its provider and schema', async () => {
    const [talking, silent, none] = [new FakeBalloon(), new FakeBalloon(), new FakeBalloon()];
    talking.stats = { 'stat-free-memory': 7, 'stat-oom-kills': NONE };
    [talking.interval, talking.lastUpdate] = [2, Math.floor(Date.now() / 1000)];
    silent.interval = 2;
    none.path = undefined;
    await using a = await FakeMonitor.listen({ name: 'a', commands: talking.commands });
    await using b = await FakeMonitor.listen({
      name: 'b',
      commands: { ...silent.commands, 'query-status': () => ({ status: 'paused', running: false }) },
    });
    await using c = await FakeMonitor.listen({ name: 'c', commands: none.commands });
    const registry = new Registry([a, b, c].map(({ uri }) => new QemuSource(uri)));
    try {
      const answers = await readGuestMemory(registry);
      expect(answers.map(({ domain, items, errors }) => [domain.name, items, errors])).toEqual([
        [
          'a',
          [expect.objectContaining({ status: 'reporting', reason: 'the guest does not report stat-oom-kills' })],
          [],
        ],
        ['b', [expect.objectContaining({ status: 'paused' })], []],
        ['c', [expect.objectContaining({ status: 'no-device' })], []],
      ]);
    } finally {
      await registry.close();
    }
  });

  it('has an error for a domain that cannot be asked, and not what it said before', async () => {
    const balloon = new FakeBalloon();
    const fake = await FakeMonitor.listen({ commands: balloon.commands });
    await using busy = await FakeMonitor.listen({ fault: 'never-greets' });
    const registry = new Registry([fake, busy].map(({ uri }) => new QemuSource(uri, { greetingTimeoutMs: 100 })));
    const ask = async () => {
      const answers = await readGuestMemory(registry);
      return answers.map(({ items, errors }) => [items.length, errors.map(({ code }) => code)]);
    };
    try {
      expect(await ask()).toEqual([
        [1, []],
        [0, ['MONITOR_BUSY']],
      ]);
      await fake.close();
      expect(await ask()).toEqual([
        [0, [expect.stringMatching(/^CONNECT/)]],
        [0, ['MONITOR_BUSY']],
      ]);
    } finally {
      await registry.close();
    }
  });
});
