import type { DuckDBConnection } from '@duckdb/node-api';
import { fileAt, isDirectory, listFiles, makeDirectory, moveWhole, removeEmptyDirectory } from '../host/directory.ts';
import { holdLock } from '../host/lock-file.ts';
import { removeFile } from '../host/small-file.ts';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import { damagedAmong, isOfSystem, setAside, type UnusableFile } from './damage.ts';
import { type Engine, reasonOf } from './duckdb.ts';
import { mergeInfos } from './info-builder.ts';
import { copyOptions } from './open-minute.ts';
import { encodeInfo, type SegmentInfo } from './segment-info.ts';
import { PARQUET, partsOf, type Segment, SegmentFinder } from './segments.ts';
import * as sql from './sql.ts';

/** How long segments are kept. */
export interface Retention {
  /** Those whose last sample is older than this go, in milliseconds; absent: none for its age. */
  readonly ageMs?: number;
  /** The oldest go while all together are larger than this, in bytes; absent: none for its size. */
  readonly sizeBytes?: number;
}

/** How many minutes are put together to one segment. */
export const MINUTES_PER_SEGMENT = 60;

const LOCK_NAME = '.lock';

/** How a recorder names a segment: what else lies in its directory is somebody else's. */
const SEGMENT_NAME = /^\d{8}-.*\.parquet$/;

/** Segments that are put together, and the path of what becomes of them: that of one of them, or another. */
interface Merge {
  readonly from: readonly Segment[];
  readonly to: string;
}

/** Told of a damaged file that was set aside, and of where it is. */
export type OnSetAside = (error: VirtstatError) => void;

/** Begins the names of files that are not whole yet. */
const UNFINISHED = '.unfinished-';

/**
 * The files of a recording that is being written: a directory of segments, or, for a path that ends in `.parquet`, one file
 * and beside it, in `PATH.parts`, the segments that wait to be put into it. Held by one recorder at a time. Every file gets
 * its name when it is whole.
 */
export class SegmentStore implements Disposable {
  readonly path: string;
  /** True where it is to become one file. */
  readonly isSingle: boolean;
  readonly #connection: DuckDBConnection;
  readonly #directory: string;
  readonly #lock: Disposable;
  readonly #finder: SegmentFinder;
  readonly #onSetAside: OnSetAside;
  #segments: readonly Segment[] = [];
  #nextNumber = 1;

  private constructor(
    path: string,
    engine: Engine,
    connection: DuckDBConnection,
    directory: string,
    lock: Disposable,
    onSetAside: OnSetAside,
  ) {
    this.path = path;
    this.#onSetAside = onSetAside;
    this.#connection = connection;
    this.#directory = directory;
    this.isSingle = directory !== path;
    this.#lock = lock;
    this.#finder = new SegmentFinder(path, engine, directory);
  }

  /**
   * Takes the place at `path`, with what is there already. Damaged segments are set aside, now and where it shows when they are to
   * be put together.
   * @throws ADDRESS_IN_USE where another recorder has it; RECORDING_INVALID where something else lies there; RECORDING_FAILED
   *   where it cannot be made
   */
  static async open(given: string, engine: Engine, onSetAside: OnSetAside): Promise<SegmentStore> {
    const path = given.replace(/(?<=.)\/+$/, '');
    let lock: Disposable | undefined;
    try {
      const isSingle = path.endsWith(PARQUET) && !isDirectory(path);
      if (!isSingle && fileAt(path) !== undefined) {
        throw new VirtstatError('RECORDING_INVALID', `${path} is a file; give a directory, or a name in ${PARQUET}`);
      }
      const directory = isSingle ? partsOf(path) : path;
      makeDirectory(directory);
      lock = holdLock(
        `${directory}/${LOCK_NAME}`,
        (holder) => `the recording ${path} belongs to process ${holder}; stop that first`,
      );
      const store = new SegmentStore(path, engine, await engine.connect(), directory, lock, onSetAside);
      await store.#takeUp();
      return store;
    } catch (error) {
      lock?.[Symbol.dispose]();
      throw writingError(error, path);
    }
  }

