import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { VirtstatError } from '../model/errors.ts';
import type { CallOptions, FoundDomain, Provider, Source, StatsRequest } from '../model/provider.ts';
import type { Reading } from '../model/sample.ts';
import { Registry } from './registry.ts';

const STATS = [
  { name: 'exits', type: 'cumulative', exponent: 0 },
  { name: 'halted', type: 'instant', unit: 'boolean', exponent: 0 },
];

/** A provider that counts how often it is asked; `stats` may be replaced to make it fail or hang. */
class Counter implements Provider {
  readonly name: string;
  readonly targets = ['vm', 'vcpu'];
  calls = 0;
  requests: StatsRequest[] = [];
  behave: (options: CallOptions) => Promise<void> = async () => undefined;

  constructor(name = 'kvm') {
    this.name = name;
  }

  async schemas() {
    return this.targets.map((target) => ({ provider: this.name, target, stats: STATS }));
  }

  async stats(_domain: unknown, request: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    this.calls++;
    this.requests.push(request);
    await this.behave(options);
    const stats = [
      { name: 'exits', value: BigInt(this.calls) },
      { name: 'halted', value: true },
    ];
    const collectedAtNs = BigInt(Date.now()) * 1_000_000n;
    const reading = { via: 'test', collectedAtNs, stats };
    return request.target === 'vm' ? [reading] : ['/a', '/b'].map((path) => ({ path, ...reading }));
  }
}

class Shelf implements Source {
  readonly uri = 'test:';
  closed = 0;
  readonly found: FoundDomain[];

  constructor(...domains: readonly [name: string, ...providers: Provider[]][]) {
    this.found = domains.map(([name, ...providers], index) => {
      const domain = { id: `id-${name}`, name, uuid: `uuid-${name}`, pid: 100 + index, source: this.uri };
      return {
        domain,
        providers: async () => providers,
        describe: async () => ({ ...domain, state: 'running' }),
        availability: async () => [],
      };
    });
  }

  async scan() {
    return this.found;
  }

  async close() {
    this.closed++;
  }
}

let open: Registry[] = [];
function registry(sources: readonly Source[], deadlineMs = 200): Registry {
  const made = new Registry(sources, { deadlineMs });
  open.push(made);
  return made;
}
afterEach(async () => {
  await Promise.all(open.map((each) => each.close()));
  open = [];
});

const never = () => new Promise<never>(() => undefined);

describe('find and reconfigure', () => {
  it('finds who is there without asking, and says which source cannot be searched', async () => {
    const counter = new Counter();
    const shelf = new Shelf(['a', counter], ['b']);
    const broken = new Shelf();
    broken.scan = async () => {
      throw new VirtstatError('ACCESS_DENIED', 'no');
    };
    const found = await registry([shelf, broken]).present();
    expect(found.map(({ domain, errors }) => [domain.name, ...errors.map(({ code }) => code)])).toEqual([
      ['a'],
      ['b'],
      ['test:', 'ACCESS_DENIED'],
    ]);
    expect(counter.calls).toBe(0);
  });

  it('goes on with other sources, and closes only those that are gone', async () => {
    const [stays, goes, comes] = [new Shelf(['stays']), new Shelf(['goes']), new Shelf(['comes'])];
    const made = registry([stays, goes]);
    await made.present();
    await made.reconfigure([comes, stays]);
    expect((await made.present()).map(({ domain }) => domain.name)).toEqual(['comes', 'stays']);
    expect([stays.closed, goes.closed, comes.closed]).toEqual([0, 1, 0]);
    expect(made.sources).toEqual([comes, stays]);
  });

  it('goes on with another deadline', async () => {
    const counter = new Counter();
    counter.behave = () => new Promise((resolve) => setTimeout(resolve, 150));
    const shelf = new Shelf(['a', counter]);
    const made = registry([shelf], 50);
    expect((await made.query({ target: 'vm' }))[0]?.errors[0]?.code).toBe('TIMEOUT');
    await made.reconfigure([shelf], { deadlineMs: 2000 });
    expect((await made.query({ target: 'vm' }))[0]?.errors).toEqual([]);
  });
});

