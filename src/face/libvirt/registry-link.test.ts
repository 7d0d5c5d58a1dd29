import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COUNT, describeStat } from '../../model/describe.ts';
import type { Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { FoundDomain, Provider, Source } from '../../model/provider.ts';
import * as constants from '../../protocol/libvirt/constants.ts';
import { formatDomStats } from '../../protocol/libvirt/domstats-text.ts';
import { LibvirtError } from '../../protocol/libvirt/error.ts';
import { define } from '../../protocol/libvirt/procedure.ts';
import { DOMAIN_GET_STATE } from '../../protocol/libvirt/procedures.ts';
import type { LibvirtDomain, StatsConnection } from '../../protocol/libvirt/stats-connection.ts';
import { NOTHING } from '../../protocol/libvirt/xdr-codec.ts';
import { Registry } from '../../registry/registry.ts';
import { connectRegistry } from './registry-link.ts';

const UUID = '11111111-2222-4333-8444-555555555555';

/** Domains `web`, which is paused, and `db`, which runs; either may fail or hang. */
class TestSource implements Source {
  readonly uri: string = 'test:';
  isThere = true;
  hangs: string | undefined;
  fails: string | undefined;
  collections = 0;

  readonly #states: Readonly<Record<string, bigint>> = { web: 3n, db: 1n };

  async scan(): Promise<readonly FoundDomain[]> {
    if (!this.isThere) throw new VirtstatError('PATH_NOT_FOUND', 'nobody is there');
    return ['web', 'db'].map((name) => {
      const domain: Domain = { id: name, name, source: this.uri, ...(name === 'web' && { uuid: UUID }) };
      return {
        domain,
        providers: async () => [this.#state],
        describe: async () => ({ ...domain, vmm: { name: 'QEMU', version: '7.2.22' } }),
        availability: async () => [],
      };
    });
  }

  async close(): Promise<void> {}

  readonly #state: Provider = {
    name: 'state',
    targets: ['vm'],
    schemas: async () => [{ provider: 'state', target: 'vm', stats: [describeStat('state', 'instant', COUNT)] }],
    stats: async ({ name }) => {
      this.collections++;
      if (this.hangs === name) await new Promise(() => undefined);
      if (this.fails === name) throw new VirtstatError('CONNECTION_LOST', `${name} is gone`);
      const stats = [
        { name: 'state', value: this.#states[name] ?? 0n },
        { name: 'reason', value: 1n },
      ];
      return [{ via: 'test', collectedAtNs: BigInt(Date.now()) * 1_000_000n, stats }];
    },
  };
}

let source: TestSource;
let registry: Registry;
let connection: StatsConnection;
let errors: VirtstatError[];

beforeEach(() => {
  errors = [];
  source = new TestSource();
  registry = new Registry([source], { deadlineMs: 500 });
  connection = connectRegistry(registry, { onError: (error) => void errors.push(error) });
});

afterEach(async () => {
  await connection.close();
  await registry.close();
});

const { VIR_DOMAIN_STATS_STATE: STATE } = constants;

/** Both domains. */
async function both(of: StatsConnection): Promise<readonly [LibvirtDomain, LibvirtDomain]> {
  return [await of.lookupByName('web'), await of.lookupByName('db')];
}

describe('a connection that a registry answers', () => {
  it('gives records of all domains, or of a list with its order and doubles', async () => {
    const all = await connection.getAllDomainStats(STATE);
    expect(formatDomStats(all)).toBe(
      "Domain: 'web'\n  state.state=3\n  state.reason=1\n\nDomain: 'db'\n  state.state=1\n  state.reason=1\n\n",
    );
    const [web, db] = await both(connection);
    expect([web.uuid, web.id, db.id]).toEqual([UUID, 1, 2]);
    const listed = await connection.domainListGetStats([db, web, db], STATE);
    expect(listed.map(({ domain }) => domain.name)).toEqual(['db', 'web', 'db']);
    expect(listed.every(({ domain }) => domain.isOf(connection))).toBe(true);
    expect(connection.uri).toBe('test:');
  });

  it('is what it was asked to be, and counts domains that came back anew', async () => {
    expect(await connection.getType()).toBe('QEMU');
    expect(await connection.getVersion()).toBe(7_002_022);
    expect(await connection.getURI()).toBe('qemu:///system');
    const [web] = await both(connection);
    expect(await connection.call(DOMAIN_GET_STATE, { domain: web, flags: 0 })).toEqual({ state: 3, reason: 1 });
    expect((await connection.lookupByUUIDString(UUID.replaceAll('-', '').toUpperCase())).name).toBe('web');
    expect((await connection.lookupByID(2)).name).toBe('db');
  });

  it('filters as libvirt does', async () => {
    const flags = [0x01, 0x02, 0x03, 0x10, 0x20, 0x30, 0x40, 0x08, 0x04, 0x12, 0x13];
    const counts = flags.map(async (each) => (await connection.getAllDomainStats(STATE, each)).length);
    expect(await Promise.all(counts)).toEqual([2, 0, 2, 1, 1, 2, 0, 2, 0, 0, 1]);
    const [web, db] = await both(connection);
    const paused = constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED;
    expect((await connection.domainListGetStats([db, web], STATE, paused)).map(({ domain }) => domain.name)).toEqual([
      'web',
    ]);
  });

  it('refuses what libvirt refuses, with its numbers', async () => {
    const { VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS: enforce } = constants;
    await using other = connectRegistry(registry);
    const [web] = await both(connection);
    const [, db] = await both(other);
    const collected = source.collections;
    const refused: readonly (readonly [Promise<unknown>, number, number])[] = [
      [connection.domainListGetStats([]), 8, 20],
      [connection.domainListGetStats([web, db]), 8, 20],
      [connection.domainListGetStats([db]), 8, 20],
      [connection.getAllDomainStats(STATE, 0x100), 8, 10],
      [connection.getAllDomainStats(1 << 20, enforce), 74, 10],
      [connection.lookupByName('nope'), 42, 10],
      [connection.lookupByID(99), 42, 10],
      [connection.call(define(33, 'DOMAIN_SHUTDOWN', NOTHING, NOTHING), undefined), 29, 20],
      [connection.call(define(9999, 'NOT_YET', NOTHING, NOTHING), undefined), 39, 7],
    ];
    for (const [call, errorCode, errorDomain] of refused) {
      await expect(call).rejects.toBeInstanceOf(LibvirtError);
      await expect(call).rejects.toMatchObject({ code: 'LIBVIRT_CALL_FAILED', errorCode, errorDomain });
    }
    for (const wrong of [2 ** 32, 0.5, -(2 ** 31) - 1]) {
      await expect(connection.getAllDomainStats(wrong)).rejects.toMatchObject({ code: 'USAGE' });
      await expect(connection.getAllDomainStats(0, wrong)).rejects.toMatchObject({ code: 'USAGE' });
    }
    expect(source.collections).toBe(collected);
    expect(await connection.getAllDomainStats(STATE, enforce)).toHaveLength(2);
    expect(await connection.getAllDomainStats(1 << 20)).toMatchObject([{ params: [] }, { params: [] }]);
  });

  it('has no state of a domain that fails, and says why beside', async () => {
    source.fails = 'db';
    const [, db] = await connection.getAllDomainStats(STATE | constants.VIR_DOMAIN_STATS_VCPU);
    expect(db?.params.map(({ value }) => value)).toEqual([0, 0]);
    expect(errors.map(({ code }) => code)).toEqual(['CONNECTION_LOST']);
  });

  it('waits for a domain that hangs to its deadline, and with NOWAIT not where it has last values', async () => {
    const { VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT: nowait } = constants;
    const values = async (flags: number) => {
      const before = performance.now();
      const records = await connection.getAllDomainStats(STATE, flags);
      return [records.map(({ params }) => params[0]?.value), performance.now() - before > 300];
    };
    expect(await values(nowait)).toEqual([[3, 1], false]);
    source.hangs = 'web';
    expect(await values(nowait)).toEqual([[3, 1], false]);
    expect(await values(0)).toEqual([[3, 1], true]);
    expect(errors.map(({ code }) => code)).toContain('TIMEOUT');
  });

  it('fails where no source can be searched, and otherwise goes on', async () => {
    source.isThere = false;
    await expect(connection.getAllDomainStats()).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    expect(errors).toEqual([]);
    const both = new Registry([source, new TestSource()]);
    await using mixed = connectRegistry(both, {
      onError: (error) => void errors.push(error),
      onClose: () => both.close(),
    });
    expect(await mixed.getAllDomainStats(STATE)).toHaveLength(2);
    expect(errors.map(({ code }) => code)).toEqual(['PATH_NOT_FOUND']);
  });

  it('ends a wait with its caller, at its limit, and when it is closed', async () => {
    source.hangs = 'web';
    await expect(connection.getAllDomainStats(STATE, 0, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    const caller = new AbortController();
    const wait = connection.getAllDomainStats(STATE, 0, { signal: caller.signal });
    caller.abort();
    await expect(wait).rejects.toMatchObject({ code: 'CANCELLED' });
    const last = connection.getAllDomainStats(STATE);
    await Promise.all([connection.close(), expect(last).rejects.toMatchObject({ code: 'CLOSED' })]);
    await expect(connection.getHostname()).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(registry.find()).resolves.toMatchObject({ domains: [{}, {}] });
  });
});
