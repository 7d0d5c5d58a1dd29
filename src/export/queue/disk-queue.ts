import { LockedDirectory } from '../../host/locked-directory.ts';
import { VirtstatError } from '../../model/errors.ts';
import { Acknowledged } from './acknowledged.ts';
import { type Batch, MAX_BODY_BYTES, type QueuedBatch, recordBytes } from './record.ts';
import { isSegmentName, Segment } from './segment.ts';

/** The smallest bound on a queue, in bytes. */
export const MIN_QUEUE_BYTES: number = 1 << 20;

/** What may wait in memory where the disk takes nothing, in bytes. */
export const MAX_UNWRITTEN_BYTES: number = 8 << 20;

/** A queue is dropped in parts of this share of it, the oldest first. */
const SEGMENTS = 16;
const MAX_SEGMENT_BYTES = 8 << 20;

/** From here on a segment that is done with is given back, although there is room in it. */
const REUSED_BYTES = 1 << 20;

/**
 * Why something in a queue is not sent. `full`: newer batches took its room; `disk`: neither disk nor memory did; `damaged`: the
 * disk gave back something else.
 */
export type LossReason = 'full' | 'disk' | 'damaged';

/** Who hears of what happens to a queue. */
export interface QueueListener {
  /** These will never be sent. */
  onLost(reason: LossReason, samples: number): void;
  /** The disk takes nothing, or takes something again (`undefined`). Told once for each change. */
  onDisk(reason: string | undefined): void;
}

/** Where a queue is, and how large it may get. */
export interface QueueOptions {
  readonly directory: string;
  /** Bound on all its files together, at least {@link MIN_QUEUE_BYTES}. */
  readonly maxBytes: number;
  readonly listener: QueueListener;
}

/** What waits in a queue. */
export interface QueueState {
  readonly batches: number;
  readonly samples: number;
  readonly bytes: number;
}

/**
 * Batches on their way to one engine, in files: what was appended is there after a restart, however the process ended, and what
 * was acknowledged is not. Calls take turns. Where it is full, the oldest batches make room; where the disk takes nothing, a bounded
 * number of batches waits in memory.
 */
export class DiskQueue {
  readonly #directory: LockedDirectory;
  readonly #acknowledged: Acknowledged;
  readonly #listener: QueueListener;
  /** The oldest first. */
  readonly #segments: Segment[] = [];
  /** What the disk did not take, behind everything that it has. */
  #unwritten: QueuedBatch[] = [];
  #maxBytes: number;
  #lastSequence: bigint;
  #taken: bigint | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #wake: (() => void) | undefined;
  #isDiskFailing = false;

  private constructor({ maxBytes, listener }: QueueOptions, directory: LockedDirectory, acknowledged: Acknowledged) {
    this.#maxBytes = maxBytes;
    this.#listener = listener;
    this.#directory = directory;
    this.#acknowledged = acknowledged;
    this.#lastSequence = acknowledged.sequence;
  }

  /**
   * Takes the directory, and what another process left in it.
   * @throws ADDRESS_IN_USE, ACCESS_DENIED, QUEUE_UNUSABLE
   */
  static async open(options: QueueOptions): Promise<DiskQueue> {
    const directory = LockedDirectory.open(options.directory);
    let queue: DiskQueue | undefined;
    try {
      queue = new DiskQueue(options, directory, await Acknowledged.open(directory));
      await queue.#recover();
      return queue;
    } catch (error) {
      if (queue === undefined) directory[Symbol.dispose]();
      else await queue.close();
      throw VirtstatError.from(error, 'QUEUE_UNUSABLE', `the queue in ${options.directory} cannot be used`);
    }
  }

  /** What waits now. */
  get state(): QueueState {
    const sum = (of: (segment: Segment) => number): number =>
      this.#segments.reduce((total, segment) => total + of(segment), 0);
    return {
      batches: sum(({ batches }) => batches) + this.#unwritten.length,
      samples: sum(({ samples }) => samples) + this.#unwritten.reduce((total, { samples }) => total + samples, 0),
      bytes: sum(({ pendingBytes }) => pendingBytes) + this.#unwrittenBytes,
    };
  }

