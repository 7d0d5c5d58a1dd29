import type { Recording } from '../../history/recording.ts';
import { type Row, readRows } from '../../history/rows.ts';
import { columnsFor } from '../../history/time-series.ts';
import type { Reading, StatEntry } from '../../model/sample.ts';
import type { Schema } from '../../model/stat.ts';

/** Times as nanoseconds since 1970. */
interface Window {
  readonly fromNs: bigint;
  readonly toNs: bigint;
  /** Of the stats whose values each row has, in their order. */
  readonly names: readonly string[];
  /** By domain id, then by path, rows by ascending time. */
  readonly rows: ReadonlyMap<string, ReadonlyMap<string | undefined, readonly Row[]>>;
}

/** How much of a recording is read at once, and how far back an object's last sample is looked for, in nanoseconds. */
const WINDOW_NS = 60_000_000_000n;

/** Sweeps between two samples of an object, above which it is taken for gone. */
const MISSED_SWEEPS = 3n;

/** The rows of one provider and target around the moment that is being played: all domains share one reading. */
export class WindowReader {
  readonly #recording: Recording;
  readonly #schema: Schema;
  #window: Promise<Window> | undefined;
  #loaded: Window | undefined;

  constructor(recording: Recording, schema: Schema) {
    this.#recording = recording;
    this.#schema = schema;
  }

  /** The last sample of each object of a domain at a moment. */
  async readings(domainId: string, atNs: bigint, signal: AbortSignal): Promise<readonly Reading[]> {
    const { rows, names } = await this.#around(atNs, signal);
    const oldestNs = atNs - this.#memoryNs;
    return [...(rows.get(domainId)?.values() ?? [])].flatMap((ofObject) => {
      const row = ofObject.findLast(({ timeNs }) => timeNs <= atNs);
      return row === undefined || row.timeNs < oldestNs ? [] : [this.#readingOf(row, names)];
    });
  }

  get #memoryNs(): bigint {
    const sweeps = BigInt(this.#recording.everyMs) * 1_000_000n * MISSED_SWEEPS;
    return sweeps > WINDOW_NS ? sweeps : WINDOW_NS;
  }

  async #around(atNs: bigint, signal: AbortSignal): Promise<Window> {
    const loaded = this.#loaded;
    if (loaded !== undefined && loaded.fromNs <= atNs && atNs < loaded.toNs) return loaded;
    // Whoever asks next shares it; where it fails, they try again.
    const [fromNs, toNs] = [atNs - this.#memoryNs, atNs + WINDOW_NS];
    this.#window ??= this.#recording
      .sparing(fromNs, toNs, (files) => this.#load(files, [fromNs, atNs, toNs], signal), signal)
      .finally(() => {
        this.#window = undefined;
      });
    return this.#window;
  }

  async #load(
    files: readonly string[],
    [fromNs, atNs, toNs]: readonly [fromNs: bigint, atNs: bigint, toNs: bigint],
    signal: AbortSignal,
  ): Promise<Window> {
    const { segments, engine } = this.#recording;
    const { provider, target, stats } = this.#schema;
    const columns = columnsFor(segments, [{ stats }]);
    const rows = new Map<string, Map<string | undefined, Row[]>>();
    const query = { files, provider, target, columns, fromNs, toNs, withValues: false };
    for await (const portion of readRows(engine, query, signal)) {
      for (const row of portion) {
        const ofDomain = rows.get(row.domainId) ?? new Map<string | undefined, Row[]>();
        rows.set(row.domainId, ofDomain);
        const ofObject = ofDomain.get(row.path);
        if (ofObject === undefined) ofDomain.set(row.path, [row]);
        else ofObject.push(row);
      }
    }
    this.#loaded = { fromNs: atNs, toNs, names: columns.map(({ stat }) => stat), rows };
    return this.#loaded;
  }

  #readingOf({ path, device, via, timeNs, values }: Row, names: readonly string[]): Reading {
    const byName = new Map(names.flatMap((name, k) => (values[k] === undefined ? [] : [[name, values[k]] as const])));
    const stats = this.#schema.stats.flatMap(({ name }): StatEntry[] => {
      const value = byName.get(name);
      return value === undefined ? [] : [{ name, value }];
    });
    return {
      ...(path !== undefined && { path }),
      ...(device !== undefined && { device }),
      via,
      collectedAtNs: timeNs,
      stats,
    };
  }
}
