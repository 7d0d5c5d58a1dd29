import { pread } from '../../host/syscalls.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import { deltaOfWords, IS_LITTLE_ENDIAN, wordsToBigint } from '../../model/u64.ts';
import { MACHINE_BYTE_ORDER, VALUE_SIZE_BYTES } from '../../protocol/kvm-stats/format.ts';
import type { Layout } from '../../protocol/kvm-stats/layout.ts';
import type { StatsFile } from './stats-file.ts';

/** 32-bit words in a value, and which of them is the low one. */
const WORDS = 2;
const LOW = IS_LITTLE_ENDIAN ? 0 : 1;
const HIGH = 1 - LOW;

/** One file, and where what belongs to it stands. */
interface Track {
  readonly file: StatsFile;
  readonly dataOffset: number;
  readonly dataSizeBytes: number;
  /** Index of its first scalar among the scalars of all files. */
  readonly first: number;
  readonly columns: Columns;
}

/** The scalars of a layout, shared by all files that are alike. */
interface Columns {
  readonly stats: readonly StatDescriptor[];
  /** First 32-bit word of each in the data block. */
  readonly words: Int32Array;
}

/** The scalars of all files by the last sweep, their halves apart. */
interface Kept {
  readonly lows: Uint32Array;
  readonly highs: Uint32Array;
}

/**
 * Reads thousands of stats files at once and says how much every scalar statistic (every one that has a single value)
 * changed since the sweep before. All memory is taken at the start; a sweep is one read per file and subtractions of 32-bit
 * words, and allocates nothing. Every file is read into the same block, and only its scalars are kept: memory that stays in
 * the processor's cache costs less than two whole generations of data blocks.
 *
 * The files stay their owners': one that is closed meanwhile counts as failed. Whether a VM still lives is their owners' to
 * watch, too.
 */
export class Sampler {
  /**
   * What changed by the last sweep: {@link firstDelta} of a file, then its scalars in the order of {@link scalars}. Exact
   * up to 2^53 in size. A negative delta of a cumulative statistic is a counter that was reset. NaN where there is nothing
   * to compare with: after the first sweep, after one that failed, and after the next one.
   */
  readonly deltas: Float64Array<ArrayBuffer>;
  /** Nanoseconds between the last two sweeps; NaN before the second. */
  intervalNs: number = Number.NaN;
  /** Files that could not be read in the last sweep. */
  failedCount = 0;
  readonly #tracks: readonly Track[];
  /** Where a file is read to: its bytes, and the same as 32-bit words. */
  readonly #block: Uint8Array;
  readonly #blockWords: Uint32Array;
  readonly #kept: Kept;
  /** 1 for each file that was read in the last sweep. */
  readonly #isRead: Uint8Array;
  #sweptAtMs: number = Number.NaN;

  /** @throws USAGE for a file in another byte order than this machine's */
  constructor(files: readonly StatsFile[]) {
    this.#tracks = layOut(files);
    const last = this.#tracks.at(-1);
    const scalarCount = last === undefined ? 0 : last.first + last.columns.words.length;
    const block = new ArrayBuffer(files.reduce((size, { layout }) => Math.max(size, layout.dataSizeBytes), 0));
    this.#block = new Uint8Array(block);
    this.#blockWords = new Uint32Array(block);
    this.#kept = { lows: new Uint32Array(scalarCount), highs: new Uint32Array(scalarCount) };
    this.#isRead = new Uint8Array(files.length);
    this.deltas = new Float64Array(scalarCount).fill(Number.NaN);
  }

  /** How many files are read. */
  get fileCount(): number {
    return this.#tracks.length;
  }

