import type { Domain } from '../../model/domain.ts';
import type { GrowthByName } from '../../model/growth.ts';
import type { Sample } from '../../model/sample.ts';
import { isMonotonic, type StatDescriptor } from '../../model/stat.ts';
import type { SampleAnswer } from '../../registry/answer.ts';
import { type DescriptorsByName, GrowthTracker, type SchemaBook } from '../schema-book.ts';
import { livelinessOf } from './liveliness.ts';

/** How many rates of a stat are remembered for its sparkline. */
export const HISTORY_LENGTH = 12;

/** Weight of the newest rate in the rank of a stat: a stat that moves in bursts keeps its place. */
const NEWEST_WEIGHT = 0.3;

/** One object of a domain: what its stats grow by each second. */
export interface BoardRow {
  readonly domain: Domain;
  readonly sample: Sample;
  /** By the stat's name, in raw steps; the newest last, at most {@link HISTORY_LENGTH}. */
  readonly rates: ReadonlyMap<string, readonly number[]>;
}

/** The objects of one target, and the stats that move, the liveliest first. */
export interface BoardSection {
  readonly target: string;
  readonly columns: readonly StatDescriptor[];
  readonly rows: readonly BoardRow[];
}

/** A domain that does not answer. */
export interface BoardFailure {
  readonly domain: Domain;
  readonly message: string;
}

/** What a live table knows: the sweeps of one or several targets, turned into rates, ranked. */
export class Board {
  readonly #trackers = new Map<string, GrowthTracker>();
  readonly #scores = new Map<string, number>();
  readonly #sections = new Map<string, BoardSection>();
  readonly #failures = new Map<string, readonly BoardFailure[]>();
  #histories = new Map<string, Map<string, readonly number[]>>();

  /** Takes up one sweep of a target. */
  update(target: string, answers: readonly SampleAnswer[], book: SchemaBook): void {
    let tracker = this.#trackers.get(target);
    if (tracker === undefined) this.#trackers.set(target, (tracker = new GrowthTracker()));
    const growths = tracker.update(answers, book);
    const moving = new Map<string, { readonly stat: StatDescriptor; total: number }>();
    const histories = new Map<string, Map<string, readonly number[]>>();
    const rows: BoardRow[] = [];
    for (const { domain, items } of answers) {
      for (const sample of items) {
        const descriptors = book.of(domain, sample);
        if (cannotMove(descriptors)) continue;
        const key = JSON.stringify([target, domain.id, sample.provider, sample.path]);
        const rates = nextHistory(this.#histories.get(key), growths.get(sample));
        histories.set(key, rates);
        rows.push({ domain, sample, rates });
        addTotals(moving, descriptors, rates);
      }
    }
    const others = [...this.#histories].filter(([key]) => !key.startsWith(`[${JSON.stringify(target)},`));
    this.#histories = new Map([...others, ...histories]);
    this.#sections.set(target, { target, columns: this.#rank(target, moving), rows });
    this.#failures.set(
      target,
      answers.flatMap(({ domain, errors }) => errors.map(({ message }) => ({ domain, message }))),
    );
  }

  /** The targets in the order in which they were first seen. */
  get sections(): readonly BoardSection[] {
    return [...this.#sections.values()];
  }

  /** Domains that did not answer, each reason once. */
  get failures(): readonly BoardFailure[] {
    const unique = new Map<string, BoardFailure>();
    for (const failure of [...this.#failures.values()].flat()) {
      unique.set(JSON.stringify([failure.domain.id, failure.message]), failure);
    }
    return [...unique.values()];
  }

  #rank(
    target: string,
    moving: ReadonlyMap<string, { readonly stat: StatDescriptor; readonly total: number }>,
  ): readonly StatDescriptor[] {
    const ranked = [...moving].map(([name, { stat, total }]) => {
      const key = JSON.stringify([target, name]);
      const now = livelinessOf(total, stat);
      const score = NEWEST_WEIGHT * now + (1 - NEWEST_WEIGHT) * (this.#scores.get(key) ?? now);
      this.#scores.set(key, score);
      return { stat, score };
    });
    return ranked
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score)
      .map(({ stat }) => stat);
  }
}

/** What only tells how things are has no place in a table of what moves, beside the same object's counters. */
function cannotMove(descriptors: DescriptorsByName): boolean {
  return descriptors.size > 0 && ![...descriptors.values()].some(isMonotonic);
}

function nextHistory(
  previous: ReadonlyMap<string, readonly number[]> | undefined,
  growths: GrowthByName | undefined,
): Map<string, readonly number[]> {
  const next = new Map<string, readonly number[]>();
  for (const [name, { rate, delta }] of growths ?? []) {
    // What all buckets counted together is what the counter beside a histogram says already.
    if (typeof delta === 'bigint') next.set(name, [...(previous?.get(name) ?? []), rate].slice(-HISTORY_LENGTH));
  }
  return next;
}

function addTotals(
  moving: Map<string, { readonly stat: StatDescriptor; total: number }>,
  descriptors: ReadonlyMap<string, StatDescriptor>,
  rates: ReadonlyMap<string, readonly number[]>,
): void {
  for (const [name, history] of rates) {
    const stat = descriptors.get(name);
    if (stat === undefined) continue;
    const entry = moving.get(name) ?? { stat, total: 0 };
    entry.total += history.at(-1) ?? 0;
    moving.set(name, entry);
  }
}
