import { nowNs } from '../host/clock.ts';
import type { VirtstatError } from '../model/errors.ts';
import type { Sample } from '../model/sample.ts';
import type { SampleAnswer } from './answer.ts';
import { plainSample } from './packed-sample.ts';
import { Patience } from './patience.ts';

/** A collection that has not ended, and when it began, by the clock of `performance.now`. */
export interface UnderWay {
  readonly collecting: Promise<SampleAnswer>;
  readonly startedMs: number;
}

/**
 * One filter put to one domain, again and again: the last good values, who is late with theirs, and the collection that is under way,
 * which all who ask meanwhile share.
 */
export class Question {
  /** With those who are asked for this. */
  readonly patience: Patience = new Patience();
  /** When somebody asked last, by the clock of `performance.now`, in milliseconds. */
  askedMs = 0;
  /** The last answer that had values, or rightly had none; and when it came, by the same clock. */
  #kept: { readonly answer: SampleAnswer; readonly atMs: number } | undefined;
  #underWay: UnderWay | undefined;

  /** The last good answer; undefined where there is none yet. */
  get last(): SampleAnswer | undefined {
    return this.#kept?.answer;
  }

  /** The same where all of it is at most that old. */
  lastWithin(maxAgeMs: number): SampleAnswer | undefined {
    if (this.#kept === undefined || maxAgeMs <= 0) return undefined;
    const { answer, atMs } = this.#kept;
    if (answer.items.length === 0) return performance.now() - atMs <= maxAgeMs ? answer : undefined;
    const now = nowNs();
    return answer.items.every(({ collectedAtNs }) => Number(now - collectedAtNs) <= maxAgeMs * 1e6)
      ? answer
      : undefined;
  }

  /** The collection that is under way, begun with `collect`, which never rejects, where there is none. */
  ask(collect: () => Promise<SampleAnswer>): UnderWay {
    this.#underWay ??= { collecting: this.#begin(collect), startedMs: performance.now() };
    return this.#underWay;
  }

  /** The last values of a provider, as they are without newer ones; none where the domain is gone. */
  lastOf(provider: string, error: VirtstatError): readonly Sample[] {
    if (this.last === undefined || error.code === 'DOMAIN_GONE') return [];
    const own = this.last.items.filter((sample) => sample.provider === provider);
    return markStale(own, error);
  }

  async #begin(collect: () => Promise<SampleAnswer>): Promise<SampleAnswer> {
    const answer = await collect().finally(() => {
      this.#underWay = undefined;
    });
    const [first] = answer.errors;
    if (answer.items.length > 0 || first === undefined) {
      this.#kept = { answer, atMs: performance.now() };
      return answer;
    }
    if (this.last === undefined || first.code === 'DOMAIN_GONE') return answer;
    return { ...answer, items: markStale(this.last.items, first) };
  }
}

/** The samples, marked as old: by how much, and because of which error. */
export function markStale(samples: readonly Sample[], error: VirtstatError): readonly Sample[] {
  const now = nowNs();
  return samples.map((sample) => ({
    ...plainSample(sample),
    stale: { ageNs: now - sample.collectedAtNs, code: error.code, reason: error.message },
  }));
}
