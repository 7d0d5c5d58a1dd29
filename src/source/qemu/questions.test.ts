import { expect, it } from 'vitest';
import { FakeMonitor } from '../../testing/fake-monitor.ts';
import { QemuSource } from './source.ts';

const call = { signal: new AbortController().signal };

it('passes on questions that change nothing, with what QEMU says to them, and no other', async () => {
  await using monitor = await FakeMonitor.listen({ commands: { 'query-balloon': () => ({ actual: 2 ** 40 }) } });
  const source = new QemuSource(monitor.uri);
  try {
    const [found] = await source.scan(call);
    expect(await found?.monitor?.ask('query-balloon', undefined, call)).toEqual({ actual: 2 ** 40 });
    await expect(found?.monitor?.ask('query-commands', undefined, call)).rejects.toMatchObject({
      code: 'QMP_COMMAND_FAILED',
      className: 'CommandNotFound',
    });
    for (const command of ['qom-set', 'stop', 'device_add', 'human-monitor-command', 'query-stats', 'quit']) {
      await expect(found?.monitor?.ask(command, {}, call)).rejects.toMatchObject({ code: 'USAGE' });
    }
    const asked = new Set(monitor.requests.map(({ command }) => command));
    expect(
      ['qom-set', 'stop', 'device_add', 'human-monitor-command', 'quit'].filter((name) => asked.has(name)),
    ).toEqual([]);
  } finally {
    await source.close();
  }
});
