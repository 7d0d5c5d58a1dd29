import { describe, expect, it } from 'vitest';
import { guestMemoryOf, NO_BALLOON } from './guest-memory.ts';
import type { StatEntry } from './sample.ts';

const S = 1_000_000_000n;

/** What a guest says that is asked every 2 s and answered so long ago; undefined: never. */
function sample(ageNs: bigint | undefined, more: Readonly<Record<string, bigint>> = {}) {
  const all = {
    'stat-free-memory': 5n,
    'balloon-size': 64n,
    'last-update': ageNs === undefined ? 0n : 1000n,
    ...(ageNs !== undefined && { 'last-update-age': ageNs }),
    'polling-interval': 2n,
    ...more,
  };
  return { stats: Object.entries(all).map(([name, value]): StatEntry => ({ name, value })) };
}

const none = { sample: undefined, state: 'running', offered: [], whyNone: undefined };
const running = { ...none, offered: ['stat-free-memory', 'last-update'] };

describe('how a guest’s memory statistics stand', () => {
  it('says that nobody told how often the guest is asked', () => {
    const told = ({ stats }: ReturnType<typeof sample>) => ({
      stats: stats.filter(({ name }) => name !== 'polling-interval'),
    });
    const [never, answered] = [told(sample(undefined)), told(sample(90n * S))];
    expect(guestMemoryOf({ ...running, sample: never })).toMatchObject({ status: 'never-answered' });
    const memory = guestMemoryOf({ ...running, sample: answered });
    expect(memory).toMatchObject({ status: 'reporting', reason: 'how often it is asked is not told here' });
    expect(memory).not.toHaveProperty('pollingIntervalSeconds');
    expect(guestMemoryOf({ ...running, state: 'paused', sample: answered }).status).toBe('paused');
  });

  it('reporting: with the values of the guest, and no others', () => {
    expect(guestMemoryOf({ ...running, sample: sample(S) })).toEqual({
      status: 'reporting',
      balloonSizeBytes: 64n,
      pollingIntervalSeconds: 2n,
      lastUpdateSeconds: 1000n,
      ageNs: S,
      stats: [{ name: 'stat-free-memory', value: 5n }],
    });
  });

  it('reporting: says what the guest does not report, and only that', () => {
    const offered = ['stat-swap-in', 'stat-free-memory', 'stat-oom-kills', 'balloon-size'];
    const { reason } = guestMemoryOf({ ...running, offered, sample: sample(S) });
    expect(reason).toBe('the guest does not report stat-swap-in, stat-oom-kills');
  });

  it.each([
    ['reporting', 'just within three intervals', sample(7n * S)],
    ['silent', 'just beyond', sample(7n * S + 1n)],
    ['never-answered', 'never answered', sample(undefined)],
    ['off', 'polling off, never answered', sample(undefined, { 'polling-interval': 0n })],
    ['off', 'polling off, answered once', sample(90n * S, { 'polling-interval': 0n })],
  ])('%s: %s', (status, _, given) => {
    expect(guestMemoryOf({ ...running, sample: given }).status).toBe(status);
  });

  it('silent: says since when', () => {
    const { reason } = guestMemoryOf({ ...running, sample: sample(35n * S) });
    expect(reason).toContain('last answered 35 s ago, it is asked every 2 s');
  });

  it('off: says that values are old, where there are any', () => {
    const off = (age: bigint | undefined) =>
      guestMemoryOf({ ...running, sample: sample(age, { 'polling-interval': 0n }) });
    expect(off(S).reason).toMatch(/--poll.*; the values are those of its last answer$/);
    expect(off(undefined).reason).not.toContain('values');
  });

  it.each(['paused', 'prelaunch', 'suspended', 'io-error'])('paused: the state is %s, whatever the age', (state) => {
    for (const age of [undefined, S, 90n * S]) {
      const memory = guestMemoryOf({ ...running, state, sample: sample(age) });
      expect(memory).toMatchObject({ status: 'paused', reason: expect.stringContaining(`(${state})`) });
    }
    expect(guestMemoryOf({ ...running, state, sample: sample(S, { 'polling-interval': 0n }) }).status).toBe('off');
  });

  it('goes by the sample alone where the state is not known', () => {
    expect(guestMemoryOf({ ...running, state: undefined, sample: sample(S) }).status).toBe('reporting');
  });

  it('reporting: a last answer in the future has no age', () => {
    const future = sample(undefined, { 'last-update': 9_999_999_999n });
    expect(guestMemoryOf({ ...running, sample: future })).toMatchObject({
      status: 'reporting',
      reason: expect.stringContaining('future'),
      lastUpdateSeconds: 9_999_999_999n,
    });
  });

  it('no-device and unavailable: nothing is made up', () => {
    const nothing = { pollingIntervalSeconds: 0n, lastUpdateSeconds: 0n, stats: [] };
    expect(guestMemoryOf({ ...none, whyNone: NO_BALLOON })).toEqual({
      status: 'no-device',
      reason: NO_BALLOON,
      ...nothing,
    });
    expect(guestMemoryOf({ ...none, whyNone: 'busy' })).toEqual({ status: 'unavailable', reason: 'busy', ...nothing });
    expect(guestMemoryOf(none)).toMatchObject({ status: 'unavailable', reason: expect.stringContaining('monitor') });
  });
});