  /** Reads every file and computes every delta. Never throws for a file that cannot be read: see {@link isFailed}. */
  sweep(): void {
    const nowMs = performance.now();
    this.intervalNs = (nowMs - this.#sweptAtMs) * 1e6;
    this.#sweptAtMs = nowMs;
    // Looked up once: what a field holds is not known any more after each system call.
    const tracks = this.#tracks;
    const block = this.#block;
    const blockWords = this.#blockWords;
    const kept = this.#kept;
    const isRead = this.#isRead;
    const deltas = this.deltas;
    let failedCount = 0;
    for (let index = 0; index < tracks.length; index++) {
      const track = tracks[index]!;
      const wasRead = isRead[index] === 1;
      const count = pread(track.file.fd, block, track.dataSizeBytes, track.dataOffset);
      const isReadNow = count === track.dataSizeBytes;
      isRead[index] = isReadNow ? 1 : 0;
      if (isReadNow) advance(track.columns.words, track.first, blockWords, kept, deltas);
      else failedCount++;
      if (!isReadNow || !wasRead) forget(track, deltas);
    }
    this.failedCount = failedCount;
  }

  /** True where the file could not be read, or not whole, in the last sweep. */
  isFailed(fileIndex: number): boolean {
    return this.#isRead[fileIndex] !== 1;
  }

  /** The scalars of a file, in the kernel's order. */
  scalars(fileIndex: number): readonly StatDescriptor[] {
    return this.#track(fileIndex).columns.stats;
  }

  /** Index in {@link deltas} of the first scalar of a file. */
  firstDelta(fileIndex: number): number {
    return this.#track(fileIndex).first;
  }

  /** The exact value of a scalar by the last sweep; undefined where the file could not be read, or has no such scalar. */
  value(fileIndex: number, scalarIndex: number): bigint | undefined {
    const { columns, first } = this.#track(fileIndex);
    if (columns.stats[scalarIndex] === undefined || this.isFailed(fileIndex)) return undefined;
    const { lows, highs } = this.#kept;
    return wordsToBigint(lows[first + scalarIndex]!, highs[first + scalarIndex]!);
  }

  /**
   * The deltas per second, into `into`, which must be as long as {@link deltas}. A negative rate of a cumulative statistic
   * is a reset, as in {@link deltas}.
   */
  rates(into: Float64Array): Float64Array {
    const { deltas } = this;
    if (into.length !== deltas.length) {
      throw new VirtstatError('USAGE', `the rates need an array of ${deltas.length} elements, not ${into.length}`);
    }
    const perSecond = 1e9 / this.intervalNs;
    for (let index = 0; index < deltas.length; index++) into[index] = deltas[index]! * perSecond;
    return into;
  }

  #track(fileIndex: number): Track {
    const track = this.#tracks[fileIndex];
    if (track === undefined) throw new VirtstatError('USAGE', `there is no file ${fileIndex} among ${this.fileCount}`);
    return track;
  }
}

/**
 * What the scalars of the block that was just read add to those kept, which it then replaces. A function of its own, with
 * all it needs in its arguments: it runs for every file and is most of what we add to a read.
 */
function advance(words: Int32Array, first: number, block: Uint32Array, kept: Kept, deltas: Float64Array): void {
  const { lows, highs } = kept;
  let at = first;
  for (let index = 0; index < words.length; index++, at++) {
    const word = words[index]!;
    const low = block[word + LOW]!;
    const high = block[word + HIGH]!;
    deltas[at] = deltaOfWords(low, high, lows[at]!, highs[at]!);
    lows[at] = low;
    highs[at] = high;
  }
}

function forget({ columns, first }: Track, deltas: Float64Array): void {
  deltas.fill(Number.NaN, first, first + columns.words.length);
}

function layOut(files: readonly StatsFile[]): readonly Track[] {
  const known = new Map<Layout['stats'], Columns>();
  let first = 0;
  return files.map((file) => {
    const { layout } = file;
    if (layout.byteOrder !== MACHINE_BYTE_ORDER) {
      throw new VirtstatError(
        'USAGE',
        `${layout.id} is no file of this machine: its byte order is ${layout.byteOrder}`,
      );
    }
    const columns = known.get(layout.stats) ?? columnsOf(layout);
    known.set(layout.stats, columns);
    const { dataOffset, dataSizeBytes } = layout;
    const track = { file, dataOffset, dataSizeBytes, first, columns };
    first += columns.words.length;
    return track;
  });
}

function columnsOf({ stats, places }: Layout): Columns {
  const scalars = stats.map((stat, index) => ({ stat, place: places[index]! })).filter(({ place }) => place.size === 1);
  return {
    stats: scalars.map(({ stat }) => stat),
    words: Int32Array.from(scalars, ({ place }) => (place.offsetBytes / VALUE_SIZE_BYTES) * WORDS),
  };
}
