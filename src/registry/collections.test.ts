import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { VirtstatError } from '../model/errors.ts';
import type { Provider, Source } from '../model/provider.ts';
import { MAX_QUESTIONS_PER_DOMAIN } from './collections.ts';
import { LATE_PATIENCE_MS } from './patience.ts';
import { Registry } from './registry.ts';

/** A provider that counts how often it is asked; `behave` may be replaced to make it fail or hang. */
class Counter implements Provider {
  readonly name: string;
  readonly targets = ['vm'];
  calls = 0n;
  behave: () => Promise<void> = async () => undefined;

  constructor(name = 'kvm') {
    this.name = name;
  }

  async schemas() {
    return [];
  }

  async stats() {
    this.calls++;
    await this.behave();
    const stats = [{ name: 'calls', value: this.calls }];
    return [{ via: 'test', collectedAtNs: BigInt(Date.now()) * 1_000_000n, stats }];
  }
}

function registryOf(
  providers: readonly Provider[],
  deadlineMs = 200,
  providersOf: () => Promise<readonly Provider[]> = async () => providers,
): Registry {
  const domain = { id: 'id-a', name: 'a', source: 'test:' };
  const found = {
    domain,
    providers: providersOf,
    describe: async () => domain,
    availability: async () => [],
  };
  const source: Source = { uri: 'test:', scan: async () => [found], close: async () => undefined };
  const made = new Registry([source], { deadlineMs });
  onTestFinished(() => made.close());
  return made;
}

const never = () => new Promise<never>(() => undefined);

describe('a provider that fails', () => {
  it('costs the other providers of the domain nothing, not even their values', async () => {
    const [healthy, deaf] = [new Counter('process'), new Counter('kvm')];
    const made = registryOf([deaf, healthy]);
    await made.query({ target: 'vm' });
    deaf.behave = never;
    const [answer] = await made.query({ target: 'vm' });
    expect(answer?.errors.map(({ code }) => code)).toEqual(['TIMEOUT']);
    expect(answer?.items.map(({ provider, stale, stats }) => [provider, stale?.code, stats[0]?.value])).toEqual([
      ['kvm', 'TIMEOUT', 1n],
      ['process', undefined, 2n],
    ]);
  });

  it('is told once, however many providers it keeps away', async () => {
    const broken = new VirtstatError('MONITOR_BUSY', 'somebody else is there');
    const counters = ['a', 'b'].map((name) => new Counter(name));
    for (const counter of counters) counter.behave = () => Promise.reject(broken);
    const [answer] = await registryOf(counters).query({ target: 'vm' });
    expect(answer?.errors).toEqual([broken]);
  });

  it('holds up its readers once: a domain that was late gives its last values at once, until it is back', async () => {
    const counter = new Counter();
    const made = registryOf([counter], 400);
    const ask = async () => {
      const beginMs = performance.now();
      const [answer] = await made.query({ target: 'vm' });
      return { ms: performance.now() - beginMs, stale: answer?.items[0]?.stale?.code };
    };
    await ask();
    counter.behave = never;
    expect(await ask()).toMatchObject({ stale: 'TIMEOUT' });
    const late = await ask();
    expect(late.stale).toBe('TIMEOUT');
    expect(late.ms).toBeLessThan(300);
    counter.behave = async () => undefined;
    await vi.waitFor(async () => expect((await ask()).stale).toBeUndefined(), { timeout: 2000 });
  });

  it('leaves the others fresh as long as it is late', async () => {
    const [healthy, busy] = [new Counter('process'), new Counter('kvm')];
    const made = registryOf([busy, healthy]);
    await made.query({ target: 'vm' });
    busy.behave = () => Promise.reject(new VirtstatError('MONITOR_BUSY', 'somebody else is there'));
    for (let turn = 2n; turn < 5n; turn++) {
      const [answer] = await made.query({ target: 'vm' });
      expect(answer?.items.map(({ provider, stale, stats }) => [provider, stale?.code, stats[0]?.value])).toEqual([
        ['kvm', 'MONITOR_BUSY', 1n],
        ['process', undefined, turn],
      ]);
    }
  });

  it('stays late until there is an answer, whatever else becomes of it', async () => {
    const counter = new Counter();
    const made = registryOf([counter], 300);
    await made.query({ target: 'vm' });
    counter.behave = never;
    await made.query({ target: 'vm' });
    counter.behave = () => Promise.reject(new VirtstatError('CONNECTION_LOST', 'the connection was given up'));
    await vi.waitFor(async () =>
      expect((await made.query({ target: 'vm' }))[0]?.errors[0]?.code).toBe('CONNECTION_LOST'),
    );
    counter.behave = never;
    const beginMs = performance.now();
    await made.query({ target: 'vm' });
    expect(performance.now() - beginMs).toBeLessThan(200);
  });

  it.each(['TIMEOUT', 'MONITOR_BUSY'] as const)(
    'costs whoever asks again and again no wait at all: %s',
    async (code) => {
      const counter = new Counter();
      const made = registryOf([counter], 400);
      await made.query({ target: 'vm' });
      counter.behave = async () => {
        await sleep(200);
        throw new VirtstatError(code, 'it took a while to find out');
      };
      await made.query({ target: 'vm' });
      const waitsMs: number[] = [];
      for (let turn = 0; turn < 10; turn++) {
        const beginMs = performance.now();
        const [answer] = await made.query({ target: 'vm' });
        waitsMs.push(performance.now() - beginMs);
        expect(answer?.items[0]?.stale?.code).toBe(code);
        await sleep(50);
      }
      expect(Math.max(...waitsMs)).toBeLessThan(150);
      expect(waitsMs.toSorted((a, b) => a - b)[5]).toBeLessThan(LATE_PATIENCE_MS / 2);
    },
  );
});

