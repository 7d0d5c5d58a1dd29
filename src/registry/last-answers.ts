import { nowNs } from '../host/clock.ts';
import type { VirtstatError } from '../model/errors.ts';
import type { Sample } from '../model/sample.ts';
import type { SampleAnswer } from './answer.ts';
import { plainSample } from './packed-sample.ts';

/** Requests remembered for one domain; the one that was not asked for longest is forgotten first. */
const MAX_REQUESTS_PER_DOMAIN = 32;

/** An answer, and when it came. */
interface Kept {
  readonly answer: SampleAnswer;
  /** By the clock of `performance.now`, in milliseconds. */
  readonly atMs: number;
}

/** The last good values of each domain and request, to serve with their age when newer ones cannot be had. */
export class LastAnswers {
  readonly #byDomain = new Map<string, Map<string, Kept>>();

  /** Remembers an answer that has values, or rightly has none. */
  keep(request: string, answer: SampleAnswer): void {
    let requests = this.#byDomain.get(answer.domain.id);
    if (requests === undefined) this.#byDomain.set(answer.domain.id, (requests = new Map()));
    requests.delete(request);
    requests.set(request, { answer, atMs: performance.now() });
    const oldest = requests.keys().next().value;
    if (requests.size > MAX_REQUESTS_PER_DOMAIN && oldest !== undefined) requests.delete(oldest);
  }

  /** The values last kept, undefined where there are none. */
  get(domainId: string, request: string): SampleAnswer | undefined {
    return this.#byDomain.get(domainId)?.get(request)?.answer;
  }

  /** The same where all of it is at most that old. */
  getYoung(domainId: string, request: string, maxAgeMs: number): SampleAnswer | undefined {
    const kept = this.#byDomain.get(domainId)?.get(request);
    if (kept === undefined || maxAgeMs <= 0) return undefined;
    const { answer, atMs } = kept;
    const isYoung =
      answer.items.length === 0
        ? performance.now() - atMs <= maxAgeMs
        : answer.items.every(({ collectedAtNs }) => Number(nowNs() - collectedAtNs) <= maxAgeMs * 1e6);
    return isYoung ? answer : undefined;
  }

  /** Forgets every domain that is not among `domainIds`. */
  retain(domainIds: ReadonlySet<string>): void {
    for (const id of this.#byDomain.keys()) if (!domainIds.has(id)) this.#byDomain.delete(id);
  }
}

/** The samples, marked as old: by how much, and because of which error. */
export function markStale(samples: readonly Sample[], error: VirtstatError, nowNs: bigint): readonly Sample[] {
  return samples.map((sample) => ({
    ...plainSample(sample),
    stale: { ageNs: nowNs - sample.collectedAtNs, code: error.code, reason: error.message },
  }));
}
