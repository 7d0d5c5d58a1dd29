import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, FoundDomain, Provider, Source, StatsRequest } from '../../model/provider.ts';
import type { Reading } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { Registry } from '../../registry/registry.ts';
import type { Frame } from '../live/frames.tsx';
import { plainPaint } from '../terminal.ts';
import { parseColumns } from './columns.ts';
import { TopData } from './data.ts';
import { TopFeed } from './feed.ts';
import { TopSession } from './session.ts';
import { firstState } from './state.ts';

const SIZE = { columns: 100, rows: 24 };
const STATS: readonly StatDescriptor[] = [
  { name: 'exits', type: 'cumulative', exponent: 0 },
  { name: 'halts', type: 'cumulative', exponent: 0 },
];

/** A VM that counts a thousand exits each second, and how often it is asked. */
class FakeVm implements Provider {
  readonly name = 'kvm';
  readonly targets = ['vm', 'vcpu'];
  readonly requests: StatsRequest[] = [];
  /** Replaced to make it fail or hang. */
  behave: (options: CallOptions) => Promise<void> = async () => undefined;
  stats_: readonly StatDescriptor[] = STATS;

  async schemas(_domain: unknown, options: CallOptions) {
    await this.behave(options);
    return this.targets.map((target) => ({ provider: this.name, target, stats: this.stats_ }));
  }

  async stats(_domain: unknown, request: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    this.requests.push(request);
    await this.behave(options);
    const nowMs = performance.timeOrigin + performance.now();
    const collectedAtNs = BigInt(Math.round(nowMs * 1e6));
    const stats = this.stats_.map(({ name }) => ({ name, value: BigInt(Math.round(nowMs)) }));
    return [{ path: '/cpu/0', via: 'test', collectedAtNs, stats }];
  }
}

class Host implements Source {
  readonly uri = 'test:';
  readonly vms = new Map<string, FakeVm>();
  scanning: () => Promise<void> = async () => undefined;

  async scan(): Promise<readonly FoundDomain[]> {
    await this.scanning();
    return [...this.vms].map(([name, provider]) => {
      const domain = { id: `id-${name}`, name, source: this.uri };
      return {
        domain,
        providers: async () => [provider],
        describe: async () => domain,
        availability: async () => [],
      };
    });
  }

  async close() {}
}

const closing: Registry[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((registry) => registry.close()));
});

interface Running {
  readonly host: Host;
  readonly run: TopSession;
  readonly data: TopData;
  readonly registry: Registry;
  readonly abort: () => void;
}

async function start(
  names: readonly string[],
  { intervalMs = 60, iterations }: { intervalMs?: number; iterations?: number } = {},
): Promise<Running> {
  const host = new Host();
  for (const name of names) host.vms.set(name, new FakeVm());
  const registry = new Registry([host], { deadlineMs: 400 });
  closing.push(registry);
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const data = new TopData();
  const feed = new TopFeed({ registry, data, domains: undefined, signal: stop.signal });
  const state = firstState({ columns: parseColumns('exits,age', data.offers), intervalMs, sort: 'exits' });
  const run = new TopSession({
    ...{ state, data, feed, paint: plainPaint, signal: stop.signal },
    ...(iterations !== undefined && { iterations }),
  });
  return { host, run, data, registry, abort: () => stop.abort() };
}

/** Takes frames until one fits; fails after some time. */
async function until(frames: AsyncIterator<Frame>, fits: (text: string) => boolean): Promise<string> {
  let text = '';
  for (let count = 0; count < 400; count++) {
    const { value, done } = await frames.next();
    if (done || value === undefined) throw new Error(`the session ended; its last frame was\n${text}`);
    text = value(SIZE).join('\n');
    if (fits(text)) return text;
  }
  throw new Error(`no frame fits; the last one was\n${text}`);
}

const hang = ({ signal }: CallOptions): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