describe('a query', () => {
  it('gives the values of every domain with what they are about', async () => {
    const [a, b] = await registry([new Shelf(['a', new Counter()], ['b', new Counter()])]).query({ target: 'vm' });
    expect(a?.items).toMatchObject([{ domain: 'a', provider: 'kvm', target: 'vm', via: 'test' }]);
    expect(a?.items[0]?.stats).toEqual([
      { name: 'exits', value: 1n },
      { name: 'halted', value: true },
    ]);
    expect(b?.items[0]?.domain).toBe('b');
  });

  it('keeps the order of the schema, drops unknown names silently, and samples without any of the names', async () => {
    const shelf = registry([new Shelf(['a', new Counter()])]);
    const ask = async (names: string[]) => {
      const [answer] = await shelf.query({ target: 'vm', providers: [{ provider: 'kvm', names }] });
      return answer?.items.map((sample) => sample.stats.map(({ name }) => name));
    };
    expect(await ask(['halted', 'exits', 'exits'])).toEqual([['exits', 'halted']]);
    expect(await ask(['nope', 'exits'])).toEqual([['exits']]);
    expect(await ask(['nope'])).toEqual([]);
    expect(await ask([])).toEqual([]);
  });

  it.each([
    [undefined, ['/a', '/b']],
    [['/b'], ['/b']],
    [['/b', '/b', '/nope'], ['/b']],
    [[], []],
  ])('of paths %j gives %j', async (paths, expected) => {
    const filter = { target: 'vcpu', ...(paths && { paths }) };
    const [answer] = await registry([new Shelf(['a', new Counter()])]).query(filter);
    expect(answer?.items.map(({ path }) => path)).toEqual(expected);
  });

  it('runs a provider once for each entry that names it, and asks nobody for an empty list', async () => {
    const counter = new Counter();
    const shelf = registry([new Shelf(['a', counter])]);
    const kvm = { provider: 'kvm' };
    expect((await shelf.query({ target: 'vm', providers: [kvm, kvm] }))[0]?.items).toHaveLength(2);
    expect((await shelf.query({ target: 'vm', providers: [] }))[0]?.items).toHaveLength(0);
    expect(counter.calls).toBe(2);
  });

  it('of chosen domains takes names, uuids, process ids and ids', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const shelf = registry([new Shelf(...names.map((name): [string, Provider] => [name, new Counter()]))]);
    const answers = await shelf.query({ target: 'vm' }, { domains: ['c', 'UUID-a', '101', 'id-e'] });
    expect(answers.map(({ domain }) => domain.name)).toEqual(['a', 'b', 'c', 'e']);
  });
});

describe('what goes wrong in one place', () => {
  it('is an error beside the values of the others', async () => {
    const broken = new Counter('broken');
    broken.behave = () => {
      throw new TypeError('oops');
    };
    const [a, b] = await registry([new Shelf(['a', new Counter(), broken], ['b', new Counter()])]).query({
      target: 'vm',
    });
    expect(a?.items).toHaveLength(1);
    expect(a?.errors).toMatchObject([{ code: 'PROVIDER_FAILED', message: 'provider broken failed for a: oops' }]);
    expect(b?.errors).toEqual([]);
  });

  it('takes no longer than the deadline, also where the provider is deaf', async () => {
    const deaf = new Counter();
    deaf.behave = never;
    const startMs = performance.now();
    const [a, b] = await registry([new Shelf(['a', deaf], ['b', new Counter()])], 50).query({ target: 'vm' });
    expect(performance.now() - startMs).toBeLessThan(1000);
    expect(a?.errors).toMatchObject([{ code: 'TIMEOUT', message: 'a gave no answer within 50 ms' }]);
    expect(b?.items).toHaveLength(1);
  });

  it('tells the provider to stop at the deadline', async () => {
    const counter = new Counter();
    const aborted = new Promise<unknown>((resolve) => {
      counter.behave = ({ signal }) => {
        signal.addEventListener('abort', () => resolve(signal.reason));
        return never();
      };
    });
    await registry([new Shelf(['a', counter])], 20).query({ target: 'vm' });
    expect(await aborted).toMatchObject({ code: 'TIMEOUT' });
  });

  it('yields the last values, marked stale with age and reason', async () => {
    const counter = new Counter();
    const shelf = registry([new Shelf(['a', counter])], 50);
    await shelf.query({ target: 'vm' });
    counter.behave = never;
    const [answer] = await shelf.query({ target: 'vm' });
    const [sample] = answer?.items ?? [];
    expect(sample?.stats[0]).toEqual({ name: 'exits', value: 1n });
    expect(sample?.stale).toMatchObject({ code: 'TIMEOUT', reason: 'a gave no answer within 50 ms' });
    expect(sample?.stale?.ageNs).toBeGreaterThan(40_000_000n);
    expect(answer?.errors).toHaveLength(1);
  });

  it('never yields old values of a VM that is gone, or of another request', async () => {
    const counter = new Counter();
    const shelf = registry([new Shelf(['a', counter])], 50);
    await shelf.query({ target: 'vm' });
    counter.behave = never;
    expect((await shelf.query({ target: 'vcpu' }))[0]?.items).toEqual([]);
    counter.behave = () => Promise.reject(new VirtstatError('DOMAIN_GONE', 'gone'));
    expect((await shelf.query({ target: 'vm' }))[0]?.items).toEqual([]);
  });

  it('of a source is an answer of its own, beside those of the other sources', async () => {
    const failing: Source = {
      uri: 'bad:',
      scan: () => Promise.reject(new Error('no such host')),
      close: async () => undefined,
    };
    const answers = await registry([failing, new Shelf(['a', new Counter()])]).query({ target: 'vm' });
    expect(answers.map(({ domain }) => domain.name)).toEqual(['bad:', 'a']);
    expect(answers[0]?.errors).toMatchObject([{ code: 'INTERNAL', message: 'searching bad: failed: no such host' }]);
  });
});

