import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Caller } from '../face/face.ts';
import type { Domain } from '../model/domain.ts';
import { Access, callerFacts, isMatch } from './access.ts';
import type { AccessRule } from './config/config.ts';

const OWN_UID = 990;
const HASH = 'ab'.repeat(32);
const UUID = '1AB00000-0000-4000-8000-000000000001';

const nobodyRule: AccessRule = {
  users: [],
  groups: [],
  certificates: [],
  tokens: [],
  domains: ['*'],
  providers: ['*'],
};
const rule = (part: Partial<AccessRule>): AccessRule => ({ ...nobodyRule, ...part });
const user = (uid: number, gid = 100, groups: readonly number[] = []): Caller => ({
  kind: 'user',
  uid,
  gid,
  groups,
  pid: 1,
});
const domain = (name: string, uuid?: string): Domain => ({ id: name, name, source: 's', ...(uuid && { uuid }) });
const web = domain('web-1', UUID.toLowerCase());

/** What the rules give, as a list that can be compared. */
function grant(rules: readonly AccessRule[], caller: Caller, of: Domain = web): 'all' | readonly string[] {
  const given = new Access(rules, OWN_UID).grantFor(caller, of);
  return given === 'all' ? given : [...given];
}

describe('who is named', () => {
  it('root and the own user have everything, and nobody else has anything', () => {
    expect(grant([], user(0))).toBe('all');
    expect(grant([], user(OWN_UID))).toBe('all');
    for (const caller of [user(1), user(65534, 0, [0, OWN_UID]), user(0xffff_ffff)])
      expect(grant([], caller)).toEqual([]);
    expect(grant([], { kind: 'token', sha256: HASH })).toEqual([]);
    expect(grant([], { kind: 'certificate', sha256: HASH, commonName: 'root' })).toEqual([]);
  });

  it.each<[string, Partial<AccessRule>, Caller, boolean]>([
    ['a user', { users: [7] }, user(7), true],
    ['another user', { users: [7] }, user(8), false],
    ['a user of whose group it is the uid', { users: [7] }, user(8, 7, [7]), false],
    ['everybody', { users: ['*'] }, user(8), true],
    ['the first group', { groups: [50] }, user(8, 50), true],
    ['a supplementary group', { groups: [50] }, user(8, 1, [2, 50]), true],
    ['another group', { groups: [50] }, user(50, 1, [2]), false],
    ['everybody, but no certificate', { users: ['*'] }, { kind: 'certificate', sha256: HASH, commonName: '*' }, false],
    ['everybody, but no token', { users: ['*'] }, { kind: 'token', sha256: HASH }, false],
    ['a common name', { certificates: ['g'] }, { kind: 'certificate', sha256: HASH, commonName: 'g' }, true],
    ['another common name', { certificates: ['g'] }, { kind: 'certificate', sha256: HASH, commonName: 'G' }, false],
    [
      'a fingerprint',
      { certificates: [`sha256:${HASH}`] },
      { kind: 'certificate', sha256: HASH, commonName: 'x' },
      true,
    ],
    [
      'a fingerprint as a common name',
      { certificates: [`sha256:${HASH}`] },
      { kind: 'certificate', sha256: '00', commonName: `sha256:${HASH}` },
      false,
    ],
    ['a token', { tokens: [`sha256:${HASH}`] }, { kind: 'token', sha256: HASH }, true],
    ['another token', { tokens: [`sha256:${HASH}`] }, { kind: 'token', sha256: `${HASH.slice(1)}0` }, false],
    ['a token as a certificate', { certificates: [`sha256:${HASH}`] }, { kind: 'token', sha256: HASH }, false],
  ])('%s', (_what, part, caller, isNamed) => {
    expect(grant([rule(part)], caller)).toEqual(isNamed ? 'all' : []);
  });
});

