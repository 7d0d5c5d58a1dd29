import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { Schema } from '../model/stat.ts';
import { damagedAmong, type UnusableFile } from './damage.ts';
import { Engine } from './duckdb.ts';
import { type Life, livesOf, mergeSchemas } from './lives.ts';
import { readRows } from './rows.ts';
import { LAST_NS } from './segment-info.ts';
import { type Found, type Segment, SegmentFinder } from './segments.ts';
import { joinedAll, type Span } from './span.ts';
import {
  columnsFor,
  type RecordedSeries,
  SeriesCollector,
  type SeriesFilter,
  selectObjects,
  seriesOf,
  type TimeRange,
  type TimeSeries,
} from './time-series.ts';

/** How many values one call of {@link Recording.read} gives; a histogram counts as many as it has buckets. */
export const MAX_VALUES = 20_000_000;

/**
 * A recording, as time series. It holds no lock, and may be written on meanwhile: {@link Recording.refresh} takes up what has
 * come since.
 */
export class Recording implements AsyncDisposable {
  readonly path: string;
  readonly engine: Engine;
  readonly #finder: SegmentFinder;
  #found: Found;
  #lives: readonly Life[];

  private constructor(engine: Engine, finder: SegmentFinder, found: Found) {
    this.path = finder.path;
    this.engine = engine;
    this.#finder = finder;
    this.#found = found;
    this.#lives = livesOf(found.segments);
  }

  /**
   * Opens a file or a directory that `virtstat record` has written, or is writing.
   * @throws PATH_NOT_FOUND where nothing is there; RECORDING_INVALID where nothing of it can be read; ACCESS_DENIED,
   *   DUCKDB_MISSING, CANCELLED
   */
  static async open(path: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Recording> {
    const engine = await Engine.open();
    try {
      const finder = new SegmentFinder(path, engine);
      return new Recording(engine, finder, required(finder.path, await finder.find(signal)));
    } catch (error) {
      engine.close();
      throw error;
    }
  }

  /** `collected-at` of its first and of its last sample: nanoseconds since 1970, UTC. */
  get span(): Span {
    return joinedAll(this.segments.map(({ info }) => info));
  }

  /** From sweep to sweep as it was asked for last, in milliseconds. */
  get everyMs(): number {
    return this.segments.at(-1)!.info.everyMs;
  }

  /** What was measured: for each provider and target all descriptors that any domain had, each as it was last. */
  get schemas(): readonly Schema[] {
    return mergeSchemas(this.#lives.flatMap(({ objects }) => objects.map(({ schema }) => schema)));
  }

  /** The domains, each under the name that it had last. */
  get domains(): readonly Domain[] {
    return this.#lives.map(({ domain }) => domain);
  }

  /** The domains as they were at any time: under all names that they had. */
  get knownDomains(): readonly Domain[] {
    return this.#lives.flatMap(({ known }) => known);
  }

  /** Its files, in the order in which they were written. */
  get segments(): readonly Segment[] {
    return this.#found.segments;
  }

  /** Files that cannot be read: the others count nevertheless. */
  get unusable(): readonly UnusableFile[] {
    return this.#found.unusable;
  }

  /** The series that the filter selects, without any values: that costs no reading. */
  series(filter: SeriesFilter = {}): readonly RecordedSeries[] {
    return selectObjects(this.#lives, filter).flatMap(seriesOf);
  }

  /**
   * The values of the series that the filter selects, in that time; a series without any is left out. A file whose values turn out
   * to be damaged joins {@link Recording.unusable}.
   * @throws RECORDING_INVALID where all files are damaged, or there are more than {@link MAX_VALUES}; PATH_NOT_FOUND, CANCELLED
   */
  read(range: TimeRange, { signal }: { readonly signal?: AbortSignal } = {}): Promise<readonly TimeSeries[]> {
    const { fromNs = 0n, toNs = LAST_NS } = range;
    return this.sparing(fromNs, toNs, (files) => this.#read({ ...range, fromNs, toNs }, files, signal), signal);
  }

  /**
   * What `read` gives of the files that have anything of a time. Where it fails because of damaged ones, those are unusable from then
   * on, and it is called again for the others; where a file is there no more, for those that have taken its place.
   * @throws what `read` throws
   */
  async sparing<T>(
    fromNs: bigint,
    toNs: bigint,
    read: (files: readonly string[]) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const files = (): readonly string[] =>
      this.segments.filter(({ info }) => info.startNs <= toNs && info.endNs >= fromNs).map(({ file }) => file.path);
    const first = files();
    try {
      return await read(first);
    } catch (error) {
      if (!VirtstatError.is(error) || !(await this.#canSpare(error, first, signal))) throw error;
      await this.refresh({ ...(signal && { signal }) });
      return read(files());
    }
  }

  /** Whether there is anything left to read after this error; what is damaged is known then. */
  async #canSpare(
    { code, cause }: VirtstatError,
    files: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    if (code === 'PATH_NOT_FOUND') return true;
    if (code !== 'RECORDING_INVALID' || cause === undefined) return false;
    const damaged = await this.engine.run(`reading ${this.path}`, signal, (own) => damagedAmong(files, own));
    this.#finder.exclude(damaged);
    return damaged.length > 0 && damaged.length < this.segments.length;
  }

  async #read(
    range: TimeRange & Required<Pick<TimeRange, 'fromNs' | 'toNs'>>,
    files: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<readonly TimeSeries[]> {
    const { fromNs, toNs, paths } = range;
    const groups = Map.groupBy(selectObjects(this.#lives, range), ({ schema: { provider, target } }) =>
      JSON.stringify([provider, target]),
    );
    const found: TimeSeries[] = [];
    let valueCount = 0;
    for (const selected of groups.values()) {
      const { provider, target } = selected[0]!.schema;
      const columns = columnsFor(this.segments, selected);
      const domainIds = range.domains && selected.flatMap(({ life }) => [...life.ids]);
      const collector = new SeriesCollector(selected, columns);
      const query = { files, provider, target, columns, fromNs, toNs, withValues: true };
      const rows = readRows(
        this.engine,
        { ...query, ...(domainIds && { domainIds }), ...(paths && { paths }) },
        signal,
      );
      for await (const portion of rows) {
        for (const row of portion) valueCount += collector.add(row);
        if (valueCount > MAX_VALUES) throw tooMany(this.path);
      }
      found.push(...collector.series());
    }
    return found;
  }

  /** Takes up what was written since. @throws as {@link Recording.open} */
  async refresh({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#found = required(this.path, await this.#finder.find(signal));
    this.#lives = livesOf(this.#found.segments);
  }

  async close(): Promise<void> {
    this.engine.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function required(path: string, found: Found): Found {
  if (found.segments.length > 0) return found;
  const [first] = found.unusable;
  if (first !== undefined) throw first.error;
  throw new VirtstatError(
    'PATH_NOT_FOUND',
    `${path} is no recording, and holds none; check the path, or wait: a minute is written when it is over`,
  );
}

function tooMany(path: string): VirtstatError {
  const hint = 'ask for fewer stats, or for less time';
  return new VirtstatError('RECORDING_INVALID', `${path} has more than ${MAX_VALUES} values of these; ${hint}`);
}