describe('readers at the same moment', () => {
  it('share one collection', async () => {
    const counter = new Counter();
    const shelf = registry([new Shelf(['a', counter])]);
    await Promise.all(Array.from({ length: 10 }, () => shelf.query({ target: 'vm' })));
    expect(counter.calls).toBe(1);
    await shelf.query({ target: 'vm' });
    expect(counter.calls).toBe(2);
  });

  it('may leave without ending it for the others', async () => {
    const counter = new Counter();
    counter.behave = () => new Promise((resolve) => setTimeout(resolve, 50));
    const shelf = registry([new Shelf(['a', counter])]);
    const staying = shelf.query({ target: 'vm' });
    const leaving = shelf.query({ target: 'vm' }, { signal: AbortSignal.timeout(10) });
    await expect(leaving).rejects.toMatchObject({ code: 'CANCELLED' });
    expect((await staying)[0]?.items).toHaveLength(1);
    expect(counter.calls).toBe(1);
  });

  it('take values of a permitted age', async () => {
    const counter = new Counter();
    const shelf = registry([new Shelf(['a', counter])]);
    await shelf.query({ target: 'vm' });
    await shelf.query({ target: 'vm' }, { maxAgeMs: 60_000 });
    await shelf.query({ target: 'vm' }, { maxAgeMs: Number.POSITIVE_INFINITY });
    expect(counter.calls).toBe(1);
    await shelf.query({ target: 'vm' }, { maxAgeMs: 0 });
    expect(counter.calls).toBe(2);
  });
});

describe('the search for domains', () => {
  /** A source of which each search takes some time. */
  class Slow extends Shelf {
    scans = 0;
    takes = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

    override async scan() {
      this.scans++;
      await this.takes();
      return super.scan();
    }
  }

  it('is shared by all who come while it is under way, however long it takes, and a moment longer', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const source = new Slow(['a', new Counter()]);
    source.takes = () => new Promise((resolve) => setTimeout(resolve, 5000));
    const shelf = registry([source], 10_000);
    const first = shelf.query({ target: 'vm' });
    await vi.advanceTimersByTimeAsync(4000);
    const second = shelf.query({ target: 'vm' });
    await vi.advanceTimersByTimeAsync(1000);
    expect((await Promise.all([first, second])).map(([answer]) => answer?.items.length)).toEqual([1, 1]);
    await vi.advanceTimersByTimeAsync(1900);
    await shelf.find();
    expect(source.scans).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    const third = shelf.find();
    expect(source.scans).toBe(2);
    await vi.advanceTimersByTimeAsync(5000);
    await third;
  });

  it('that fails says nothing about who has gone: old values can be had when the source is back', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const counter = new Counter();
    const source = new Slow(['a', counter]);
    source.takes = async () => undefined;
    const shelf = registry([source]);
    await shelf.query({ target: 'vm' });
    source.takes = () => Promise.reject(new VirtstatError('ACCESS_DENIED', 'not now'));
    await vi.advanceTimersByTimeAsync(2100);
    expect((await shelf.query({ target: 'vm' }))[0]?.errors).toMatchObject([{ code: 'ACCESS_DENIED' }]);
    source.takes = async () => undefined;
    counter.behave = () => Promise.reject(new VirtstatError('CONNECTION_LOST', 'gone for now'));
    await vi.advanceTimersByTimeAsync(2100);
    expect((await shelf.query({ target: 'vm' }))[0]?.items[0]?.stale).toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('names who is there, and refuses who is not with the nearest names and what hid him', async () => {
    const failing: Source = {
      uri: 'bad:',
      scan: () => Promise.reject(new VirtstatError('ACCESS_DENIED', 'bad: is closed to you')),
      close: async () => undefined,
    };
    const shelf = registry([failing, new Shelf(['web-1'], ['web-2'])]);
    const found = await shelf.find({ domains: ['web-2'] });
    expect(found.domains.map(({ name }) => name)).toEqual(['web-2']);
    expect(found.errors).toMatchObject([{ code: 'ACCESS_DENIED' }]);
    await expect(shelf.find({ domains: ['web-1', 'web-3'] })).rejects.toMatchObject({
      code: 'NOTHING_MATCHED',
      message: 'no domain is named "web-3"; did you mean web-1, web-2?; bad: is closed to you',
    });
    await expect(shelf.resolve({ target: 'vm' }, { domains: ['web-3'] })).rejects.toMatchObject({
      code: 'NOTHING_MATCHED',
    });
  });
});

