import { describe, expect, it } from 'vitest';
import type { Caller, FaceLog } from '../face/face.ts';
import type { Availability, Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { FoundDomain, Provider, Source } from '../model/provider.ts';
import { Registry } from '../registry/registry.ts';
import { Access } from './access.ts';
import type { AccessRule } from './config/config.ts';
import { DomainStates } from './domain-states.ts';
import { RuledReader } from './reader.ts';
import { Refusals } from './refusals.ts';

const UUID = '1ab00000-0000-4000-8000-00000000000';
const UUID_OF_ALL = `${UUID}9`;
const user = (uid: number): Caller => ({ kind: 'user', uid, gid: 100, groups: [], pid: 77 });
const rule = (part: Partial<AccessRule>): AccessRule => ({
  ...{ users: [], groups: [], certificates: [], tokens: [], domains: ['*'], providers: ['*'] },
  ...part,
});

/** Three domains, two of one name, with two providers each, and a source that cannot be searched; notes who is asked. */
class House {
  readonly asked: string[] = [];
  readonly logged: Readonly<Record<string, unknown>>[] = [];
  readonly states: DomainStates;
  readonly registry: Registry;
  readonly #refusals: Refusals;
  access = new Access([], 990);
  /** Called when a provider is asked. */
  onAsked: () => void = () => undefined;

  constructor(uuids: readonly (string | undefined)[] = [0, 1, 2].map((index) => `${UUID}${index}`)) {
    const log: FaceLog = { info: () => undefined, warn: (facts) => void this.logged.push(facts) };
    this.states = new DomainStates(log);
    this.#refusals = new Refusals(log);
    const domains = ['web', 'db', 'web'].map((name, index) => this.#domain(name, index, uuids[index]));
    const source: Source = { uri: 'good:', scan: async () => domains, close: async () => undefined };
    const broken: Source = {
      ...{ uri: 'broken:', close: async () => undefined },
      scan: async () => {
        throw new VirtstatError('ACCESS_DENIED', 'broken: cannot be searched');
      },
    };
    this.registry = new Registry([source, broken]);
    for (const { domain } of domains) this.states.add(domain);
  }

  reader(uid: number): RuledReader {
    const { registry, states } = this;
    return new RuledReader(
      { registry, states, refusals: this.#refusals, access: () => this.access },
      'test',
      user(uid),
    );
  }

  #domain(name: string, index: number, uuid: string | undefined): FoundDomain {
    const domain: Domain = { id: `id-${index}`, name, ...(uuid && { uuid }), source: 'good:' };
    const providers = ['kvm', 'block'].map((provider): Provider => {
      const note = (): void => {
        this.asked.push(`${domain.id} ${provider}`);
        this.onAsked();
      };
      return {
        ...{ name: provider, targets: ['vm'] },
        schemas: async () => [{ provider, target: 'vm', stats: [] }],
        stats: async () => {
          note();
          return [{ via: 'test', collectedAtNs: 1n, stats: [{ name: 'n', value: 1n }] }];
        },
      };
    });
    const availability = providers.map(
      (each): Availability => ({ provider: each.name, target: 'vm', via: 'test', available: true }),
    );
    return {
      domain,
      providers: async () => providers,
      describe: async () => domain,
      availability: async () => availability,
    };
  }
}

/** Which domains and providers are in answers. */
function seen(answers: readonly { readonly domain: Domain; readonly items: readonly { provider: string }[] }[]) {
  return answers.map(({ domain, items }) => [domain.id, ...items.map(({ provider }) => provider)].join(' '));
}

describe('RuledReader', () => {
  it('gives root everything, and the errors of sources', async () => {
    const reader = new House().reader(0);
    expect((await reader.domains()).map(({ id }) => id)).toEqual(['id-0', 'id-1', 'id-2']);
    const everything = ['id-0 kvm block', 'id-1 kvm block', 'id-2 kvm block', 'broken:'];
    expect(seen(await reader.query({ target: 'vm' }))).toEqual(everything);
    expect(seen(await reader.schemas())).toEqual(everything);
    expect(seen(await reader.list())).toEqual(everything);
  });

  it('gives nothing without a rule, and asks nobody', async () => {
    const house = new House();
    const reader = house.reader(5);
    for (const call of [reader.domains(), reader.list(), reader.schemas(), reader.query({ target: 'vm' })]) {
      expect(await call).toEqual([]);
    }
    expect(await reader.query({ target: 'vm' }, { domains: ['web', 'broken:'] })).toEqual([]);
    expect(house.asked).toEqual([]);
  });

  it('gives what the rules give, domain by domain, in the order of the registry', async () => {
    const house = new House();
    house.access = new Access(
      [rule({ users: [5], domains: [`${UUID}2`] }), rule({ users: [5], domains: ['db'], providers: ['kvm', 'x'] })],
      990,
    );
    const reader = house.reader(5);
    const given = ['id-1 kvm', 'id-2 kvm block'];
    expect(seen(await reader.query({ target: 'vm' }))).toEqual(given);
    expect(house.asked.sort()).toEqual(['id-1 kvm', 'id-2 block', 'id-2 kvm']);
    expect(seen(await reader.schemas())).toEqual(given);
    expect(seen(await reader.list())).toEqual(given);
    const isWhole = (await reader.domains()).map((domain) => [domain.id, reader.readsAllOf(domain)]);
    expect(isWhole).toEqual([
      ['id-1', false],
      ['id-2', true],
    ]);
    // The other domain of this name is not theirs.
    expect(seen(await reader.query({ target: 'vm' }, { domains: ['web'] }))).toEqual(['id-2 kvm block']);
  });

  it('gives nothing by rules that were changed while it was asked for', async () => {
    const house = new House();
    house.access = new Access([rule({ users: [5], domains: ['db', 'web'] })], 990);
    const reader = house.reader(5);
    const fewer = new Access([rule({ users: [5], domains: ['db'], providers: ['kvm'] })], 990);
    house.onAsked = () => (house.access = fewer);
    expect(seen(await reader.query({ target: 'vm' }))).toEqual(['id-1 kvm']);
    house.access = new Access([rule({ users: [5] })], 990);
    house.onAsked = () => (house.access = new Access([], 990));
    expect(await reader.query({ target: 'vm' })).toEqual([]);
  });

  it('does not ask a domain that is not the caller’s, though it has the same name or uuid', async () => {
    const house = new House([UUID_OF_ALL, UUID_OF_ALL, undefined]);
    house.access = new Access([rule({ users: [1000], domains: ['db'] })], 990);
    expect(seen(await house.reader(1000).query({ target: 'vm' }))).toEqual(['id-1 kvm block']);
    expect(house.asked.filter((one) => !one.startsWith('id-1'))).toEqual([]);
  });

  it('takes refused providers out of a filter', async () => {
    const house = new House();
    house.access = new Access([rule({ users: [5], domains: ['db'], providers: ['kvm'] })], 990);
    const providers = [{ provider: 'block' }, { provider: 'kvm', names: ['n'] }];
    expect(seen(await house.reader(5).query({ target: 'vm', providers }))).toEqual(['id-1 kvm']);
    expect(seen(await house.reader(5).query({ target: 'vm', providers: [{ provider: 'block' }] }))).toEqual(['id-1']);
    expect(house.asked).toEqual(['id-1 kvm']);
  });

  it('logs a refusal once, with who and what', async () => {
    const house = new House();
    for (let round = 0; round < 3; round++) await house.reader(5).domains({ domains: ['db'] });
    await house.reader(5).domains();
    await house.reader(6).query({ target: 'vm' }, { domains: ['db', 'not-there'] });
    expect(house.logged).toEqual([
      { face: 'test', uid: 5, gid: 100, pid: 77, domain: 'db' },
      { face: 'test', uid: 6, gid: 100, pid: 77, domain: 'db' },
    ]);
  });

  it('follows the rules while it lives', async () => {
    const house = new House();
    const reader = house.reader(5);
    expect(await reader.domains()).toEqual([]);
    house.access = new Access([rule({ users: [5] })], 990);
    expect(await reader.domains()).toHaveLength(3);
    house.access = new Access([], 990);
    expect(await reader.query({ target: 'vm' })).toEqual([]);
  });

  it('lets the states of domains know', async () => {
    const house = new House();
    await house.reader(0).query({ target: 'vm' });
    const [state] = house.states.all;
    expect(state).toMatchObject({ isFailing: false, lastFailure: undefined });
    expect([...(state?.ways ?? [])]).toEqual([
      ['kvm vm', 'test'],
      ['block vm', 'test'],
    ]);
    expect(state?.lastSuccessNs).toBeGreaterThan(0n);
  });
});