describe('what is given', () => {
  const everyone = { users: ['*'] as const };

  it.each<[string, readonly string[], Domain, boolean]>([
    ['a name', ['web-1'], web, true],
    ['another name', ['web-2'], web, false],
    ['a beginning', ['web'], web, false],
    ['another case', ['WEB-1'], web, false],
    ['a pattern', ['db-*', 'web-?'], web, true],
    ['a uuid in any case', [UUID], web, true],
    ['a pattern of a uuid', ['1ab*'], web, false],
    ['a uuid where there is none', [UUID], domain('x'), false],
    ['all', ['*'], domain(''), true],
  ])('%s', (_what, domains, of, isGiven) => {
    expect(grant([rule({ ...everyone, domains })], user(5), of)).toEqual(isGiven ? 'all' : []);
  });

  it('adds up, for each domain and caller', () => {
    const rules = [
      rule({ users: [5], domains: ['web-*'], providers: ['kvm'] }),
      rule({ groups: [50], domains: ['*'], providers: ['block', 'kvm'] }),
      rule({ users: [6], domains: ['web-1'], providers: ['kvm', '*'] }),
    ];
    expect(grant(rules, user(5))).toEqual(['kvm']);
    expect(grant(rules, user(5, 50))).toEqual(['kvm', 'block']);
    expect(grant(rules, user(5, 50), domain('db'))).toEqual(['block', 'kvm']);
    expect(grant(rules, user(5), domain('db'))).toEqual([]);
    expect(grant(rules, user(6))).toBe('all');
  });

  it('is everything only where a rule gives everything', () => {
    const sees = (part: Partial<AccessRule>, caller = user(5)): boolean =>
      new Access([rule(part)], OWN_UID).seesEverything(caller);
    expect(sees({ users: [5] })).toBe(true);
    expect(sees({ users: [6] })).toBe(false);
    expect(sees({ users: [5], providers: ['kvm'] })).toBe(false);
    expect(sees({ users: [5], domains: ['w*'] })).toBe(false);
    expect(sees({ users: [6] }, user(0))).toBe(true);
  });

  it('never shrinks by another rule', () => {
    const anyRule = fc.record({
      users: fc.subarray([5, 6, '*'] as const),
      groups: fc.subarray([50, 51]),
      domains: fc.subarray(['web-1', '*', 'w*', UUID], { minLength: 1 }),
      providers: fc.subarray(['kvm', 'block', '*'], { minLength: 1 }),
    });
    fc.assert(
      fc.property(fc.array(anyRule, { maxLength: 5 }), anyRule, fc.constantFrom(5, 6, 7), (some, more, uid) => {
        const before = grant(some.map(rule), user(uid, 50));
        const after = grant([...some, more].map(rule), user(uid, 50));
        if (after !== 'all') expect(before).not.toBe('all');
        if (after !== 'all' && before !== 'all') expect(after).toEqual(expect.arrayContaining([...before]));
      }),
    );
  });
});

describe('isMatch', () => {
  it('agrees with a regular expression', () => {
    const letters = fc.array(fc.constantFrom('a', 'b', '.', '😀'), { maxLength: 8 }).map((each) => each.join(''));
    const marks = fc
      .array(fc.constantFrom('a', 'b', '.', '*', '?', '😀'), { maxLength: 8 })
      .map((each) => each.join(''));
    fc.assert(
      fc.property(letters, marks, (text, pattern) => {
        const source = [...pattern].map((mark) =>
          mark === '*' ? '.*' : mark === '?' ? '.' : mark.replace('.', '\\.'),
        );
        expect(isMatch(text, pattern)).toBe(new RegExp(`^${source.join('')}$`, 'su').test(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('is not slow for a bad pattern', () => {
    const startMs = performance.now();
    expect(isMatch('a'.repeat(1000), `${'a*'.repeat(500)}b`)).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(1000);
  });
});

it('callers are logged without secrets', () => {
  expect(callerFacts(user(5, 6))).toEqual({ uid: 5, gid: 6, pid: 1 });
  expect(callerFacts({ kind: 'token', sha256: HASH })).toEqual({ token: `sha256:${HASH}` });
  expect(callerFacts({ kind: 'certificate', commonName: 'g', sha256: HASH })).toEqual({
    certificate: 'g',
    sha256: HASH,
  });
});

it('knows the tokens that rules name, and no others', () => {
  const access = new Access([rule({ tokens: [`sha256:${HASH}`] }), rule({ tokens: [`sha256:${'cd'.repeat(32)}`] })], 0);
  expect([HASH, 'cd'.repeat(32)].map((sha256) => access.isToken(sha256))).toEqual([true, true]);
  expect(['ef'.repeat(32), '', HASH.toUpperCase(), `${HASH}0`].some((sha256) => access.isToken(sha256))).toBe(false);
  expect(new Access([], 0).isToken(HASH)).toBe(false);
});