  /** Another bound; it holds from the next append on. */
  set maxBytes(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Puts batches behind all others; resolves when the disk has them, or memory where the disk does not take them. Never rejects. */
  append(batches: readonly Batch[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const batch of batches) {
        if (batch.body.length > MAX_BODY_BYTES || recordBytes(batch) > this.#maxBytes) {
          this.#listener.onLost('full', batch.samples);
        } else this.#unwritten.push({ ...batch, sequence: ++this.#lastSequence });
      }
      await this.#writeOut();
      this.#dropUnwritten();
      this.#wake?.();
    });
  }

  /**
   * The oldest batch that waits, the same one until it is acknowledged; waits for one where there is none.
   * @throws the signal's reason; QUEUE_UNUSABLE where the disk cannot be read
   */
  async next(signal: AbortSignal): Promise<QueuedBatch> {
    for (;;) {
      signal.throwIfAborted();
      // Whoever appends in the next turn finds somebody who waits.
      const found = await this.#inTurn(async () => (await this.#first()) ?? { appended: this.#untilAppended(signal) });
      if (!('appended' in found)) return found;
      await found.appended;
    }
  }

  /**
   * The batch that {@link next} gave is done with; resolves when the disk knows, so that it is never given again.
   * @throws QUEUE_UNUSABLE where the disk did not take that: it waits still
   */
  acknowledge(sequence: bigint): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#acknowledged.write(sequence);
      } catch (error) {
        throw VirtstatError.from(error, 'QUEUE_UNUSABLE', `what was sent cannot be noted in ${this.#directory.path}`);
      }
      this.#taken = undefined;
      this.#unwritten = this.#unwritten.filter((batch) => batch.sequence > sequence);
      for (const segment of this.#segments) segment.acknowledge(sequence);
      await this.#removeDone();
    });
  }

  /** Gives the directory back; what waits in memory only is written, if the disk takes it now. Never rejects. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#writeOut();
      for (const { samples } of this.#unwritten.splice(0)) this.#listener.onLost('disk', samples);
      await Promise.allSettled([...this.#segments.splice(0), this.#acknowledged].map((file) => file.close()));
      this.#directory[Symbol.dispose]();
    });
  }

  async #recover(): Promise<void> {
    const files = this.#directory.list().filter(({ name }) => isSegmentName(name));
    const acknowledged = this.#acknowledged.sequence;
    for (const [index, file] of files.entries()) {
      // Only the last one was being written to when its process ended.
      const checkAll = index === files.length - 1;
      const { segment, lostBytes } = await Segment.find(this.#directory, file, { acknowledged, checkAll });
      this.#segments.push(segment);
      if (lostBytes > 0) this.#listener.onLost('damaged', 0);
      this.#lastSequence = segment.lastSequence ?? this.#lastSequence;
    }
    await this.#removeDone(true);
  }

  /** One thing after the other: appending, reading and acknowledging all change where the queue begins and ends. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #writeOut(): Promise<void> {
    try {
      while (this.#unwritten.length > 0) await this.#writeSome();
      this.#noteDisk(undefined);
    } catch (error) {
      this.#noteDisk(error instanceof Error ? error.message : String(error));
    }
  }

  /** As many as fit into a segment and onto the disk, at least one. */
  async #writeSome(): Promise<void> {
    const segmentBytes = Math.min(MAX_SEGMENT_BYTES, Math.floor(this.#maxBytes / SEGMENTS));
    let last = this.#segments.at(-1);
    const [first] = this.#unwritten;
    if (first === undefined) return;
    if (last === undefined || (last.sizeBytes > 0 && last.sizeBytes + recordBytes(first) > segmentBytes)) {
      last = await Segment.create(this.#directory, first.sequence);
      this.#segments.push(last);
    }
    const fitting: QueuedBatch[] = [];
    let sizeBytes = last.sizeBytes;
    for (const batch of this.#unwritten) {
      if (sizeBytes > 0 && sizeBytes + recordBytes(batch) > segmentBytes) break;
      fitting.push(batch);
      sizeBytes += recordBytes(batch);
    }
    await this.#makeRoom(sizeBytes - last.sizeBytes);
    this.#unwritten.splice(0, await last.appendSome(fitting));
  }

  async #makeRoom(bytes: number): Promise<void> {
    const used = (): number => this.#segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    while (this.#segments.length > 1 && used() + bytes > this.#maxBytes) {
      const [oldest] = this.#segments.splice(0, 1) as [Segment];
      // The one that is being sent may still arrive.
      if (this.#taken !== undefined) oldest.acknowledge(this.#taken);
      if (oldest.samples > 0) this.#listener.onLost('full', oldest.samples);
      await this.#discard(oldest);
    }
  }

  #dropUnwritten(): void {
    for (let bytes = this.#unwrittenBytes; bytes > MAX_UNWRITTEN_BYTES; ) {
      const index = this.#unwritten.findIndex(({ sequence }) => sequence !== this.#taken);
      const [oldest] = this.#unwritten.splice(index, 1) as [QueuedBatch];
      bytes -= recordBytes(oldest);
      this.#listener.onLost('disk', oldest.samples);
    }
  }

  get #unwrittenBytes(): number {
    return this.#unwritten.reduce((sum, batch) => sum + recordBytes(batch), 0);
  }

  async #first(): Promise<QueuedBatch | undefined> {
    for (;;) {
      const segment = this.#segments.find(({ batches }) => batches > 0);
      const first = segment === undefined ? this.#unwritten[0] : await this.#firstOf(segment);
      if (first === undefined || !('lost' in first)) {
        this.#taken = first?.sequence;
        return first;
      }
      const before = segment?.samples ?? 0;
      segment?.acknowledge(first.lost);
      this.#listener.onLost('damaged', before - (segment?.samples ?? 0));
    }
  }

  async #firstOf(segment: Segment): Promise<Awaited<ReturnType<Segment['first']>>> {
    try {
      return await segment.first();
    } catch (error) {
      throw VirtstatError.from(error, 'QUEUE_UNUSABLE', `what waits in ${this.#directory.path} cannot be read`);
    }
  }

  /** The last segment is kept while there is room in it. */
  async #removeDone(all = false): Promise<void> {
    for (const segment of [...this.#segments]) {
      if (segment.batches > 0) break;
      if (!all && segment === this.#segments.at(-1) && segment.sizeBytes < REUSED_BYTES) break;
      this.#segments.splice(this.#segments.indexOf(segment), 1);
      await this.#discard(segment);
    }
  }

  /** What cannot be removed now is at the next start: all that is in it is acknowledged, or is sent then after all. */
  async #discard(segment: Segment): Promise<void> {
    await segment.close().catch(() => undefined);
    await this.#directory.remove(segment.name).catch(() => undefined);
  }

  #noteDisk(reason: string | undefined): void {
    const isFailing = reason !== undefined;
    if (isFailing === this.#isDiskFailing) return;
    this.#isDiskFailing = isFailing;
    this.#listener.onDisk(reason);
  }

  #untilAppended(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#wake = () => {
        this.#wake = undefined;
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
    });
  }
}
