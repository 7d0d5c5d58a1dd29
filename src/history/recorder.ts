import { nowNs } from '../host/clock.ts';
import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import { ColumnNames } from './columns.ts';
import { Engine } from './duckdb.ts';
import { InfoBuilder } from './info-builder.ts';
import { OpenMinute, type RowToRecord } from './open-minute.ts';
import { LAST_NS } from './segment-info.ts';
import { type Retention, SegmentStore } from './store.ts';

/** What a recorder takes. */
export interface RecorderOptions {
  /** A directory, or a file whose name ends in `.parquet`. */
  readonly path: string;
  /** From sweep to sweep, in milliseconds. */
  readonly everyMs: number;
  /** Of a directory; absent: everything stays. */
  readonly retention?: Retention;
  /** Told of what could not be written, and is lost or too large therefore, and of what is damaged: the recording goes on. */
  readonly onProblem: (error: VirtstatError) => void;
  /** How long a minute takes, in milliseconds: for tests. */
  readonly minuteMs?: number;
  /** The time now, nanoseconds since 1970: for tests. */
  readonly now?: () => bigint;
}

/** What one domain gave in a sweep. */
export interface RecordedAnswer {
  readonly domain: Domain;
  readonly items: readonly Sample[];
}

/** The open minute. */
interface Minute {
  readonly minute: OpenMinute;
  readonly info: InfoBuilder;
  readonly sinceMs: number;
  lastNs: bigint;
}

/** Finds the schema of a sample; undefined where it is not known. */
export type SchemaOf = (domain: Domain, sample: Sample) => Schema | undefined;

/** What was recorded until now. */
export interface Progress {
  readonly sweepCount: number;
  /** Samples taken up; those that were stale, or the same as before, do not count. */
  readonly sampleCount: number;
  /** Samples that were lost because writing failed or took too long. */
  readonly lostCount: number;
  readonly valueCount: number;
  /** Of all files, also those of earlier runs. */
  readonly sizeBytes: number;
  readonly segmentCount: number;
}

const MINUTE_MS = 60_000;

/** How many numbers the open minute may hold: 64 MiB. More begin a new one early. */
const MAX_OPEN_VALUES = 8 * 1024 * 1024;

/** How many objects are remembered by their last time, so that the same sample is not recorded twice. */
const MAX_REMEMBERED = 1_000_000;

/**
 * Records samples. The open minute is in memory and becomes a file when it is over, so a process that is killed loses that one
 * at most. Writing happens beside recording; a minute that is complete while the one before is still being written is waited
 * for only up to a bound, and what does not fit then is lost and counted.
 */
export class Recorder implements AsyncDisposable {
  readonly #options: RecorderOptions;
  readonly #engine: Engine;
  readonly #store: SegmentStore;
  readonly #names = new ColumnNames();
  readonly #now: () => bigint;
  #lastTimes = new Map<string, bigint>();
  #open: Minute | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Sweeps and ends of minutes, one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #writing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  readonly #counts = { sweepCount: 0, sampleCount: 0, lostCount: 0, valueCount: 0 };

  private constructor(options: RecorderOptions, engine: Engine, store: SegmentStore) {
    this.#options = options;
    this.#engine = engine;
    this.#store = store;
    this.#now = options.now ?? nowNs;
    for (const { info } of store.segments) this.#names.keep(info.columns);
  }

  /**
   * Takes the place of a recording; one that is there is gone on with.
   * @throws DUCKDB_MISSING; USAGE for a retention of a single file; what {@link SegmentStore.open} throws
   */
  static async open(options: RecorderOptions): Promise<Recorder> {
    const engine = await Engine.open();
    try {
      const store = await SegmentStore.open(options.path, engine, options.onProblem);
      if (store.isSingle && options.retention !== undefined) {
        store[Symbol.dispose]();
        throw new VirtstatError('USAGE', `${options.path} is one file, which cannot go in parts; give a directory`);
      }
      return new Recorder(options, engine, store);
    } catch (error) {
      engine.close();
      throw error;
    }
  }

