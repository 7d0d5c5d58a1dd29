import { timingSafeEqual } from 'node:crypto';
import type { Caller } from '../face/face.ts';
import type { Domain } from '../model/domain.ts';
import type { AccessRule } from './config/config.ts';

/** Which providers of a domain a caller may read: all, or those of these names; none where the domain is not theirs. */
export type Grant = 'all' | ReadonlySet<string>;

/** No provider: the domain does not exist for the caller. */
const NOTHING: Grant = new Set();

/**
 * The rules of who may read what. What no rule gives is not there: rules add up, and none takes anything away. Root and the
 * daemon's own user may read everything, since nothing on this host could be kept from them.
 */
export class Access {
  readonly #rules: readonly CompiledRule[];
  readonly #ownUid: number;
  readonly #tokens: readonly Uint8Array[];

  constructor(rules: readonly AccessRule[], ownUid: number) {
    this.#rules = rules.map(compile);
    this.#ownUid = ownUid;
    const tokens = new Set(rules.flatMap((rule) => rule.tokens));
    this.#tokens = [...tokens].map((token) => Buffer.from(token));
  }

  /** Whether a rule names the token with this SHA-256 in lower-case hex. How long that takes does not depend on which. */
  isToken(sha256: string): boolean {
    const shown = Buffer.from(`sha256:${sha256}`);
    return this.#tokens.reduce(
      (found, token) => (token.length === shown.length && timingSafeEqual(token, shown)) || found,
      false,
    );
  }

  /** What the rules give to a caller of this domain. */
  grantFor(caller: Caller, domain: Domain): Grant {
    if (this.#isAlmighty(caller)) return 'all';
    const given = this.#rules.filter((rule) => rule.names(caller) && rule.covers(domain));
    if (given.length === 0) return NOTHING;
    if (given.some(({ providers }) => providers === 'all')) return 'all';
    return new Set(given.flatMap(({ providers }) => [...providers]));
  }

  /** True where the rules give every domain, also one that cannot be found: its source's errors may be seen. */
  seesEverything(caller: Caller): boolean {
    return (
      this.#isAlmighty(caller) ||
      this.#rules.some((rule) => rule.names(caller) && rule.coversAll && rule.providers === 'all')
    );
  }

  /** Whether any rule is about the caller, whatever it gives. */
  isNamed(caller: Caller): boolean {
    return this.#isAlmighty(caller) || this.#rules.some((rule) => rule.names(caller));
  }

  #isAlmighty(caller: Caller): boolean {
    return caller.kind === 'user' && (caller.uid === 0 || caller.uid === this.#ownUid);
  }
}

interface CompiledRule {
  readonly providers: Grant;
  readonly coversAll: boolean;
  names(caller: Caller): boolean;
  covers(domain: Domain): boolean;
}

function compile(rule: AccessRule): CompiledRule {
  const { users, groups, certificates, tokens, webUsers = [], anonymous = false, domains, providers } = rule;
  const [uids, gids] = [new Set(users), new Set(groups)];
  const [shown, keys] = [new Set(certificates), new Set(tokens)];
  const patterns = domains.map(patternOf);
  return {
    providers: providers.includes('*') ? 'all' : new Set(providers),
    coversAll: domains.includes('*'),
    names: (caller) => {
      switch (caller.kind) {
        case 'user':
          return uids.has('*') || uids.has(caller.uid) || [caller.gid, ...caller.groups].some((gid) => gids.has(gid));
        case 'certificate':
          return shown.has(`sha256:${caller.sha256}`) || (isName(caller.commonName) && shown.has(caller.commonName));
        case 'token':
          return keys.has(`sha256:${caller.sha256}`);
        case 'password':
          return webUsers.includes('*') || webUsers.includes(caller.user);
        case 'anonymous':
          return anonymous;
      }
    },
    covers: (domain) => patterns.some((pattern) => pattern.covers(domain)),
  };
}

/** A common name that looks like a fingerprint must not be taken for one. */
function isName(commonName: string): boolean {
  return !commonName.startsWith('sha256:');
}

/** What a rule says of domains, ready to be compared. */
export interface DomainPattern {
  covers(domain: Pick<Domain, 'name' | 'uuid'>): boolean;
}

/**
 * A name, a uuid, or a pattern with `*` and `?`. Uuids are compared whole; only names are matched by patterns, since a VM cannot
 * choose another's uuid by luck.
 */
export function patternOf(pattern: string): DomainPattern {
  const wanted = pattern.toLowerCase();
  return { covers: ({ name, uuid }) => isMatch(name, pattern) || uuid?.toLowerCase() === wanted };
}

/**
 * True where `*` (any characters, also none) and `?` (one character) of the pattern can be filled to make the text. Takes
 * time in proportion to the product of the lengths at worst: names come from VMs, so no regular expression is made.
 */
export function isMatch(text: string, pattern: string): boolean {
  const [letters, marks] = [[...text], [...pattern]];
  let [at, mark, starMark, starAt] = [0, 0, -1, 0];
  while (at < letters.length) {
    if (marks[mark] === '*') [starMark, starAt, mark] = [mark, at, mark + 1];
    else if (mark < marks.length && (marks[mark] === '?' || marks[mark] === letters[at]))
      [at, mark] = [at + 1, mark + 1];
    else if (starMark >= 0) [starAt, at, mark] = [starAt + 1, starAt + 1, starMark + 1];
    else return false;
  }
  while (marks[mark] === '*') mark++;
  return mark === marks.length;
}

/** The caller in the words of a log: never the secret itself. */
export function callerFacts(caller: Caller): Readonly<Record<string, unknown>> {
  switch (caller.kind) {
    case 'user':
      return { uid: caller.uid, gid: caller.gid, pid: caller.pid };
    case 'certificate':
      return { certificate: caller.commonName, sha256: caller.sha256 };
    case 'token':
      return { token: `sha256:${caller.sha256}` };
    case 'password':
      return { user: caller.user };
    case 'anonymous':
      return { address: caller.address };
  }
}
