import { expect, it } from 'vitest';
import type { MonitorRelay, MonitorValue } from '../../model/provider.ts';
import { MAX_KEPT_ANSWERS, MonitorCache } from './monitor-cache.ts';

const { signal } = new AbortController();

/** Counts what it is asked; answers when it is told to, or at once. */
class Counting implements MonitorRelay {
  readonly asked: string[] = [];
  answer: () => Promise<MonitorValue> = async () => this.asked.length;

  ask(question: string): Promise<MonitorValue> {
    this.asked.push(question);
    return this.answer();
  }
}

it('asks once for all who ask at the same moment, and again when the answer is too old', async () => {
  const monitor = new Counting();
  const fresh = new MonitorCache(monitor, 0);
  expect(await Promise.all([1, 2, 3].map(() => fresh.ask('query-status', undefined, { signal })))).toEqual([1, 1, 1]);
  expect(await fresh.ask('query-status', undefined, { signal })).toBe(2);
  const kept = new MonitorCache(monitor, 60_000);
  expect(await kept.ask('qom-list', { path: '/' }, { signal })).toBe(3);
  expect(await kept.ask('qom-list', { path: '/' }, { signal })).toBe(3);
  expect(await kept.ask('qom-list', { path: '/machine' }, { signal })).toBe(4);
});

it('keeps no error', async () => {
  const monitor = new Counting();
  const cache = new MonitorCache(monitor, 60_000);
  monitor.answer = () => Promise.reject(new Error('no'));
  await expect(cache.ask('query-status', undefined, { signal })).rejects.toThrow('no');
  monitor.answer = async () => 'yes';
  expect(await cache.ask('query-status', undefined, { signal })).toBe('yes');
});

it('does not end a question for the others when one leaves', async () => {
  const monitor = new Counting();
  const gate = Promise.withResolvers<MonitorValue>();
  monitor.answer = () => gate.promise;
  const cache = new MonitorCache(monitor, 0);
  const leaving = new AbortController();
  const left = cache.ask('query-status', undefined, { signal: leaving.signal });
  const stays = cache.ask('query-status', undefined, { signal });
  leaving.abort();
  await expect(left).rejects.toMatchObject({ code: 'CANCELLED' });
  gate.resolve('late');
  expect(await stays).toBe('late');
});

it('keeps a bounded number of answers, and asks a bounded number of questions at once', async () => {
  const monitor = new Counting();
  const cache = new MonitorCache(monitor, 60_000);
  const ask = (path: number) => cache.ask('qom-list', { path: `/${path}` }, { signal });
  for (let path = 0; path <= MAX_KEPT_ANSWERS; path++) await ask(path);
  await ask(MAX_KEPT_ANSWERS);
  expect(monitor.asked).toHaveLength(MAX_KEPT_ANSWERS + 1);
  await ask(0);
  expect(monitor.asked).toHaveLength(MAX_KEPT_ANSWERS + 2);

  const busy = new MonitorCache(monitor, 60_000);
  monitor.answer = () => new Promise(() => undefined);
  for (let path = 0; path < MAX_KEPT_ANSWERS; path++) void busy.ask('qom-list', { path: `/${path}` }, { signal });
  const asked = monitor.asked.length;
  await expect(busy.ask('query-status', undefined, { signal })).rejects.toMatchObject({ code: 'QUEUE_FULL' });
  expect(monitor.asked).toHaveLength(asked);
});