describe('a session', () => {
  it('draws at once, then after each look, with rates from the second look on', async () => {
    const { run } = await start(['a', 'b']);
    const frames = run.frames();
    expect(await until(frames, () => true)).toContain('looking for virtual machines');
    expect(await until(frames, (text) => text.includes('2 domains'))).toMatch(/>a +- /);
    expect(await until(frames, (text) => /\dk? +0\.0s/.test(text))).toMatch(/>[ab] +(9\d\d|1(\.\d+)?k) /);
    run.press('q', SIZE);
    expect((await frames.next()).done).toBe(true);
  });

  it('asks each domain only for what the columns show', async () => {
    const { host, run } = await start(['a'], { iterations: 3 });
    for await (const frame of run.frames()) frame(SIZE);
    const names = host.vms.get('a')?.requests.map((request) => [request.target, request.names]);
    expect(names).toEqual(Array(3).fill(['vcpu', ['exits']]));
  });

  it('asks one domain for everything while somebody looks into it', async () => {
    const { host, run, data } = await start(['a', 'b']);
    const frames = run.frames();
    await until(frames, (text) => text.includes('2 domains'));
    run.press('enter', SIZE);
    await until(frames, (text) => text.includes('vcpu #0'));
    const whole = (name: string): number =>
      host.vms.get(name)?.requests.filter(({ names }) => names === undefined).length ?? 0;
    expect([whole('a') > 0, whole('b')]).toEqual([true, 0]);
    run.press('left', SIZE);
    expect(data.tracks('all').all).toEqual([]);
    const before = whole('a');
    await until(frames, (text) => text.includes('2 domains'));
    await until(frames, (text) => text.includes('2 domains'));
    expect(whole('a')).toBeLessThanOrEqual(before + 2);
  });

  it('lets one that hangs from the start cost the others nothing', async () => {
    const { host, run } = await start(['a', 'stuck', 'b']);
    (host.vms.get('stuck') as FakeVm).behave = hang;
    const frames = run.frames();
    const text = await until(frames, (each) => / a +\d| a +1.*k/.test(each.replace('>', ' ')));
    expect(text).toMatch(/ stuck +- +-/);
    await until(frames, (each) => /^stuck gave no answer/m.test(each));
    // Each look of the others is as fast as without it.
    const startMs = performance.now();
    for (let count = 0; count < 8; count++) await until(frames, () => true);
    expect(performance.now() - startMs).toBeLessThan(8 * 60 + 400);
    (host.vms.get('stuck') as FakeVm).behave = async () => undefined;
    await until(frames, (each) => /stuck +(\d|1.*k)/.test(each));
  }, 20_000);

  it('keeps the last figures of one that stops answering, with their age and the reason', async () => {
    const { host, run } = await start(['a', 'b']);
    const frames = run.frames();
    await until(frames, (text) => /b +[\d.]+k? +0\.0s/.test(text));
    (host.vms.get('b') as FakeVm).behave = hang;
    const text = await until(frames, (each) => /b +[\d.]+k? +0\.\ds!/.test(each));
    expect(text).toMatch(/^b: 0\.\ds old: .*no answer/m);
    expect(await until(frames, (each) => /b +[\d.]+k? +0\.[5-9]s!/.test(each))).toMatch(/a +[\d.]+k? +0\.[01]s( |$)/m);
  }, 20_000);

  it('loses a domain that goes, and finds one that comes', async () => {
    const { host, run } = await start(['a', 'b']);
    const frames = run.frames();
    await until(frames, (text) => text.includes('2 domains'));
    run.press('N', SIZE);
    run.press('down', SIZE);
    run.press('enter', SIZE);
    await until(frames, (text) => text.includes('vcpu #0'));
    host.vms.delete('b');
    host.vms.set('c', new FakeVm());
    const text = await until(frames, (each) => each.includes('that virtual machine has gone'));
    expect(text).toMatch(/2 domains.*a +.*c +/s);
  }, 20_000);

  it('looks for schemas again when a stat comes that they do not have', async () => {
    const { host, run, data } = await start(['a']);
    const frames = run.frames();
    await until(frames, (text) => text.includes('1 domain '));
    const vm = host.vms.get('a') as FakeVm;
    vm.stats_ = [...STATS, { name: 'tomorrow', type: 'instant', unit: 'furlongs', exponent: 0 }];
    run.press('enter', SIZE);
    run.press('enter', SIZE);
    await until(frames, (text) => /tomorrow +\S+.* furlongs/.test(text));
    expect(data.offers.find({ name: 'tomorrow' })).toHaveLength(2);
  }, 20_000);

  it('stands still while it is paused, but for looks that are asked for', async () => {
    const { host, run } = await start(['a']);
    const frames = run.frames();
    await until(frames, (text) => text.includes('1 domain '));
    run.press('Z', SIZE);
    await until(frames, (text) => text.includes('PAUSED'));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const requests = (): number => host.vms.get('a')?.requests.length ?? 0;
    const before = requests();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(requests()).toBe(before);
    run.press(' ', SIZE);
    await expect.poll(requests).toBe(before + 1);
    run.press('Z', SIZE);
    await expect.poll(requests).toBeGreaterThan(before + 2);
  });

  it('refreshes as often as was asked for', async () => {
    const { run } = await start(['a'], { iterations: 2 });
    let last = '';
    for await (const frame of run.frames()) last = frame(SIZE).join('\n');
    expect(last).toMatch(/>a +\S+/);
  });

  it('ends with its signal, and raises what ends the registry', async () => {
    const first = await start(['a']);
    const frames = first.run.frames();
    await until(frames, (text) => text.includes('1 domain '));
    first.abort();
    expect((await frames.next()).done).toBe(true);

    const second = await start(['a']);
    const others = second.run.frames();
    await until(others, (text) => text.includes('1 domain '));
    await second.registry.close();
    const ended = until(others, () => false);
    await expect(ended).rejects.toSatisfy((error) => VirtstatError.is(error) && error.code === 'CLOSED');
  });

  it('goes on with who was there while a search takes long', async () => {
    const { host, run } = await start(['a']);
    const frames = run.frames();
    await until(frames, (text) => /a +[\d.]+k? +0\.0s/.test(text));
    let searches = 0;
    host.scanning = () => new Promise((resolve) => setTimeout(() => resolve(void ++searches), 200));
    while (searches < 2) expect(await until(frames, () => true)).toMatch(/a +[\d.]+k? +0\.\ds( |$)/m);
  }, 20_000);
});
