import { describe, expect, it } from 'vitest';
import type { JsonInput } from '../../../protocol/json/json.ts';
import { FakeMonitor } from '../../../testing/fake-monitor.ts';
import { Monitor } from '../monitor.ts';
import { IothreadProvider } from './iothread.ts';

const options = { signal: new AbortController().signal };
const domain = { id: 'a', name: 'a', source: 'test:' };

async function withProvider(reply: JsonInput, use: (provider: IothreadProvider, fake: FakeMonitor) => Promise<void>) {
  await using fake = await FakeMonitor.listen({ commands: { 'query-iothreads': () => reply } });
  const monitor = new Monitor(fake.address);
  try {
    await use(new IothreadProvider(monitor), fake);
  } finally {
    await monitor.close();
  }
}

const thread = (id: string, more: Record<string, JsonInput> = {}) => ({
  id,
  'thread-id': 7,
  'poll-max-ns': 32768,
  'poll-grow': 0,
  'poll-shrink': 0,
  ...more,
});

describe('the provider iothread', () => {
  it('gives the limits of each thread by its QOM path, in ascending order', async () => {
    await withProvider([thread('io2', { 'aio-max-batch': 4n }), thread('io1')], async (provider, fake) => {
      expect(await provider.stats(domain, { target: 'iothread' }, options)).toMatchObject([
        { path: '/objects/io1', via: 'qmp', stats: [{ name: 'poll-max-ns', value: 32768n }, {}, {}] },
        { path: '/objects/io2', stats: [{}, {}, {}, { name: 'aio-max-batch', value: 4n }] },
      ]);
      const [schema] = await provider.schemas(domain, options);
      expect(schema?.stats.map(({ name, unit, exponent }) => [name, unit, exponent])).toEqual([
        ['poll-max-ns', 'seconds', -9],
        ['poll-grow', undefined, 0],
        ['poll-shrink', undefined, 0],
        ['aio-max-batch', undefined, 0],
      ]);
      expect(fake.requests.filter(({ command }) => command === 'query-iothreads')).toHaveLength(1);
    });
  });

  it('says that a VM has none', async () => {
    await withProvider([], async (provider) => {
      expect(await provider.schemas(domain, options)).toEqual([]);
      expect(await provider.stats(domain, { target: 'iothread' }, options)).toEqual([]);
      expect(await provider.availability(domain, options)).toMatchObject([
        { provider: 'iothread', available: false, reason: 'the VM has no I/O threads' },
      ]);
    });
  });

  it('refuses what is no such reply', async () => {
    await withProvider([{ id: 5 }], async (provider) => {
      await expect(provider.schemas(domain, options)).rejects.toMatchObject({ code: 'QMP_REPLY_INVALID' });
    });
  });
});
