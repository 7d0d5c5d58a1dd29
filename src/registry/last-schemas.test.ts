import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { VirtstatError } from '../model/errors.ts';
import type { Provider, Source } from '../model/provider.ts';
import { Registry } from './registry.ts';

const schema = { provider: 'own', target: 'vm', stats: [{ name: 'a', type: 'instant', exponent: 0 }] };

it('are said again of a provider that takes long, and with the error of one that fails', async () => {
  let behave = async (): Promise<void> => undefined;
  const provider: Provider = {
    name: 'own',
    targets: ['vm'],
    schemas: async () => {
      await behave();
      return [schema];
    },
    stats: async () => [],
  };
  const domain = { id: 'a', name: 'a', source: 'test:' };
  const found = {
    domain,
    providers: async () => [provider],
    describe: async () => domain,
    availability: async () => [],
  };
  const source: Source = { uri: 'test:', scan: async () => [found], close: async () => undefined };
  const registry = new Registry([source], { deadlineMs: 2000 });
  onTestFinished(() => registry.close());

  behave = async () => {
    throw new VirtstatError('MONITOR_BUSY', 'somebody else is there');
  };
  expect(await registry.schemas()).toMatchObject([{ items: [], errors: [{ code: 'MONITOR_BUSY' }] }]);
  behave = async () => undefined;
  expect(await registry.schemas()).toMatchObject([{ items: [schema], errors: [] }]);
  behave = () => sleep(10_000, undefined, { ref: false });
  const beginMs = performance.now();
  expect(await registry.schemas({ target: 'vm' })).toMatchObject([{ items: [schema], errors: [] }]);
  expect(performance.now() - beginMs).toBeLessThan(1500);
  behave = async () => {
    throw new VirtstatError('MONITOR_BUSY', 'somebody else is there');
  };
  expect(await registry.schemas({ target: 'vm' })).toMatchObject([
    { items: [schema], errors: [{ code: 'MONITOR_BUSY' }] },
  ]);
  expect(await registry.schemas({ target: 'vcpu' })).toMatchObject([{ items: [] }]);
});
