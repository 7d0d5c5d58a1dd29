import type { DuckDBConnection } from '@duckdb/node-api';
import { fileAt, isDirectory, type ListedFile, listFiles } from '../host/directory.ts';
import { VirtstatError } from '../model/errors.ts';
import { type UnusableFile, unreadable } from './damage.ts';
import { type Engine, isInterruption } from './duckdb.ts';
import { decodeInfo, INFO_KEY, type SegmentInfo } from './segment-info.ts';
import * as sql from './sql.ts';

/** A Parquet file of a recording. */
export interface Segment {
  readonly file: ListedFile;
  readonly info: SegmentInfo;
  readonly rowCount: number;
  readonly rowGroupCount: number;
}

/** What lies at a path. */
export interface Found {
  /** In the order in which they were written. */
  readonly segments: readonly Segment[];
  readonly unusable: readonly UnusableFile[];
}

/** How many files of one recording are looked at. */
const MAX_SEGMENTS = 100_000;

/** What a segment may say of itself, in bytes. */
const MAX_INFO_BYTES = 64 * 1024 * 1024;

/** Ending of the files of a recording. */
export const PARQUET = '.parquet';

/** Where the segments of a recording lie that is to become one file. */
export function partsOf(path: string): string {
  return `${path}.parts`;
}

/**
 * Finds the segments of a recording: those in a directory, or a file together with those that wait to be put into it. What
 * was looked at before is not read again.
 */
export class SegmentFinder {
  readonly path: string;
  readonly #engine: Engine;
  readonly #directory: string | undefined;
  #known = new Map<string, Segment | UnusableFile>();

  /** `directory` is where the segments lie; absent: that is looked up each time. */
  constructor(path: string, engine: Engine, directory?: string) {
    this.path = path.replace(/(?<=.)\/+$/, '');
    this.#engine = engine;
    this.#directory = directory;
  }

  /** Takes these for unusable from now on, as long as they stay as they are. */
  exclude(unusable: readonly UnusableFile[]): void {
    for (const [key, { file }] of this.#segments) {
      const found = unusable.find(({ path }) => path === file.path);
      if (found !== undefined) this.#known.set(key, found);
    }
  }

  get #segments(): readonly (readonly [key: string, segment: Segment])[] {
    return [...this.#known].flatMap(([key, item]) => ('info' in item ? [[key, item] as const] : []));
  }

  /**
   * What is there now. A file that another one holds already is left out.
   * @throws ACCESS_DENIED, RECORDING_INVALID where there are too many files; CANCELLED
   */
  async find(signal?: AbortSignal): Promise<Found> {
    const files = listRecording(this.path, this.#directory);
    const known = new Map<string, Segment | UnusableFile>();
    const unread = files.some((file) => !this.#known.has(keyOf(file)));
    const read = async (connection?: DuckDBConnection): Promise<void> => {
      for (const file of files) {
        signal?.throwIfAborted();
        const found = this.#known.get(keyOf(file)) ?? (await readSegment(file, connection!));
        // What has been put together with others meanwhile is not missing.
        if ('info' in found || fileAt(file.path) !== undefined) known.set(keyOf(file), found);
      }
    };
    await (unread ? this.#engine.run(`reading ${this.path}`, signal, read) : read());
    this.#known = known;
    const all = [...known.values()];
    const segments = all.filter((item): item is Segment => 'info' in item);
    const merged = new Set(segments.flatMap(({ info }) => info.merges));
    return {
      segments: segments.filter(({ file }) => !merged.has(file.name)),
      unusable: all.filter((item): item is UnusableFile => 'error' in item && !merged.has(nameOf(item.path))),
    };
  }
}

/** The files at a path, without a look into them. */
function listRecording(path: string, directory: string | undefined): readonly ListedFile[] {
  try {
    const inside = directory ?? (isDirectory(path) ? path : partsOf(path));
    const single = inside === path ? undefined : fileAt(path);
    const files = [...(single ? [single] : []), ...listFiles(inside, isSegmentName)];
    if (files.length <= MAX_SEGMENTS) return files;
    const hint = 'have it kept for less long, or read parts of it';
    throw new VirtstatError('RECORDING_INVALID', `${path} has more than ${MAX_SEGMENTS} files; ${hint}`);
  } catch (error) {
    throw VirtstatError.from(error, 'ACCESS_DENIED', `${path} cannot be read`);
  }
}

/** True for what a recorder may have put into a directory; what begins with a dot is not whole yet. */
function isSegmentName(name: string): boolean {
  return name.endsWith(PARQUET) && !name.startsWith('.');
}

/** @throws CANCELLED by an interrupted connection; what is wrong with the file is data */
async function readSegment(file: ListedFile, connection: DuckDBConnection): Promise<Segment | UnusableFile> {
  try {
    const place = sql.path(file.path);
    const described = await connection.runAndReadAll(
      `SELECT value FROM parquet_kv_metadata(${place}) WHERE key = ${sql.text(INFO_KEY)}::BLOB`,
    );
    const [row] = described.getRowsJS();
    const blob = row?.[0];
    if (!(blob instanceof Uint8Array)) {
      throw new VirtstatError('RECORDING_INVALID', 'it is no recording of virtstat; record into another file');
    }
    if (blob.length > MAX_INFO_BYTES) {
      throw new VirtstatError('RECORDING_INVALID', `it says more than ${MAX_INFO_BYTES} bytes of itself`);
    }
    const counted = await connection.runAndReadAll(
      `SELECT num_rows, num_row_groups FROM parquet_file_metadata(${place})`,
    );
    const [rowCount, rowGroupCount] = counted.getRowsJS()[0]!.map(Number) as [number, number];
    return { file, info: decodeInfo(Buffer.from(blob).toString('utf8')), rowCount, rowGroupCount };
  } catch (error) {
    if (isInterruption(error)) throw error;
    return unreadable(file.path, error);
  }
}

function keyOf({ path, sizeBytes, modifiedNs }: ListedFile): string {
  return `${sizeBytes} ${modifiedNs} ${path}`;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
