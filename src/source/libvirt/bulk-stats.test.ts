import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  VIR_DOMAIN_STATS_BALLOON,
  VIR_DOMAIN_STATS_BLOCK,
  VIR_DOMAIN_STATS_INTERFACE,
  VIR_DOMAIN_STATS_STATE,
} from '../../protocol/libvirt/constants.ts';
import type { DomainReference } from '../../protocol/libvirt/domain.ts';
import type { DomainStatsRecord, DomainStatsRequest } from '../../protocol/libvirt/domain-stats.ts';
import { type FakeLibvirtAnswer, type FakeLibvirtCall, FakeLibvirtd } from '../../testing/fake-libvirtd.ts';
import { BulkStats, MAX_UNANSWERED } from './bulk-stats.ts';
import { LibvirtConnection } from './connection.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtstat-bulk-'));
afterAll(() => rmSync(folder, { recursive: true }));
let sockets = 0;

const OPTIONS = { signal: new AbortController().signal };
/** ACTIVE and NOWAIT. */
const FLAGS = 0x2000_0001;

const domain = (digit: number): DomainReference => ({
  name: `d${digit}`,
  uuid: `00000000-0000-4000-8000-00000000000${digit}`,
  id: digit,
});
const [ONE, TWO, THREE] = [domain(1), domain(2), domain(3)] as const;

/** A record of a domain, with or without what its monitor tells. */
const record = (of: DomainReference, hasMonitor = true): DomainStatsRecord => ({
  domain: of,
  params: [
    { field: 'state.state', type: 'int', value: 1 },
    ...(hasMonitor ? [{ field: 'balloon.rss', type: 'ullong', value: 7n } as const] : []),
  ],
});

type Answer = (call: FakeLibvirtCall, nth: number) => FakeLibvirtAnswer | undefined;

class Lab implements AsyncDisposable {
  readonly fake: FakeLibvirtd;
  readonly bulk: BulkStats;
  readonly #connection: LibvirtConnection;

