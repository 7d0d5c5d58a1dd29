import { pause } from '../host/pause.ts';
import { VirtstatError } from '../model/errors.ts';
import { Backoff } from './backoff.ts';
import type { PushOutcome } from './push-outcome.ts';
import type { DiskQueue } from './queue/disk-queue.ts';
import type { QueuedBatch } from './queue/record.ts';

/** How long the end waits for a request that is under way, in milliseconds. */
const STOP_GRACE_MS = 2000;

/** Who takes batches. */
export interface Destination {
  /**
   * Sends one, and says what became of it.
   * @throws what connecting raises: then it is sent again
   */
  push(batch: QueuedBatch, signal: AbortSignal): Promise<PushOutcome>;
}

/** Who hears of what a sender does. */
export interface SenderListener {
  /** A batch is done with: how many of its samples were taken and how many never will be, and why, where the server said that. */
  onDone(taken: number, refused: number, reason: string | undefined): void;
  /** Something has to be tried again, or went well again (`undefined`). Told at every attempt that fails. */
  onTrouble(reason: VirtstatError | undefined): void;
}

/**
 * Sends what waits in a queue, one batch after the other in the queue's order: engines want the samples of a series in order. The next
 * one leaves when the disk knows that the one before was taken, so that nothing that was acknowledged is sent twice, with one
 * exception: where the process ends between the server's answer and that note, the next one sends this batch again.
 */
export class Sender {
  readonly #queue: DiskQueue;
  readonly #listener: SenderListener;
  /** Nothing more is begun. */
  readonly #stopping = new AbortController();
  /** What is under way is given up. */
  readonly #givingUp = new AbortController();
  readonly #running: Promise<void>;
  readonly #backoff: Backoff;

  /** Begins at once. */
  constructor(queue: DiskQueue, destination: Destination, listener: SenderListener, backoff: Backoff = new Backoff()) {
    this.#queue = queue;
    this.#listener = listener;
    this.#backoff = backoff;
    this.#running = this.#run(destination);
  }

  /** Sends no more, and waits a moment for what is under way: given up, it might be sent twice. Never rejects. */
  async stop(): Promise<void> {
    const closed = new VirtstatError('CLOSED', 'nothing is sent any more');
    this.#stopping.abort(closed);
    const timer = setTimeout(() => this.#givingUp.abort(closed), STOP_GRACE_MS);
    await this.#running;
    clearTimeout(timer);
  }

  async #run(destination: Destination): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const batch = await this.#untilDone(() => this.#queue.next(signal));
      const done = batch && (await this.#untilDone(() => this.#push(destination, batch)));
      if (done) await this.#untilDone(() => this.#queue.acknowledge(batch.sequence).then(done));
    }
  }

  /** Tries again until it went well; undefined where nothing is to be sent any more. */
  async #untilDone<T>(work: () => Promise<T>): Promise<T | undefined> {
    const { signal } = this.#stopping;
    do {
      try {
        const result = await work();
        this.#backoff.reset();
        this.#listener.onTrouble(undefined);
        return result;
      } catch (error) {
        if (signal.aborted) return undefined;
        const trouble = VirtstatError.from(error, 'INTERNAL', 'sending failed');
        this.#listener.onTrouble(trouble);
        await pause(this.#backoff.nextMs(error instanceof Later ? error.afterMs : 0), signal);
      }
    } while (!signal.aborted);
    return undefined;
  }

  /** What is to be told when the disk knows. @throws what makes it be tried again */
  async #push(destination: Destination, batch: QueuedBatch): Promise<() => void> {
    const outcome = await destination.push(batch, this.#givingUp.signal);
    if (outcome.kind === 'later') throw new Later(outcome.reason, outcome.afterMs);
    const { samples } = batch;
    const refused = outcome.kind === 'never' ? samples : Math.min(samples, outcome.refused);
    return () => this.#listener.onDone(samples - refused, refused, outcome.reason);
  }
}

/** A server that wants something to be sent again. */
class Later extends VirtstatError {
  readonly afterMs: number | undefined;

  constructor(reason: string, afterMs: number | undefined) {
    super('PUSH_FAILED', reason);
    this.afterMs = afterMs;
  }
}