describe('a domain that does not say any more who measures it', () => {
  it.each([
    ['hangs', never],
    ['has no place for us', () => Promise.reject(new VirtstatError('MONITOR_BUSY', 'somebody else is there'))],
  ])('is read by those who did before, where it %s', async (_, fail) => {
    const counter = new Counter('process');
    let providersOf: () => Promise<readonly Provider[]> = async () => [counter];
    const made = registryOf([], 400, () => providersOf());
    await made.query({ target: 'vm' });
    providersOf = fail;
    for (let turn = 2n; turn < 6n; turn++) {
      const beginMs = performance.now();
      const [answer] = await made.query({ target: 'vm' });
      expect(performance.now() - beginMs).toBeLessThan(200);
      expect(answer).toMatchObject({ errors: [], items: [{ provider: 'process', stats: [{ value: turn }] }] });
      expect(answer?.items[0]?.stale).toBeUndefined();
    }
    expect((await made.schemas())[0]?.errors).toEqual([]);
  });

  it('is told as it is where it never said', async () => {
    const made = registryOf([], 50, never);
    expect((await made.query({ target: 'vm' }))[0]).toMatchObject({ items: [], errors: [{ code: 'TIMEOUT' }] });
  });

  it('is told as it is where it is gone', async () => {
    const counter = new Counter('process');
    let isGone = false;
    const made = registryOf([], 400, async () => {
      if (isGone) throw new VirtstatError('DOMAIN_GONE', 'a has exited');
      return [counter];
    });
    await made.query({ target: 'vm' });
    isGone = true;
    expect((await made.query({ target: 'vm' }))[0]).toMatchObject({ items: [], errors: [{ code: 'DOMAIN_GONE' }] });
  });
});

describe('a domain that knows who measures it', () => {
  it('is not asked, as long as it knows', async () => {
    const [known, told] = [new Counter('process'), new Counter('kvm')];
    let knownProviders: readonly Provider[] | undefined = [known];
    const domain = { id: 'id-a', name: 'a', source: 'test:' };
    const found = {
      domain,
      get knownProviders() {
        return knownProviders;
      },
      providers: async () => [told],
      describe: async () => domain,
      availability: async () => [],
    };
    const made = new Registry([{ uri: 'test:', scan: async () => [found], close: async () => undefined }]);
    onTestFinished(() => made.close());
    const ask = async () => (await made.query({ target: 'vm' }))[0]?.items.map(({ provider }) => provider);
    expect(await ask()).toEqual(['process']);
    expect(told.calls).toBe(0n);
    knownProviders = undefined;
    expect(await ask()).toEqual(['kvm']);
    knownProviders = [known];
    expect(await ask()).toEqual(['process']);
  });
});

