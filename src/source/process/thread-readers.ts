import type { ProcessFolder } from '../../host/process-folder.ts';
import { numbersOf } from '../../model/packed.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { described } from './sheet-reader.ts';
import type { Sheet } from './stats.ts';
import type { ThreadOf } from './thread.ts';
import { ThreadReader } from './thread-reader.ts';
import type { Told } from './thread-values.ts';

/** What a thread tells now. */
export interface ThreadReading {
  readonly path: string;
  readonly told: Told;
}

/** Reads the files of the threads that serve the objects of one target. */
export class ThreadReaders {
  readonly #folder: ProcessFolder;
  readonly #sheets: readonly Sheet[];
  #threads: readonly ThreadOf[] = [];
  #readers = new Map<number, ThreadReader>();

  constructor(folder: ProcessFolder, sheets: readonly Sheet[]) {
    this.#folder = folder;
    this.#sheets = sheets;
  }

  /**
   * What those of the threads that are asked tell now, in their order, of `names` only where they are given. A thread that
   * has ended is left out.
   * @throws DOMAIN_GONE
   */
  read(
    threads: readonly ThreadOf[],
    asked: readonly ThreadOf[],
    names?: ReadonlySet<string>,
  ): readonly ThreadReading[] {
    if (threads !== this.#threads) this.#take(threads);
    const readings: ThreadReading[] = [];
    for (const { path, threadId } of asked) {
      const reader = this.#readers.get(threadId)!;
      const told = names === undefined ? reader.readAll() : reader.readSome(names);
      if ('form' in told || told.length > 0 || !reader.isVanished) readings.push({ path, told });
    }
    return readings;
  }

  /** The statistics of which a thread has values. @throws DOMAIN_GONE */
  schema(threads: readonly ThreadOf[]): readonly StatDescriptor[] {
    const entries = this.read(threads, threads).flatMap(({ told }) => ('form' in told ? numbersOf(told) : told));
    return described(
      entries,
      this.#sheets.flatMap(({ stats }) => stats),
    );
  }

  /** Files of threads that are still there stay open. */
  #take(threads: readonly ThreadOf[]): void {
    const before = this.#readers;
    this.#threads = threads;
    this.#readers = new Map(
      threads.map(({ threadId }) => [
        threadId,
        before.get(threadId) ?? new ThreadReader(this.#folder, threadId, this.#sheets),
      ]),
    );
    for (const [threadId, reader] of before) if (!this.#readers.has(threadId)) reader.drop(this.#folder);
  }
}