describe('a registered provider', () => {
  it('measures every domain until it is taken away', async () => {
    const shelf = registry([new Shelf(['a', new Counter()], ['b'])]);
    const remove = shelf.registerProvider(new Counter('mine'));
    const providers = async () =>
      (await shelf.query({ target: 'vm' })).map(({ items }) => items.map(({ provider }) => provider));
    expect(await providers()).toEqual([['kvm', 'mine'], ['mine']]);
    remove();
    expect(await providers()).toEqual([['kvm'], []]);
  });

  it('has a name of its own', () => {
    const shelf = registry([]);
    shelf.registerProvider(new Counter('mine'));
    expect(() => shelf.registerProvider(new Counter('mine'))).toThrow(
      expect.objectContaining({ code: 'PROVIDER_DUPLICATE' }),
    );
  });
});

describe('a watch', () => {
  it('yields sweep after sweep at its interval and ends with the signal', async () => {
    const controller = new AbortController();
    const seen: bigint[] = [];
    const startMs = performance.now();
    for await (const [answer] of registry([new Shelf(['a', new Counter()])]).watch(
      { target: 'vm' },
      { intervalMs: 30, signal: controller.signal },
    )) {
      seen.push(answer?.items[0]?.stats[0]?.value as bigint);
      if (seen.length === 4) controller.abort();
    }
    expect(seen).toEqual([1n, 2n, 3n, 4n]);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(85);
  });

  it('ends with the signal also while a sweep is under way', async () => {
    const counter = new Counter();
    counter.behave = never;
    const shelf = registry([new Shelf(['a', counter])], 5000);
    const sweeps = [];
    const options = { intervalMs: 10, signal: AbortSignal.timeout(20) };
    for await (const answers of shelf.watch({ target: 'vm' }, options)) sweeps.push(answers);
    expect(sweeps).toEqual([]);
  });

  it('ends with CLOSED when the registry is closed, without waiting for its next turn', async () => {
    const shelf = registry([new Shelf(['a', new Counter()])]);
    const watching = (async () => {
      for await (const _ of shelf.watch({ target: 'vm' }, { intervalMs: 60_000 })) setTimeout(() => shelf.close(), 5);
    })();
    await expect(watching).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it.each([0, -1, Number.NaN, 2 ** 31])('at an interval of %d ms is refused', async (intervalMs) => {
    const first = registry([]).watch({ target: 'vm' }, { intervalMs }).next();
    await expect(first).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('skips the turns that a slow sweep overran', async () => {
    const counter = new Counter();
    counter.behave = () => new Promise((resolve) => setTimeout(resolve, 50));
    const startMs = performance.now();
    for await (const _ of registry([new Shelf(['a', counter])]).watch({ target: 'vm' }, { intervalMs: 40 })) {
      if (counter.calls === 3) break;
    }
    // Sweeps start at 0, 80 and 160 ms: the turns at 40 and 120 ms are lost.
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(200);
  });
});

describe('closing', () => {
  it('closes the sources and ends what is under way', async () => {
    const counter = new Counter();
    counter.behave = never;
    const source = new Shelf(['a', counter]);
    const shelf = registry([source], 10_000);
    const pending = shelf.query({ target: 'vm' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    await shelf.close();
    expect((await pending)[0]?.errors).toMatchObject([{ code: 'CLOSED' }]);
    expect(source.closed).toBe(1);
  });
});

it.each([0, Number.NaN, 2 ** 31])('a deadline of %d ms is refused', (deadlineMs) => {
  expect(() => new Registry([], { deadlineMs })).toThrow(expect.objectContaining({ code: 'USAGE' }));
});

it.each([1, 2 ** 31 - 1])('a deadline of %d ms is taken', (deadlineMs) => {
  expect(() => new Registry([], { deadlineMs })).not.toThrow();
});

it('lists what can be read of a domain that does not describe itself', async () => {
  const shelf = new Shelf(['a']);
  const [found] = shelf.found;
  const readable = { provider: 'kvm', target: 'vcpu', via: 'kvm-file', available: true };
  shelf.found[0] = { ...(found as FoundDomain), describe: never, availability: async () => [readable] };
  expect(await registry([shelf], 20).list()).toMatchObject([
    { domain: { name: 'a' }, items: [readable], errors: [{ code: 'TIMEOUT' }] },
  ]);
});

it('lists domains completed by what they say of themselves', async () => {
  expect(await registry([new Shelf(['a'])]).list()).toMatchObject([
    { domain: { name: 'a', state: 'running' }, items: [], errors: [] },
  ]);
});
