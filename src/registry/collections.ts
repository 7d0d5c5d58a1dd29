import { whileWanted } from '../host/deadline.ts';
import { VirtstatError } from '../model/errors.ts';
import type { StatsFilter } from '../model/filter.ts';
import type { FoundDomain } from '../model/provider.ts';
import type { SampleAnswer } from './answer.ts';
import { orAfter } from './or-after.ts';
import { markStale, Question, type UnderWay } from './question.ts';

/** Questions remembered for one domain. One that never had a good answer is forgotten first, else the one not asked for longest. */
export const MAX_QUESTIONS_PER_DOMAIN = 32;

/** Asks a domain. Never rejects: what goes wrong is in the answer. */
export type Collect = (found: FoundDomain, filter: StatsFilter, question: Question) => Promise<SampleAnswer>;

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

/**
 * The values of domains as readers get them: those who ask the same at the same moment share one collection; values that
 * are young enough are given again; and a provider that fails after it once answered yields its last values, marked stale.
 */
export class Collections {
  readonly #collect: Collect;
  /** By the domain's `id`, then by the filter as text. */
  readonly #questions = new Map<string, Map<string, Question>>();

  constructor(collect: Collect) {
    this.#collect = collect;
  }

  /** What gives one domain's answer to this filter after the other. It rejects with the signal's reason, or CANCELLED. */
  asking(
    filter: StatsFilter,
    { maxAgeMs = 0, patienceMs, signal }: CollectionOptions,
  ): (found: FoundDomain) => Promise<SampleAnswer> | SampleAnswer {
    const text = JSON.stringify(filter);
    return (found) => {
      const { domain } = found;
      const question = this.#question(domain.id, text);
      const young = question.lastWithin(maxAgeMs);
      if (young !== undefined) return young;
      const { last } = question;
      const underWay = question.ask(() => this.#collect(found, filter, question));
      const isPatient = last === undefined || patienceMs === undefined;
      const answer = isPatient ? underWay.collecting : orLast(underWay, last, patienceMs);
      return signal === undefined ? answer : whileWanted(answer, signal, domain.name);
    };
  }

  /** The limit is another one from here on: whoever was late may be in time. */
  forgive(): void {
    for (const questions of this.#questions.values()) for (const { patience } of questions.values()) patience.forget();
  }

  /** Forgets every domain that is not among `domainIds`. */
  retain(domainIds: ReadonlySet<string>): void {
    for (const id of this.#questions.keys()) if (!domainIds.has(id)) this.#questions.delete(id);
  }

  #question(domainId: string, text: string): Question {
    let questions = this.#questions.get(domainId);
    if (questions === undefined) this.#questions.set(domainId, (questions = new Map()));
    let question = questions.get(text);
    if (question === undefined) {
      if (questions.size >= MAX_QUESTIONS_PER_DOMAIN) forgetOne(questions);
      questions.set(text, (question = new Question()));
    }
    question.askedMs = performance.now();
    return question;
  }
}

/**
 * The one that was not asked for longest, first of those that have no last values: whoever asks a domain that hangs for this and that
 * must not take from others what they would get instead of an answer.
 */
function forgetOne(questions: Map<string, Question>): void {
  const all = [...questions];
  const unanswered = all.filter(([, { last }]) => last === undefined);
  const [forgotten] = (unanswered.length > 0 ? unanswered : all).reduce((least, each) =>
    each[1].askedMs < least[1].askedMs ? each : least,
  );
  questions.delete(forgotten);
}

/** The answer or, where it takes longer than that since it was asked for, the last one as it is by then. */
function orLast({ collecting, startedMs }: UnderWay, last: SampleAnswer, patienceMs: number): Promise<SampleAnswer> {
  return orAfter(Math.max(0, startedMs + patienceMs - performance.now()), collecting, () => {
    const error = new VirtstatError('TIMEOUT', `${last.domain.name} gave no answer within ${patienceMs} ms`);
    return { ...last, items: markStale(last.items, error), errors: [error] };
  });
}
