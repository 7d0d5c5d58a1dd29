import { type DomainStatsRecord, LastingRecord } from '../../protocol/libvirt/domain-stats.ts';
import type { DomainFacts } from './facts.ts';

/** Most records that are kept of the same values: clients that ask for this or that group, or may read this or that. */
export const MAX_RECORDS_OF_VALUES = 4;

/** A record and all that it was made of. */
interface Kept {
  readonly parts: readonly unknown[];
  readonly record: DomainStatsRecord;
}

/**
 * Records by what they were made of: whoever asks again while the values are still the same objects has the same record, whose
 * bytes are there already. Nothing is compared but whether it is the same object, so that whoever may read less, whose values are
 * other ones, never has what others may read. A record is kept as long as somebody else keeps the values that it was made of.
 */
export class Records {
  readonly #maxOfValues: number;
  /** By the first values that a record was made of; the one that was not asked for longest is first. */
  readonly #kept = new WeakMap<object, Kept[]>();

  /** Keeps at most `maxOfValues` of the same values, {@link MAX_RECORDS_OF_VALUES} if absent; none at all where it is 0. */
  constructor({ maxOfValues = MAX_RECORDS_OF_VALUES }: { readonly maxOfValues?: number } = {}) {
    this.#maxOfValues = maxOfValues;
  }

  /** What `make` makes of these facts and of `choices`, or made before of the very same. */
  of(facts: DomainFacts, choices: readonly unknown[], make: () => DomainStatsRecord): DomainStatsRecord {
    const [values] = facts.parts;
    if (this.#maxOfValues === 0 || typeof values !== 'object' || values === null) return make();
    const parts = [...choices, facts.domain, ...facts.parts];
    const kept = this.#kept.get(values) ?? [];
    const index = kept.findIndex((each) => isSame(each.parts, parts));
    const [found = { parts, record: new LastingRecord(make()) }] = index < 0 ? [] : kept.splice(index, 1);
    kept.push(found);
    if (kept.length > this.#maxOfValues) kept.shift();
    this.#kept.set(values, kept);
    return found.record;
  }
}

function isSame(some: readonly unknown[], others: readonly unknown[]): boolean {
  return some.length === others.length && some.every((part, index) => part === others[index]);
}
