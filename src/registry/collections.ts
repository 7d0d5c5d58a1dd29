import { nowNs } from '../host/clock.ts';
import { whileWanted } from '../host/deadline.ts';
import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { StatsFilter } from '../model/filter.ts';
import type { FoundDomain } from '../model/provider.ts';
import type { Sample } from '../model/sample.ts';
import type { SampleAnswer } from './answer.ts';
import type { Collecting } from './collect.ts';
import { LastAnswers, markStale } from './last-answers.ts';
import { orAfter } from './or-after.ts';
import { Patience } from './patience.ts';

/** Asks a domain. Never rejects: what goes wrong is in the answer. */
export type Collect = (
  found: FoundDomain,
  filter: StatsFilter,
  collecting: Omit<Collecting, 'limit' | 'lastProviders'>,
) => Promise<SampleAnswer>;

/** What a reader of collections wants. */
export interface CollectionOptions {
  /** Values up to this old will do, in milliseconds; 0 if absent. */
  readonly maxAgeMs?: number;
  /**
   * How long to wait where there are last values, in milliseconds from when the domain was asked, be it for somebody else;
   * absent: as long as it takes.
   */
  readonly patienceMs?: number;
  /** Ends this wait, not the collection. */
  readonly signal?: AbortSignal;
}

/** A collection that has not ended, and when it began, by the clock of `performance.now`. */
interface UnderWay {
  readonly collecting: Promise<SampleAnswer>;
  readonly startedMs: number;
}

/**
 * The values of domains as readers get them: those who ask the same at the same moment share one collection; values that
 * are young enough are given again; and a provider that fails after it once answered yields its last values, marked stale.
 */
export class Collections {
  readonly #collect: Collect;
  readonly #lastAnswers = new LastAnswers();
  readonly #underWay = new Map<string, UnderWay>();
  readonly #patience = new Patience();

  constructor(collect: Collect) {
    this.#collect = collect;
  }

  /** One domain's answer to a filter. @throws the signal's reason, CANCELLED */
  async query(
    found: FoundDomain,
    filter: StatsFilter,
    { maxAgeMs = 0, patienceMs, signal }: CollectionOptions,
  ): Promise<SampleAnswer> {
    const request = JSON.stringify(filter);
    const { domain } = found;
    const young = this.#lastAnswers.getYoung(domain.id, request, maxAgeMs);
    if (young !== undefined) return young;
    const last = this.#lastAnswers.get(domain.id, request);
    const { collecting, startedMs } = this.#share(found, filter, request);
    const isPatient = last === undefined || patienceMs === undefined;
    const answer = isPatient
      ? collecting
      : orLast(startedMs + patienceMs - performance.now(), collecting, last, patienceMs);
    return signal === undefined ? answer : whileWanted(answer, signal, domain.name);
  }

  /** The limit is another one from here on: whoever was late may be in time. */
  forgive(): void {
    this.#patience.forget();
  }

  /** Forgets every domain that is not among `domainIds`. */
  retain(domainIds: ReadonlySet<string>): void {
    this.#lastAnswers.retain(domainIds);
    this.#patience.retain((key) => domainIds.has(JSON.parse(key.slice(0, key.indexOf('\n')))));
  }

  #share(found: FoundDomain, filter: StatsFilter, request: string): UnderWay {
    const key = keyOf(found.domain, request);
    let underWay = this.#underWay.get(key);
    if (underWay === undefined) {
      const collecting = this.#begin(key, found, filter, request).finally(() => this.#underWay.delete(key));
      underWay = { collecting, startedMs: performance.now() };
      this.#underWay.set(key, underWay);
    }
    return underWay;
  }

  async #begin(key: string, found: FoundDomain, filter: StatsFilter, request: string): Promise<SampleAnswer> {
    const instead = (provider: string, error: VirtstatError): readonly Sample[] => {
      const items = this.#lastAnswers.get(found.domain.id, request)?.items ?? [];
      const own = items.filter((sample) => sample.provider === provider);
      return error.code === 'DOMAIN_GONE' ? [] : markStale(own, error, nowNs());
    };
    const answer = await this.#collect(found, filter, { instead, patience: this.#patience, key });
    if (answer.items.length > 0 || answer.errors.length === 0) {
      this.#lastAnswers.keep(request, answer);
      return answer;
    }
    const [first] = answer.errors;
    const last = this.#lastAnswers.get(found.domain.id, request);
    if (first === undefined || last === undefined || first.code === 'DOMAIN_GONE') return answer;
    return { ...answer, items: markStale(last.items, first, nowNs()) };
  }
}

/** The id as JSON has no line break in it. */
function keyOf({ id }: Domain, request: string): string {
  return `${JSON.stringify(id)}\n${request}`;
}

/** The answer or, where it takes longer than `ms`, the last one as it is by then, for want of one within `patienceMs`. */
function orLast(
  ms: number,
  answer: Promise<SampleAnswer>,
  last: SampleAnswer,
  patienceMs: number,
): Promise<SampleAnswer> {
  return orAfter(Math.max(0, ms), answer, () => {
    const error = new VirtstatError('TIMEOUT', `${last.domain.name} gave no answer within ${patienceMs} ms`);
    return { ...last, items: markStale(last.items, error, nowNs()), errors: [error] };
  });
}
