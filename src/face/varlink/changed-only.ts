import type { Sample, StatEntry, StatValue } from '../../model/sample.ts';
import type { SampleAnswer } from '../../registry/answer.ts';

/** Leaves out of each sweep the stats that are what they were in the one before. Every sample stays, if with no stats. */
export class ChangedOnly {
  #last: ReadonlyMap<string, ReadonlyMap<string, StatValue>> = new Map();

  /** The next sweep, reduced. */
  reduce(answers: readonly SampleAnswer[]): readonly SampleAnswer[] {
    const now = new Map<string, ReadonlyMap<string, StatValue>>();
    const reduced = answers.map((answer) => ({
      ...answer,
      items: answer.items.map((sample) => {
        const key = keyOf(answer.domain.id, sample, now);
        now.set(key, new Map(sample.stats.map(({ name, value }) => [name, value])));
        const before = this.#last.get(key);
        return before === undefined ? sample : { ...sample, stats: sample.stats.filter((stat) => isNew(stat, before)) };
      }),
    }));
    this.#last = now;
    return reduced;
  }
}

/** A filter may name a provider twice: the second sample of an object is one of its own. */
function keyOf(id: string, { provider, path }: Sample, taken: ReadonlyMap<string, unknown>): string {
  for (let nth = 0; ; nth++) {
    const key = JSON.stringify([id, provider, path, nth]);
    if (!taken.has(key)) return key;
  }
}

function isNew({ name, value }: StatEntry, before: ReadonlyMap<string, StatValue>): boolean {
  const old = before.get(name);
  if (typeof value !== 'object' || typeof old !== 'object') return value !== old;
  return value.length !== old.length || value.some((count, index) => count !== old[index]);
}