  private constructor(fake: FakeLibvirtd) {
    this.fake = fake;
    this.#connection = new LibvirtConnection(fake.uri);
    this.bulk = new BulkStats(this.#connection, (domains) => domains.size === 3);
  }

  /** `answer` is what is answered to the nth call for statistics, counted from 1. */
  static async start(answer?: Answer, records = [ONE, TWO, THREE].map((each) => record(each))): Promise<Lab> {
    let calls = 0;
    const answered = (call: FakeLibvirtCall) =>
      call.name === 'CONNECT_GET_ALL_DOMAIN_STATS' ? answer?.(call, ++calls) : undefined;
    const path = join(folder, `${++sockets}.sock`);
    return new Lab(await FakeLibvirtd.listen({ path, records, answer: answered }));
  }

  get(of: DomainReference, groups = VIR_DOMAIN_STATS_BLOCK, needsMonitor = true, options = OPTIONS) {
    return this.bulk.get(of, { groups, needsMonitor }, options);
  }

  get requests(): readonly { readonly names: readonly string[]; readonly stats: number; readonly flags: number }[] {
    return this.fake.calls
      .filter(({ name }) => name === 'CONNECT_GET_ALL_DOMAIN_STATS')
      .map(({ args }) => {
        const { domains, stats, flags } = args as DomainStatsRequest;
        return { names: domains.map(({ name }) => name), stats, flags };
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
    await this.fake[Symbol.asyncDispose]();
  }
}

describe('BulkStats', () => {
  it('asks once for all who ask at the same moment', async () => {
    await using lab = await Lab.start();
    const records = await Promise.all([
      lab.get(ONE, VIR_DOMAIN_STATS_STATE, false),
      lab.get(TWO, VIR_DOMAIN_STATS_BLOCK),
      lab.get(TWO, VIR_DOMAIN_STATS_INTERFACE, false),
      lab.get(THREE, VIR_DOMAIN_STATS_STATE, false),
    ]);
    expect(records.map((each) => each.domain.name)).toEqual(['d1', 'd2', 'd2', 'd3']);
    const stats =
      VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_BLOCK | VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BALLOON;
    expect(lab.requests).toEqual([{ names: [], stats, flags: FLAGS }]);
  });

  it('asks for those alone that are meant, and no monitor for nothing', async () => {
    await using lab = await Lab.start();
    await lab.get(TWO, VIR_DOMAIN_STATS_STATE, false);
    expect(lab.requests).toEqual([{ names: ['d2'], stats: VIR_DOMAIN_STATS_STATE, flags: FLAGS }]);
  });

  it('gathers those who come while a call is under way', async () => {
    await using lab = await Lab.start();
    const first = lab.get(ONE);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([
      first,
      lab.get(TWO),
      new Promise((resolve) => setImmediate(resolve)).then(() => lab.get(THREE)),
    ]);
    expect(lab.requests.map(({ names }) => names)).toEqual([['d1'], ['d2', 'd3']]);
  });

  it('says that a domain has gone that libvirt does not list, or lists under another id', async () => {
    await using lab = await Lab.start(undefined, [record(ONE), record({ ...TWO, id: 9 })]);
    await expect(lab.get(TWO)).rejects.toMatchObject({ code: 'DOMAIN_GONE' });
    await expect(lab.get(THREE)).rejects.toMatchObject({ code: 'DOMAIN_GONE' });
  });

  it('passes a domain by that holds a call, and waits for that one alone', async () => {
    const answer: Answer = (_call, nth) =>
      nth === 1 ? 'silence' : { result: [record(ONE, false), record(TWO), record(THREE)] };
    await using lab = await Lab.start(answer);
    const slow = new AbortController();
    const one = lab.get(ONE, VIR_DOMAIN_STATS_BLOCK, true, { signal: slow.signal });
    const [two, one2] = await Promise.all([lab.get(TWO), lab.get(ONE, VIR_DOMAIN_STATS_STATE, false), lab.get(THREE)]);
    expect([two.hasMonitor, one2.hasMonitor]).toEqual([true, false]);
    expect(lab.requests).toHaveLength(2);
    expect(await Promise.race([one, 'waits'])).toBe('waits');
    slow.abort();
    await expect(one).rejects.toMatchObject({ code: 'CANCELLED' });
    expect((await lab.get(TWO)).hasMonitor).toBe(true);
    expect(lab.requests).toHaveLength(3);
  });

  it('asks no more than three times while nothing is answered', async () => {
    await using lab = await Lab.start(() => 'silence');
    const limit = AbortSignal.timeout(2500);
    await expect(lab.get(ONE, VIR_DOMAIN_STATS_BLOCK, true, { signal: limit })).rejects.toBeDefined();
    expect(lab.requests).toHaveLength(MAX_UNANSWERED);
    await expect(lab.get(TWO)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(lab.requests).toHaveLength(MAX_UNANSWERED);
    lab.fake.dropAll();
    await expect.poll(() => lab.fake.connectionCount).toBe(0);
    const again = lab.get(TWO, VIR_DOMAIN_STATS_BLOCK, true, { signal: AbortSignal.timeout(300) });
    await expect(again).rejects.toBeDefined();
    expect(lab.requests).toHaveLength(MAX_UNANSWERED + 1);
  });

  it('asks again for one that another job held, once', async () => {
    const held = { result: [record(ONE, false), record(TWO)] };
    await using lab = await Lab.start((_call, nth) => (nth === 2 || nth > 4 ? undefined : held));
    expect((await Promise.all([lab.get(ONE), lab.get(TWO)])).map((each) => each.hasMonitor)).toEqual([true, true]);
    expect(lab.requests.map(({ names }) => names)).toEqual([['d1', 'd2'], ['d1']]);
    // Held twice in a row: not asked twice any more.
    expect((await lab.get(ONE)).hasMonitor).toBe(false);
    expect(lab.requests).toHaveLength(4);
    expect((await lab.get(ONE)).hasMonitor).toBe(true);
    expect(lab.requests).toHaveLength(5);
  });

  it('fails all who asked with what failed', async () => {
    await using lab = await Lab.start((_call, nth) => (nth === 1 ? 'hang up' : undefined));
    const asked = await Promise.allSettled([lab.get(ONE), lab.get(TWO)]);
    expect(asked).toMatchObject([{ reason: { code: 'CONNECTION_LOST' } }, { reason: { code: 'CONNECTION_LOST' } }]);
    expect((await lab.get(ONE)).hasMonitor).toBe(true);
  });
});
