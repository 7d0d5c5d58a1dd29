import { setTimeout as delay } from 'node:timers/promises';
import type { StatsFilter } from '../../model/filter.ts';
import type { SampleAnswer } from '../../registry/answer.ts';
import type { Registry } from '../../registry/registry.ts';
import { type Column, wantedBy } from './columns.ts';
import type { Depth, TopData, Whole } from './data.ts';
import { filtersFor } from './offers.ts';

/** What a feed reads. */
export interface FeedOptions {
  readonly registry: Registry;
  /** Where it puts what it gets. */
  readonly data: TopData;
  /** Only domains of these names, uuids or process ids; absent: all. */
  readonly domains: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

/** What one look is for. */
export interface LookOptions {
  readonly columns: readonly Column[];
  /** Whose stats are wanted all; undefined: nobody's. */
  readonly whole: Whole | undefined;
  /** From look to look, in milliseconds. */
  readonly intervalMs: number;
}

/** The longest that a look waits for answers, in milliseconds: what comes later is there for the next. */
const LOOK_LIMIT_MS = 1500;

/** How long a domain is waited for that has answered before: a part of the interval, and at most this, in milliseconds. */
const MAX_PATIENCE_MS = 1000;
const MIN_PATIENCE_MS = 20;
const PATIENCE_SHARE = 1 / 2;

/** What somebody is late with who has not answered anything yet. */
const INTRODUCTION = '';

/** After this time schemas are asked for again, in milliseconds: devices come while a VM runs. */
const SCHEMAS_AGE_MS = 30_000;

/** The shortest time between two questions for one domain's schemas, in milliseconds. */
const RELEARN_MS = 5000;

/**
 * Asks the registry for what `top` shows. Who is new, or has not answered yet, is asked alone, beside all others: one that hangs
 * costs the others nothing, and nobody is asked anything a second time before having answered.
 */
export class TopFeed {
  readonly #options: FeedOptions;
  readonly #underWay = new Map<string, Promise<void>>();
  /** The questions that each domain has answered once, or failed to. */
  readonly #introduced = new Map<string, string>();
  readonly #learnedMs = new Map<string, number>();
  /** Who was not there in time when last asked, and for what: they are asked on, and nobody waits for them. */
  readonly #late = new Map<string, Set<string>>();

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /**
   * Looks once. Resolves when all have answered, or the limit has passed.
   * @throws what the registry raises for all domains at once: CLOSED, CANCELLED
   */
  async look({ columns, whole, intervalMs }: LookOptions): Promise<void> {
    const { data } = this.#options;
    const patienceMs = Math.max(MIN_PATIENCE_MS, Math.min(MAX_PATIENCE_MS, intervalMs * PATIENCE_SHARE));
    const search = this.#once('search', () => this.#search());
    await (data.domains.length === 0 ? search : within(patienceMs, search));
    const works = [...this.#overview(columns, patienceMs), ...this.#wholes(whole, patienceMs)];
    await within(LOOK_LIMIT_MS, Promise.all(works));
    // Whoever is being asked still is not waited for again.
    for (const { id } of data.domains) if (this.#underWay.has(strangerKey(id))) this.#note(id, INTRODUCTION, true);
  }

  async #search(): Promise<void> {
    const { registry, data, domains, signal } = this.#options;
    data.setPresent(await registry.present({ signal, ...(domains && { domains }) }));
    const ids = new Set(data.domains.map(({ id }) => id));
    for (const known of [this.#introduced, this.#learnedMs, this.#late]) {
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
    }
  }

  /** What the columns need of all domains. */
  #overview(columns: readonly Column[], patienceMs: number): readonly Promise<void>[] {
    const { data } = this.#options;
    const filters = filtersFor(wantedBy(columns), data.offers);
    const question = JSON.stringify(filters);
    const isKnown = (id: string): boolean => this.#introduced.get(id) === question;
    const ids = data.domains.map(({ id }) => id);
    const inTime = ids.filter((id) => !this.#late.has(id));
    const known = inTime.filter(isKnown);
    const old = known.filter((id) => performance.now() - (this.#learnedMs.get(id) ?? 0) > SCHEMAS_AGE_MS);
    if (old.length > 0) void this.#once('schemas', () => this.#learn(old));
    const alone = (id: string): readonly Promise<void>[] =>
      isKnown(id)
        ? filters.map((filter) => this.#ask('columns', filter, [id], patienceMs))
        : [this.#once(strangerKey(id), () => this.#introduce(id, columns))];
    for (const id of this.#late.keys()) alone(id);
    return [
      ...inTime.filter((id) => !isKnown(id)).flatMap(alone),
      ...(known.length === 0 ? [] : filters.map((filter) => this.#ask('columns', filter, known, patienceMs))),
    ];
  }

  /** All that one domain, or every one, can tell. */
  #wholes(whole: Whole | undefined, patienceMs: number): readonly Promise<void>[] {
    if (whole === undefined) return [];
    const { data } = this.#options;
    const ids = data.domains.map(({ id }) => id).filter((id) => whole.domain === undefined || id === whole.domain);
    // One by one: that somebody has answered one question says nothing of another.
    return ids.flatMap((id) => {
      const works = data.offers.targets.map((target) => this.#ask('all', { target }, [id], patienceMs));
      return this.#late.has(id) ? [] : works;
    });
  }

  async #introduce(id: string, columns: readonly Column[]): Promise<void> {
    const { data } = this.#options;
    if (!this.#learnedMs.has(id) && !(await this.#learn([id]))) {
      this.#note(id, INTRODUCTION, true);
      return;
    }
    const filters = filtersFor(wantedBy(columns), data.offers);
    await Promise.all(filters.map((filter) => this.#ask('columns', filter, [id])));
    this.#introduced.set(id, JSON.stringify(filters));
    const asked = new Set(filters.map(({ target }) => target));
    for (const target of this.#late.get(id) ?? []) if (!asked.has(target)) this.#note(id, target, false);
  }

  /** Asks for schemas; false where nobody could say any. */
  async #learn(ids: readonly string[]): Promise<boolean> {
    const { registry, data, signal } = this.#options;
    const answers = await registry.schemas({ domains: ids, signal });
    data.learn(answers);
    let isAnyKnown = false;
    for (const { domain, items, errors } of answers) {
      if (!ids.includes(domain.id)) continue;
      const isKnown = items.length > 0 || errors.length === 0;
      data.update('columns', '', { domain, items: [], errors: isKnown ? [] : errors });
      if (isKnown) this.#learnedMs.set(domain.id, performance.now());
      isAnyKnown ||= isKnown;
    }
    return isAnyKnown;
  }

  #ask(depth: Depth, filter: StatsFilter, ids: readonly string[], patienceMs?: number): Promise<void> {
    const { registry, data, signal } = this.#options;
    const { target } = filter;
    const [first = ''] = ids;
    return this.#once(JSON.stringify([depth, filter, ids.length === 1 ? first : '']), async () => {
      const asked = { domains: ids, signal, ...(patienceMs !== undefined && { patienceMs }) };
      const answers = (await registry.query(filter, asked)).filter(({ domain }) => ids.includes(domain.id));
      for (const answer of answers) {
        const { domain, errors } = answer;
        const isLate = errors.some(({ code }) => code === 'TIMEOUT');
        data.update(depth, target, answer);
        if (depth === 'columns') this.#note(domain.id, target, isLate);
      }
      this.#relearn(answers);
    });
  }

  /** Remembers whether somebody was late with something. */
  #note(id: string, what: string, isLate: boolean): void {
    const late = this.#late.get(id);
    if (isLate) this.#late.set(id, (late ?? new Set()).add(what));
    else if (late?.delete(what) && late.size === 0) this.#late.delete(id);
  }

  /** Asks again for the schemas of those that measure what their schemas do not have. */
  #relearn(answers: readonly SampleAnswer[]): void {
    const { data } = this.#options;
    const nowMs = performance.now();
    const unknown = answers
      .filter((answer) => !data.book.covers([answer]))
      .map(({ domain }) => domain.id)
      .filter((id) => nowMs - (this.#learnedMs.get(id) ?? Number.NEGATIVE_INFINITY) > RELEARN_MS);
    if (unknown.length === 0) return;
    for (const id of unknown) this.#learnedMs.set(id, nowMs);
    void this.#once(`schemas ${unknown.join(' ')}`, () => this.#learn(unknown));
  }

  /** What is under way already is not begun again. */
  #once(key: string, work: () => Promise<unknown>): Promise<void> {
    let running = this.#underWay.get(key);
    if (running === undefined) {
      running = work()
        .then(() => {})
        .finally(() => this.#underWay.delete(key));
      // Whoever waited for it may have given up.
      running.catch(() => {});
      this.#underWay.set(key, running);
    }
    return running;
  }
}

function strangerKey(id: string): string {
  return `stranger ${id}`;
}

/** Waits for work, but not longer than that. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const ended = new AbortController();
  const limit = delay(ms, undefined, { signal: ended.signal }).catch(() => {});
  try {
    await Promise.race([work, limit]);
  } finally {
    ended.abort();
  }
}
