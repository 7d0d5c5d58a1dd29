import { nowNs } from '../host/clock.ts';
import { whileWanted } from '../host/deadline.ts';
import type { VirtstatError } from '../model/errors.ts';
import type { StatsFilter } from '../model/filter.ts';
import type { FoundDomain } from '../model/provider.ts';
import type { Sample } from '../model/sample.ts';
import type { SampleAnswer } from './answer.ts';
import { LastAnswers, markStale } from './last-answers.ts';

/**
 * How long a domain that was late the last time is waited for, in milliseconds, where it has last values. Nobody waits whose
 * turn comes while it is still being asked, or was a moment ago: one that hangs must not make the others' values older.
 */
export const LATE_PATIENCE_MS = 50;

/** How long it is remembered that a domain was late, in milliseconds, by those who do not wait at all. */
const LATE_KNOWN_MS = 10_000;

/** What is found out by waiting. */
const FOUND_LATE: ReadonlySet<string> = new Set(['TIMEOUT', 'MONITOR_BUSY']);

/** The values to give for a provider that failed; none where there are none. */
export type Substitute = (provider: string, error: VirtstatError) => readonly Sample[];

/** Asks a domain. Never rejects: what goes wrong is in the answer, with `instead` beside it. */
export type Collect = (found: FoundDomain, filter: StatsFilter, instead: Substitute) => Promise<SampleAnswer>;

/** What a reader of collections wants. */
export interface CollectionOptions {
  /** Values up to this old will do, in milliseconds; 0 if absent. */
  readonly maxAgeMs?: number;
  /** Ends this wait, not the collection. */
  readonly signal?: AbortSignal;
}

/**
 * The values of domains as readers get them: those who ask the same at the same moment share one collection; values that
 * are young enough are given again; and a provider that fails after it once answered yields its last values, marked stale.
 */
export class Collections {
  readonly #collect: Collect;
  readonly #lastAnswers = new LastAnswers();
  readonly #underWay = new Map<string, Promise<SampleAnswer>>();
  /** Which were not there in time. */
  readonly #late = new Map<string, Late>();

  constructor(collect: Collect) {
    this.#collect = collect;
  }

  /** One domain's answer to a filter. @throws the signal's reason, CANCELLED */
  async query(
    found: FoundDomain,
    filter: StatsFilter,
    { maxAgeMs = 0, signal }: CollectionOptions,
  ): Promise<SampleAnswer> {
    const request = JSON.stringify(filter);
    const { domain } = found;
    const last = this.#lastAnswers.get(domain.id, request);
    if (last !== undefined && isYoungerThan(last, maxAgeMs)) return last;
    const answer = this.#answer(found, filter, request);
    return signal === undefined ? answer : whileWanted(answer, signal, domain.name);
  }

  /** Forgets every domain that is not among `domainIds`. */
  retain(domainIds: ReadonlySet<string>): void {
    this.#lastAnswers.retain(domainIds);
    for (const [key, { domainId }] of this.#late) if (!domainIds.has(domainId)) this.#late.delete(key);
  }

  #answer(found: FoundDomain, filter: StatsFilter, request: string): Promise<SampleAnswer> {
    const { domain } = found;
    const key = `${domain.id} ${request}`;
    const isAsked = this.#underWay.has(key);
    const collecting = this.#share(key, found, filter, request);
    const late = this.#late.get(key);
    const last = this.#lastAnswers.get(domain.id, request);
    if (late === undefined || last === undefined) return collecting;
    const instead = (): SampleAnswer => {
      return { domain, items: markStale(last.items, late.error, nowNs()), errors: [late.error] };
    };
    if (isAsked || performance.now() - late.atMs < LATE_KNOWN_MS) return Promise.resolve(instead());
    return orAfter(LATE_PATIENCE_MS, collecting, instead);
  }

  #share(key: string, found: FoundDomain, filter: StatsFilter, request: string): Promise<SampleAnswer> {
    let collecting = this.#underWay.get(key);
    if (collecting === undefined) {
      collecting = this.#begin(key, found, filter, request).finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, collecting);
    }
    return collecting;
  }

  async #begin(key: string, found: FoundDomain, filter: StatsFilter, request: string): Promise<SampleAnswer> {
    const answer = await this.#collect(found, filter, (provider, error) => {
      const items = this.#lastAnswers.get(found.domain.id, request)?.items ?? [];
      const own = items.filter((sample) => sample.provider === provider);
      return error.code === 'DOMAIN_GONE' ? [] : markStale(own, error, nowNs());
    });
    const error = answer.errors.find(({ code }) => FOUND_LATE.has(code));
    if (error === undefined) this.#late.delete(key);
    else this.#late.set(key, { domainId: found.domain.id, error, atMs: performance.now() });
    if (answer.items.length > 0) {
      this.#lastAnswers.keep(request, answer);
      return answer;
    }
    const [first] = answer.errors;
    const last = this.#lastAnswers.get(found.domain.id, request);
    if (first === undefined || last === undefined || first.code === 'DOMAIN_GONE') return answer;
    return { ...answer, items: markStale(last.items, first, nowNs()) };
  }
}

/** A collection that was not there in time. */
interface Late {
  /** Of whom. */
  readonly domainId: string;
  /** Why. */
  readonly error: VirtstatError;
  /** When that was known. */
  readonly atMs: number;
}

function isYoungerThan({ items }: SampleAnswer, maxAgeMs: number): boolean {
  return maxAgeMs > 0 && items.every(({ collectedAtNs }) => Number(nowNs() - collectedAtNs) <= maxAgeMs * 1e6);
}

/** What is wanted or, where it takes longer than that, something else. */
async function orAfter<T>(ms: number, wanted: Promise<T>, otherwise: () => T): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const first = await Promise.race([wanted, promise]);
  clearTimeout(timer);
  return first ?? otherwise();
}