  get progress(): Progress {
    return { ...this.#counts, sizeBytes: this.#store.sizeBytes, segmentCount: this.#store.segments.length };
  }

  /** Takes up one sweep. What has no schema is left out. Never rejects for what cannot be written. */
  add(answers: readonly RecordedAnswer[], schemaOf: SchemaOf): Promise<void> {
    const added = this.#turn.then(() => this.#add(answers, schemaOf));
    this.#turn = added.catch(() => {});
    return added;
  }

  /** Writes what is left, puts the parts of a single file together, and lets others have the place. Harmless when called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #add(answers: readonly RecordedAnswer[], schemaOf: SchemaOf): Promise<void> {
    if (this.#closing !== undefined) throw new VirtstatError('CLOSED', 'the recorder was closed');
    this.#counts.sweepCount++;
    const fresh = this.#freshOf(answers, schemaOf);
    if (fresh.length === 0) return;
    if (this.#isOver(fresh)) this.#endMinute();
    if (this.#open !== undefined && this.#open.minute.valueCount >= MAX_OPEN_VALUES) {
      // The minute before is still being written: what comes now has no room.
      this.#counts.lostCount += fresh.length;
      return;
    }
    let open: Minute;
    let before = 0;
    try {
      open = this.#open ??= await this.#newMinute();
      before = open.minute.valueCount;
      await open.minute.add(fresh.map(({ row }) => row));
    } catch (error) {
      this.#counts.lostCount += fresh.length;
      this.#problem(error, 'a sweep is lost');
      return;
    }
    for (const { row, schema } of fresh) {
      open.info.note(row.domain, row.sample, schema);
      if (row.sample.collectedAtNs > open.lastNs) open.lastNs = row.sample.collectedAtNs;
    }
    this.#counts.sampleCount += fresh.length;
    this.#counts.valueCount += open.minute.valueCount - before;
  }

  /** Old values that are served again, and those that are no newer than before, are none of this sweep. */
  #freshOf(answers: readonly RecordedAnswer[], schemaOf: SchemaOf): readonly { row: RowToRecord; schema: Schema }[] {
    if (this.#lastTimes.size > MAX_REMEMBERED) this.#lastTimes = new Map();
    const fresh: { row: RowToRecord; schema: Schema }[] = [];
    for (const { domain, items } of answers) {
      for (const sample of items) {
        const { stale, stats, collectedAtNs, provider, target, path = '\n' } = sample;
        if (stale !== undefined || stats.length === 0 || collectedAtNs < 0n || collectedAtNs > LAST_NS) continue;
        const schema = schemaOf(domain, sample);
        if (schema === undefined) continue;
        const key = [domain.id, provider, target, path].join('\0');
        if (this.#lastTimes.get(key) === collectedAtNs) continue;
        this.#lastTimes.set(key, collectedAtNs);
        fresh.push({ row: { domain, sample }, schema });
      }
    }
    return fresh;
  }

  /** A minute ends by the clock that always goes on, when it is full, and when the other clock went back. */
  #isOver(fresh: readonly { row: RowToRecord }[]): boolean {
    if (this.#open === undefined) return false;
    const { everyMs } = this.#options;
    const tolerance = BigInt(everyMs) * 1_000_000n;
    const lasted = performance.now() - this.#open.sinceMs;
    const last = this.#open.lastNs;
    return (
      lasted + Math.min(everyMs / 2, 500) >= this.#minuteMs ||
      this.#open.minute.valueCount >= MAX_OPEN_VALUES ||
      fresh.every(({ row }) => row.sample.collectedAtNs + tolerance < last)
    );
  }

  get #minuteMs(): number {
    return this.#options.minuteMs ?? MINUTE_MS;
  }

  async #newMinute(): Promise<Minute> {
    const minute = await OpenMinute.open(this.#engine, this.#names);
    // Also where no sweep comes any more, or only seldom.
    this.#timer = setTimeout(
      () => {
        this.#turn = this.#turn.then(() => this.#endMinute());
      },
      this.#minuteMs + Math.min(this.#options.everyMs / 2, 500),
    );
    this.#timer.unref();
    return { minute, info: new InfoBuilder(), sinceMs: performance.now(), lastNs: 0n };
  }

  /** Has the minute written, unless the one before still is: then it goes on. */
  #endMinute(): void {
    const open = this.#open;
    if (open === undefined || this.#writing !== undefined) return;
    clearTimeout(this.#timer);
    this.#open = undefined;
    this.#writing = this.#write(open).finally(() => {
      this.#writing = undefined;
    });
  }

  async #write({ minute, info }: Minute): Promise<void> {
    try {
      await this.#store.add(info.info(this.#options.everyMs, minute.columns), (path, text) => minute.write(path, text));
    } catch (error) {
      this.#counts.lostCount += minute.rowCount;
      this.#problem(error, 'a minute is lost');
    }
    await this.#attempt('memory could not be given back', async () => minute[Symbol.dispose]());
    await this.#attempt('minutes could not be put together', () => this.#store.mergeMinutes());
    const { retention } = this.#options;
    if (retention !== undefined) {
      await this.#attempt('old segments could not be removed', async () => {
        await this.#store.expire(retention, this.#now());
      });
    }
  }

  async #close(): Promise<void> {
    await this.#turn;
    await this.#writing;
    this.#endMinute();
    await this.#writing;
    await this.#attempt('the parts could not be put together', () => this.#store.mergeAll());
    this.#store[Symbol.dispose]();
    this.#engine.close();
  }

  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#problem(error, what);
    }
  }

  #problem(error: unknown, what: string): void {
    this.#options.onProblem(VirtstatError.from(error, 'RECORDING_FAILED', what));
  }
}