describe('questions', () => {
  /** Puts as many different ones as there are names. */
  const askerOf = (made: Registry) => (name: string) =>
    made.query({ target: 'vm', providers: [{ provider: 'kvm', names: ['calls', name] }] });

  it.each([
    [MAX_QUESTIONS_PER_DOMAIN - 1, 'has'],
    [MAX_QUESTIONS_PER_DOMAIN, 'has no'],
  ])('after %i others a domain %s last values for the first', async (others, has) => {
    const counter = new Counter();
    const ask = askerOf(registryOf([counter]));
    await ask('first');
    for (let other = 0; other < others; other++) await ask(`other-${other}`);
    counter.behave = () => Promise.reject(new VirtstatError('CONNECTION_LOST', 'it went away'));
    const [answer] = await ask('first');
    expect(answer?.errors).toHaveLength(1);
    expect(answer?.items).toHaveLength(has === 'has' ? 1 : 0);
  });

  it('that are asked again and again are not forgotten for others', async () => {
    const counter = new Counter();
    const ask = askerOf(registryOf([counter]));
    for (let other = 0; other < 2 * MAX_QUESTIONS_PER_DOMAIN; other++) {
      await ask('first');
      await ask(`other-${other}`);
    }
    counter.behave = () => Promise.reject(new VirtstatError('CONNECTION_LOST', 'it went away'));
    expect((await ask('first'))[0]?.items).toHaveLength(1);
  });

  it('that a domain does not answer take no last values from others, however many they are', async () => {
    const counter = new Counter();
    const ask = askerOf(registryOf([counter]));
    await ask('first');
    counter.behave = () => Promise.reject(new VirtstatError('CONNECTION_LOST', 'it went away'));
    for (let other = 0; other < 2 * MAX_QUESTIONS_PER_DOMAIN; other++) await ask(`other-${other}`);
    expect((await ask('first'))[0]?.items).toHaveLength(1);
  });
});

describe('patience', () => {
  it('is over for everybody at the same moment: nobody waits anew for a question that is long under way', async () => {
    const counter = new Counter();
    const made = registryOf([counter], 60_000);
    await made.query({ target: 'vm' });
    counter.behave = never;
    const beginMs = performance.now();
    for (let turn = 0; turn < 5; turn++) {
      const [answer] = await made.query({ target: 'vm' }, { patienceMs: 200 });
      expect(answer?.items[0]?.stale?.code).toBe('TIMEOUT');
    }
    expect(performance.now() - beginMs).toBeLessThan(400);
    expect(counter.calls).toBe(2n);
  });

  it('is a reader’s own: who has little gets last values soon, and the question goes on for the next', async () => {
    const counter = new Counter();
    const made = registryOf([counter], 60_000);
    // Without last values there is nothing to give instead.
    await made.query({ target: 'vm' }, { patienceMs: 1 });
    const late = Promise.withResolvers<void>();
    counter.behave = () => late.promise;
    const whole = made.query({ target: 'vm' });
    const [soon] = await made.query({ target: 'vm' }, { patienceMs: 10 });
    expect(soon?.items.map(({ stale, stats }) => [stale?.code, stats[0]?.value])).toEqual([['TIMEOUT', 1n]]);
    expect(soon?.errors.map(({ code }) => code)).toEqual(['TIMEOUT']);
    late.resolve();
    expect((await whole)[0]?.items[0]?.stats[0]?.value).toBe(2n);
    expect(
      (await made.query({ target: 'vm' }, { patienceMs: 10, maxAgeMs: 1000 }))[0]?.items[0]?.stale,
    ).toBeUndefined();
    expect(counter.calls).toBe(2n);
  });
});

describe('an answer without values', () => {
  it('is an answer: who takes values of some age takes it too', async () => {
    const counter = new Counter();
    counter.stats = async () => {
      counter.calls++;
      return [];
    };
    const made = registryOf([counter]);
    const ask = (maxAgeMs: number) => made.query({ target: 'vm' }, { maxAgeMs });
    for (const age of [1000, 1000, 1000]) expect((await ask(age))[0]).toMatchObject({ items: [], errors: [] });
    expect(counter.calls).toBe(1n);
    await ask(0);
    expect(counter.calls).toBe(2n);
  });
});
