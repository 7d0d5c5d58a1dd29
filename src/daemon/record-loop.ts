import type { Recorder } from '../history/recorder.ts';
import { pause } from '../host/pause.ts';
import { nextTurnMs } from '../host/turn.ts';
import type { Domain } from '../model/domain.ts';
import type { VirtstatError } from '../model/errors.ts';
import type { StatsFilter } from '../model/filter.ts';
import type { Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import type { SampleAnswer, SchemaAnswer } from '../registry/answer.ts';
import type { Registry } from '../registry/registry.ts';
import { type Selection, type StatWord, selectStats } from '../registry/selection.ts';

/** What is recorded, from where, and how often. */
export interface RecordLoopOptions {
  readonly registry: Registry;
  readonly recorder: Recorder;
  readonly words: readonly StatWord[];
  /** From the start of one sweep to the start of the next, in milliseconds. */
  readonly everyMs: number;
  /** Ends after this long, in milliseconds; absent: with the signal. */
  readonly forMs?: number;
  /** By name, uuid, process id or `id`, asked anew at every sweep; undefined: all. */
  readonly domains?: () => readonly string[] | undefined;
  /** What is known already; absent: it is asked for. */
  readonly schemas?: readonly SchemaAnswer[];
  readonly signal: AbortSignal;
  /** Told after every sweep what went wrong in it. */
  readonly onSweep?: (answers: readonly SampleAnswer[]) => void;
  /** Told what no schema knows, each time that schemas were asked for. */
  readonly onUnknown?: (unknown: readonly VirtstatError[]) => void;
}

/** How long schemas are believed: a domain or a provider that comes later may have what was asked for. */
const SCHEMAS_FRESH_MS = 60_000;

/** Where nothing is known yet, it is looked for this often, in milliseconds. */
const LOOK_AGAIN_MS = 2000;

/** Sweeps and has them recorded until it is time, or the signal fires. A sweep that takes longer skips turns. */
export async function recordLoop(options: RecordLoopOptions): Promise<void> {
  const { recorder, everyMs, forMs = Number.POSITIVE_INFINITY, signal } = options;
  const book = new RecordBook(options);
  const startMs = performance.now();
  for (let dueMs = startMs; dueMs < startMs + forMs && !signal.aborted; ) {
    try {
      const answers = await sweep(options, await book.filters());
      await book.cover(answers);
      await recorder.add(answers, (domain, sample) => book.schemaOf(domain, sample));
      options.onSweep?.(answers);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    dueMs = nextTurnMs(dueMs, everyMs);
    if (dueMs >= startMs + forMs) break;
    await pause(dueMs - performance.now(), signal);
  }
}

/** All targets at once; each domain's answers stand together no more than its readers need. */
async function sweep(
  { registry, domains, signal }: RecordLoopOptions,
  filters: readonly StatsFilter[],
): Promise<readonly SampleAnswer[]> {
  const wanted = domains?.();
  const read = { signal, ...(wanted && { domains: wanted }) };
  return (await Promise.all(filters.map((filter) => registry.query(filter, read)))).flat();
}

/** The schemas of what is recorded, and what is asked for by them. */
class RecordBook {
  readonly #options: RecordLoopOptions;
  readonly #schemas = new Map<string, Schema>();
  #selection: Selection | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(options: RecordLoopOptions) {
    this.#options = options;
    if (options.schemas !== undefined) this.#take(options.schemas);
  }

  async filters(): Promise<readonly StatsFilter[]> {
    const freshMs = this.#selection?.unknown.length === 0 ? SCHEMAS_FRESH_MS : LOOK_AGAIN_MS;
    if (performance.now() - this.#askedMs >= freshMs) await this.#ask();
    return this.#selection?.filters ?? [];
  }

  /** Asks for the schemas that samples lack: a domain has come. */
  async cover(answers: readonly SampleAnswer[]): Promise<void> {
    const lacks = answers.some(({ domain, items }) =>
      items.some((sample) => this.schemaOf(domain, sample) === undefined),
    );
    if (lacks && performance.now() - this.#askedMs >= Math.min(this.#options.everyMs, LOOK_AGAIN_MS)) await this.#ask();
  }

  schemaOf({ id }: Domain, { provider, target }: Sample): Schema | undefined {
    return this.#schemas.get(keyOf(id, provider, target));
  }

  async #ask(): Promise<void> {
    const { registry, signal, domains } = this.#options;
    const wanted = domains?.();
    this.#take(await registry.schemas({ signal, ...(wanted && { domains: wanted }) }));
  }

  #take(answers: readonly SchemaAnswer[]): void {
    this.#askedMs = performance.now();
    const all = answers.flatMap(({ items }) => items);
    const selection = selectStats(this.#options.words, all);
    // Who cannot be asked at the moment still has what it had.
    if (all.length > 0 || this.#selection === undefined) this.#selection = selection;
    this.#schemas.clear();
    for (const { domain, items } of answers) {
      for (const schema of items) this.#schemas.set(keyOf(domain.id, schema.provider, schema.target), schema);
    }
    this.#options.onUnknown?.(selection.unknown);
  }
}

function keyOf(id: string, provider: string, target: string): string {
  return JSON.stringify([id, provider, target]);
}
