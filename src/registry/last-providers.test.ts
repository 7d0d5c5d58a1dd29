import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Provider } from '../model/provider.ts';
import { LastProviders } from './last-providers.ts';

const PROVIDERS: readonly Provider[] = [
  { name: 'kvm', targets: ['vm'], schemas: async () => [], stats: async () => [] },
];

const never = () => new Promise<never>(() => undefined);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it.each([
  ['a moment where it was in time before', false, 50],
  ['not at all where it was late', true, 1],
])('a domain that hangs is waited for %s', async (_, isLate, ms) => {
  const last = new LastProviders();
  await last.get('a', Promise.resolve(PROVIDERS));
  let given: readonly Provider[] | undefined;
  void last.get('a', never(), isLate).then((providers) => (given = providers));
  await vi.advanceTimersByTimeAsync(ms - 1);
  expect(given).toBeUndefined();
  await vi.advanceTimersByTimeAsync(1);
  expect(given).toBe(PROVIDERS);
});