  /** In the order in which they were written. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  get sizeBytes(): number {
    return this.#segments.reduce((sum, { file }) => sum + file.sizeBytes, 0);
  }

  /**
   * Adds a segment, which `write` puts into the file that it is given.
   * @throws RECORDING_FAILED; nothing is left behind then
   */
  async add(info: SegmentInfo, write: (path: string, info: string) => Promise<void>): Promise<void> {
    const name = `${String(this.#nextNumber).padStart(8, '0')}-${stampOf(info.startNs)}${PARQUET}`;
    await this.#put(`${this.#directory}/${name}`, (path) => write(path, encodeInfo(info)));
    this.#nextNumber++;
    await this.#look();
  }

  /** Puts minutes together to one segment, where there are enough of them. @throws RECORDING_FAILED */
  mergeMinutes(): Promise<void> {
    return this.#mergeSound(() => {
      const isMinute = ({ rowGroupCount, file }: Segment): boolean => rowGroupCount === 1 && file.path !== this.path;
      const minutes = this.#segments.slice(this.#segments.findLastIndex((segment) => !isMinute(segment)) + 1);
      return { from: minutes.length < MINUTES_PER_SEGMENT ? [] : minutes, to: minutes[0]?.file.path ?? '' };
    });
  }

  /** Puts everything into one file, where it is to become one. @throws RECORDING_FAILED */
  mergeAll(): Promise<void> {
    return this.#mergeSound(() => {
      const hasParts = this.isSingle && this.#segments.some(({ file }) => file.path !== this.path);
      return { from: hasParts ? this.#segments : [], to: this.path };
    });
  }

  /**
   * Removes what is kept long enough, the oldest first and the newest never. Says how many segments went.
   * @throws RECORDING_FAILED
   */
  async expire({ ageMs, sizeBytes }: Retention, nowNs: bigint): Promise<number> {
    const oldestNs = ageMs === undefined ? undefined : nowNs - BigInt(ageMs) * 1_000_000n;
    const isOld = ({ info }: Segment): boolean => oldestNs !== undefined && info.endNs < oldestNs;
    let left = this.sizeBytes;
    const gone: Segment[] = [];
    for (const segment of this.#segments.slice(0, -1)) {
      if (!isOld(segment) && (sizeBytes === undefined || left <= sizeBytes)) continue;
      gone.push(segment);
      left -= segment.file.sizeBytes;
    }
    if (gone.length === 0) return 0;
    this.#remove(gone);
    await this.#look();
    return gone.length;
  }

  [Symbol.dispose](): void {
    this.#connection.closeSync();
    if (this.isSingle && this.#segments.every(({ file }) => file.path === this.path)) {
      removeFile(`${this.#directory}/${LOCK_NAME}`);
      removeEmptyDirectory(this.#directory);
    }
    this.#lock[Symbol.dispose]();
  }

  /** What a recorder before this one has left: files that never became whole, and those that another one holds already. */
  async #takeUp(): Promise<void> {
    for (const { path } of listFiles(this.#directory, (name) => name.startsWith(UNFINISHED))) removeFile(path);
    const { unusable } = await this.#look();
    const [own] = unusable.filter(({ path }) => path === this.path);
    if (own !== undefined) {
      const hint = 'move it away, or record into another file';
      throw new VirtstatError('RECORDING_INVALID', `${own.error.message}; ${hint}`, { cause: own.error });
    }
    this.#setAside(unusable.filter(({ path, isDamaged }) => isDamaged && SEGMENT_NAME.test(baseOf(path))));
    const merged = new Set(this.#segments.flatMap(({ info }) => info.merges));
    for (const { path } of listFiles(this.#directory, (name) => merged.has(name))) removeFile(path);
    const names = [
      ...this.#segments.map(({ file }) => file.name),
      ...unusable.map(({ path }) => baseOf(path)),
      ...merged,
    ];
    this.#nextNumber = 1 + Math.max(0, ...names.map((name) => Number(/^\d{8}(?=-)/.exec(name)?.[0] ?? 0)));
  }

  /** Puts what is chosen together; where that fails because of damaged ones, what is chosen without them. */
  async #mergeSound(choose: () => Merge): Promise<void> {
    const { from, to } = choose();
    if (from.length === 0) return;
    try {
      await this.#merge(from, to);
    } catch (error) {
      if (isOfSystem(VirtstatError.is(error) ? error.cause : error)) throw error;
      const paths = from.map(({ file }) => file.path);
      const damaged = await damagedAmong(paths, this.#connection);
      if (damaged.length === 0) throw error;
      this.#setAside(damaged);
      await this.#look();
      const sound = choose();
      if (sound.from.length > 0) await this.#merge(sound.from, sound.to);
    }
    await this.#look();
  }

  #setAside(damaged: readonly UnusableFile[]): void {
    for (const file of damaged) {
      try {
        this.#onSetAside(setAside(file));
      } catch (error) {
        throw writingError(error, file.path);
      }
    }
  }

  async #look(): ReturnType<SegmentFinder['find']> {
    const found = await this.#finder.find();
    this.#segments = found.segments;
    return found;
  }

  async #merge(segments: readonly Segment[], path: string): Promise<void> {
    const replaced = segments.filter(({ file }) => file.path !== path);
    const info = mergeInfos(
      segments.map((segment) => segment.info),
      replaced.map(({ file }) => file.name),
    );
    // Each of them is a pipeline of its own, and what each brings a row group, as long as it is half of the size at least.
    const selects = segments.map(({ file }) => `SELECT * FROM read_parquet(${sql.path(file.path)})`);
    const rowGroupSize = Math.max(
      ...segments.map(({ rowCount, rowGroupCount }) => Math.ceil(rowCount / rowGroupCount)),
    );
    await this.#put(path, async (unfinished) => {
      await this.#connection.run(
        `COPY (${selects.join(' UNION ALL BY NAME ')}) TO ${sql.text(unfinished)} (${copyOptions(rowGroupSize, encodeInfo(info))})`,
      );
    });
    this.#remove(replaced);
  }

  async #put(path: string, write: (path: string) => Promise<void>): Promise<void> {
    const unfinished = `${this.#directory}/${UNFINISHED}${baseOf(path)}`;
    try {
      await write(unfinished);
      moveWhole(unfinished, path);
    } catch (error) {
      try {
        removeFile(unfinished);
      } catch {
        // The next recorder removes it; why writing failed matters more.
      }
      throw writingError(error, path);
    }
  }

  #remove(segments: readonly Segment[]): void {
    try {
      for (const { file } of segments) removeFile(file.path);
    } catch (error) {
      throw writingError(error, this.path);
    }
  }
}

function writingError(error: unknown, path: string): VirtstatError {
  if (VirtstatError.is(error)) return error;
  const code = systemErrorCode(error);
  const hint =
    code === 'ENOENT'
      ? 'the directory that it is to lie in is not there; make it, or see whether it is the one that was meant'
      : 'see that there is room and the right to write; what was written before stays';
  return new VirtstatError('RECORDING_FAILED', `writing ${path} failed: ${code ?? reasonOf(error)}; ${hint}`, {
    cause: error,
  });
}

/** A time in the name of a file: `20261125T221500Z`. */
function stampOf(ns: bigint): string {
  const date = new Date(Number(ns / 1_000_000n));
  // What is beyond the calendar has its number.
  if (Number.isNaN(date.getTime())) return String(ns);
  return date.toISOString().replaceAll(/[-:]|\.\d+/g, '');
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
