import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Provider } from '../model/provider.ts';
import { LastProviders } from './last-providers.ts';

const PROVIDERS: readonly Provider[] = [
  { name: 'kvm', targets: ['vm'], schemas: async () => [], stats: async () => [] },
];

const never = () => new Promise<never>(() => undefined);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Who is given by then, of a domain that was told about before and hangs. */
async function givenAfter(ms: number, isLate: boolean): Promise<readonly Provider[] | undefined> {
  const last = new LastProviders();
  await last.get('a', Promise.resolve(PROVIDERS));
  let given: readonly Provider[] | undefined;
  void last.get('a', never(), isLate).then((providers) => (given = providers));
  await vi.advanceTimersByTimeAsync(ms);
  return given;
}

it('a domain that hangs is waited for a moment where it was in time before', async () => {
  expect(await givenAfter(49, false)).toBeUndefined();
  expect(await givenAfter(50, false)).toBe(PROVIDERS);
});

it('a domain that was late is not waited for', async () => {
  expect(await givenAfter(1, true)).toBe(PROVIDERS);
});
