import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Access } from '../../daemon/access.ts';
import type { AccessRule } from '../../daemon/config/config.ts';
import { DomainStates } from '../../daemon/domain-states.ts';
import { RuledReader } from '../../daemon/reader.ts';
import { Refusals } from '../../daemon/refusals.ts';
import { nowNs } from '../../host/clock.ts';
import { COUNT, describeStat } from '../../model/describe.ts';
import type { Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { FoundDomain, Provider, Source } from '../../model/provider.ts';
import * as constants from '../../protocol/libvirt/constants.ts';
import { DOMAIN_STATS_RECORDS, type DomainStatsRecord, LastingRecord } from '../../protocol/libvirt/domain-stats.ts';
import { decodePayload } from '../../protocol/libvirt/message.ts';
import { XdrWriter } from '../../protocol/libvirt/xdr-writer.ts';
import { Registry } from '../../registry/registry.ts';
import type { FaceLog } from '../face.ts';
import { bulkStatistics } from './bulk.ts';
import { DomainFacts } from './facts.ts';
import { STATS_VIRTSTAT } from './groups/groups.ts';
import { Identities } from './identities.ts';
import { MAX_RECORDS_OF_VALUES, Records } from './records.ts';
import { Statistics } from './statistics.ts';

const DISK = '/machine/peripheral/disk0/virtio-backend';
const [ROOT, SOMEBODY] = [0, 5];
const { VIR_DOMAIN_STATS_STATE: STATE, VIR_DOMAIN_STATS_VCPU: VCPU, VIR_DOMAIN_STATS_BLOCK: BLOCK } = constants;
const { VIR_DOMAIN_STATS_PERF: PERF } = constants;
const OWN = STATS_VIRTSTAT;
const [BACKING, RUNNING, PAUSED] = [
  constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING,
  constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING,
  constants.VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED,
];
const call = { signal: new AbortController().signal };

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Domains `web` and `db` with a state, a disk of two layers, and a vCPU whose schema may be late. */
class TestSource implements Source {
  readonly uri = 'test:';
  domains: Domain[] = ['web', 'db'].map((name) => ({ id: name, name, source: this.uri }));
  /** What everybody's values are. */
  value = 1n;
  /** Whose values are too old for everybody as soon as they are there. */
  old: readonly string[] = [];
  hasSchemas = true;
  /** Called when a provider has been asked, before it answers. */
  onAsked: () => Promise<void> | void = () => undefined;

  async scan(): Promise<readonly FoundDomain[]> {
    const backing = { file: '/images/below.qcow2', drv: 'qcow2' };
    const image = { filename: '/images/a.qcow2', format: 'qcow2', 'backing-image': { filename: backing.file } };
    const inserted = { 'node-name': 'libvirt-2-format', file: '/images/a.qcow2', drv: 'qcow2', ro: false, image };
    const disks = [{ device: '', qdev: DISK, removable: false, inserted }];
    return this.domains.map((domain) => ({
      domain,
      monitor: { ask: async (question: string) => (question === 'query-block' ? disks : []) },
      providers: async () => [this.#provider('state', 'vm'), this.#provider('block', 'block', DISK), this.#kvm()],
      describe: async () => domain,
      availability: async () => [],
    }));
  }

  async close(): Promise<void> {}

  #kvm(): Provider {
    const schemas = async () => {
      if (!this.hasSchemas) throw new VirtstatError('TIMEOUT', 'it is late');
      return [{ provider: 'kvm', target: 'vcpu', stats: [describeStat('exits', 'cumulative', COUNT)] }];
    };
    return { ...this.#provider('kvm', 'vcpu', '/cpu0'), schemas };
  }

  #provider(name: string, target: string, path?: string): Provider {
    const names = { state: ['state', 'reason'], block: ['rd_operations', 'capacity'], kvm: ['exits'] }[name] ?? [];
    return {
      ...{ name, targets: [target], schemas: async () => [] },
      stats: async () => {
        await this.onAsked();
        const stats = names.map((stat) => ({ name: stat, value: this.value }));
        const collectedAtNs = this.old.includes(name) ? 1n : nowNs();
        return [{ ...(path && { path }), via: 'test', collectedAtNs, stats }];
      },
    };
  }
}

let source: TestSource;
let registry: Registry;
let access: Access;
let identities: Identities;
let statistics: Statistics;
let records: Records;

const log: FaceLog = { info: () => undefined, warn: () => undefined };
const allow = (...providers: readonly string[]): Access => {
  const rule: AccessRule = {
    ...{ groups: [], certificates: [], tokens: [], domains: ['*'] },
    ...{ users: [SOMEBODY], providers: [...providers] },
  };
  return new Access([rule], 990);
};

function reader(uid: number): RuledReader {
  const context = { registry, states: new DomainStates(log), refusals: new Refusals(log), access: () => access };
  return new RuledReader(context, 'test', { kind: 'user', uid, gid: 100, groups: [], pid: 77 });
}

function ask(uid: number, stats = 0, flags = 0, kept: Records = records): Promise<readonly DomainStatsRecord[]> {
  const context = { reader: reader(uid), identities, statistics, records: kept };
  return bulkStatistics(context, { domains: [], stats, flags }, call);
}

function bytesOf(given: readonly DomainStatsRecord[]): Buffer {
  const writer = new XdrWriter();
  DOMAIN_STATS_RECORDS.encode(writer, given);
  return Buffer.from(writer.take());
}

function fieldsOf(given: readonly DomainStatsRecord[]): readonly string[] {
  return decodePayload(bytesOf(given), DOMAIN_STATS_RECORDS).flatMap(({ params }) =>
    params.map(({ field, value }) => `${field}=${value}`),
  );
}

/** What a caller has whose records nobody keeps. */
function anew(uid: number, stats?: number, flags?: number): Promise<readonly DomainStatsRecord[]> {
  return ask(uid, stats, flags, new Records({ maxOfValues: 0 }));
}

beforeEach(async () => {
  source = new TestSource();
  registry = new Registry([source]);
  access = new Access([], 990);
  identities = new Identities();
  statistics = new Statistics(registry, { maxAgeMs: 600_000 });
  records = new Records();
});

afterEach(() => registry.close());

describe('a record', () => {
  it('stays the same while its values do, with the bytes that it would have if it were made anew', async () => {
    for (const [stats, flags] of [[0], [0, BACKING], [STATE], [STATE, RUNNING], [PERF, RUNNING], [OWN]] as const) {
      const first = await ask(ROOT, stats, flags);
      const bytes = bytesOf(first);
      expect(bytes).toEqual(bytesOf(await anew(ROOT, stats, flags)));
      const second = await ask(ROOT, stats, flags);
      expect(bytesOf(second)).toEqual(bytes);
      expect(second.map((record, index) => record === first[index])).toEqual(first.map(() => true));
      expect(second.map(({ params }) => params)).toEqual((await anew(ROOT, stats, flags)).map(({ params }) => params));
    }
    expect((await ask(ROOT)).every((record) => record instanceof LastingRecord)).toBe(true);
    expect(fieldsOf(await ask(ROOT, BLOCK, BACKING))).toContain('block.count=2');
    expect(fieldsOf(await ask(ROOT, BLOCK))).toContain('block.count=1');
    expect([await ask(ROOT, STATE, PAUSED), fieldsOf(await ask(ROOT, PERF, RUNNING))]).toEqual([[], []]);
  });

  it('has new values as soon as they are read', async () => {
    source.old = ['block', 'kvm'];
    for (const value of [1n, 2n, 2n ** 64n - 1n]) {
      source.value = value;
      const fields = ['state.state=1', `vcpu.0.exits.sum=${value}`, `block.0.rd.reqs=${value}`];
      expect(fieldsOf(await ask(ROOT))).toEqual(expect.arrayContaining(fields));
    }
  });

  it('is another one where the domain is called otherwise, and none where it has gone', async () => {
    const [first] = await ask(ROOT);
    source.domains = source.domains.map((domain) => ({ ...domain, name: `${domain.name}-2` }));
    await registry.reconfigure([source]);
    const [renamed, other] = await ask(ROOT);
    expect([renamed?.domain.name, renamed?.domain.id]).toEqual(['web-2', first?.domain.id]);
    source.domains = source.domains.slice(1);
    await registry.reconfigure([source]);
    expect((await ask(ROOT)).map(({ domain }) => domain.name)).toEqual(['db-2']);
    expect((await ask(ROOT))[0]).toBe(other);
  });

  it('has what a schema describes as soon as it is known, though the values are the same', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const areThere = async () =>
        (await ask(ROOT, VCPU)).map((each) => fieldsOf([each]).includes('vcpu.0.exits.sum=1'));
      source.hasSchemas = false;
      expect(await areThere()).toEqual([false, false]);
      source.hasSchemas = true;
      vi.advanceTimersByTime(10_001);
      expect(await areThere()).toEqual([true, true]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is kept no longer than its values', async () => {
    const gone = await (async () => (await ask(ROOT)).map((record) => new WeakRef(record)))();
    await new Promise(setImmediate);
    collectGarbage();
    expect(gone.map((ref) => ref.deref() !== undefined)).toEqual([true, true]);
    source.domains = source.domains.slice(1);
    await registry.reconfigure([source]);
    await registry.present();
    await vi.waitFor(() => {
      collectGarbage();
      expect(gone.map((ref) => ref.deref() !== undefined)).toEqual([false, true]);
    });
  });
});

describe('who may read less', () => {
  it.each([
    { may: ['state'], has: ['state.state=1'], hasNot: ['block.0', 'vcpu.0.exits', '/images'] },
    { may: ['state', 'block'], has: ['state.state=1', 'block.0.name=vda'], hasNot: ['vcpu.0.exits', '/images'] },
    { may: ['state', 'block', 'kvm'], has: ['block.0.name=vda', 'vcpu.0.exits.sum=1'], hasNot: ['/images'] },
  ])('has none of what others have, whoever asked first: $may', async ({ may, has, hasNot }) => {
    access = allow(...may);
    for (const order of [
      [ROOT, SOMEBODY, ROOT, SOMEBODY],
      [SOMEBODY, ROOT, SOMEBODY, ROOT],
    ]) {
      records = new Records();
      for (const uid of order) {
        for (const [stats, flags] of [[0], [BLOCK, BACKING], [OWN]] as const) {
          expect(bytesOf(await ask(uid, stats, flags))).toEqual(bytesOf(await anew(uid, stats, flags)));
        }
      }
    }
    const fields = fieldsOf(await ask(SOMEBODY));
    expect(fields).toEqual(expect.arrayContaining(has));
    for (const part of hasNot) expect(fields.join()).not.toContain(part);
    expect(fieldsOf(await ask(ROOT)).join()).toContain('block.0.path=/images/a.qcow2');
  });

  it('has it neither when the rules change between two calls', async () => {
    access = allow('*');
    expect(fieldsOf(await ask(SOMEBODY)).join()).toContain('/images');
    access = allow('state');
    expect(fieldsOf(await ask(SOMEBODY)).join()).not.toContain('block.0');
    access = allow();
    expect(await ask(SOMEBODY)).toEqual([]);
  });

  it('does not see where images lie when the rules change during a call', async () => {
    access = allow('*');
    const fewer = allow('state', 'block');
    source.onAsked = async () => {
      await sleep(50);
      access = fewer;
    };
    const fields = fieldsOf(await ask(SOMEBODY, BLOCK));
    expect(fields).toContain('block.0.name=vda');
    expect(fields.join()).not.toContain('/images');
  });

  it('has records that are kept, too, beside those of others', async () => {
    access = allow('state', 'block');
    const [all, less] = [await ask(ROOT), await ask(SOMEBODY)];
    expect([await ask(ROOT), await ask(SOMEBODY)].flat().map((record) => [...all, ...less].indexOf(record))).toEqual([
      0, 1, 2, 3,
    ]);
  });
});

describe('Records', () => {
  const domain: Domain = { id: 'a', name: 'a', source: 'test:' };
  const facts = (parts: readonly unknown[], of: Domain = domain): DomainFacts =>
    new DomainFacts(of, [], new Map(), () => undefined, new Set(), parts);
  const make = (): DomainStatsRecord => ({ domain: { name: 'a', uuid: '0'.repeat(32), id: 1 }, params: [] });

  it('keep four of the same values, and forget the one that was not asked for longest', () => {
    const values: readonly unknown[] = [];
    const of = (choice: number) => records.of(facts([values]), [choice], make);
    const first = Array.from({ length: MAX_RECORDS_OF_VALUES }, (_, choice) => of(choice));
    expect(new Set(first).size).toBe(4);
    expect(first.map((record, choice) => of(choice) === record)).toEqual([true, true, true, true]);
    of(0);
    of(4);
    expect([0, 2, 3, 4].map((choice) => first.includes(of(choice)))).toEqual([true, true, true, false]);
    expect(first).not.toContain(of(1));
  });

  it('tell apart whatever is not the very same object', () => {
    const values: readonly unknown[] = [];
    const parts: readonly unknown[] = [values, [], undefined, '', new Map()];
    const isKept = (asked: DomainFacts, choice = 'all'): boolean => {
      const own = new Records();
      return own.of(facts(parts), ['all'], make) === own.of(asked, [choice], make);
    };
    expect(isKept(facts([...parts]))).toBe(true);
    const others: readonly unknown[] = [[], [], [], 'kvm vcpu', new Map()];
    expect(others.map((other, index) => isKept(facts(parts.with(index, other))))).toEqual(others.map(() => false));
    expect(isKept(facts(parts, { ...domain }))).toBe(false);
    expect(isKept(facts([...parts, undefined]))).toBe(false);
    expect(isKept(facts(parts), 'other')).toBe(false);
  });

  it('keep none where they are told so, and none of facts whose origin is not known', () => {
    const none = new Records({ maxOfValues: 0 });
    const values: readonly unknown[] = [];
    expect(none.of(facts([values]), [], make)).not.toBe(none.of(facts([values]), [], make));
    for (const parts of [[], [undefined], ['']]) {
      expect(records.of(facts(parts), [], make)).not.toBe(records.of(facts(parts), [], make));
    }
  });
});
