import type { VirtstatError } from '../model/errors.ts';
import type { PushLog } from './push-log.ts';
import type { LossReason, QueueListener } from './queue/disk-queue.ts';
import type { SenderListener } from './sender.ts';

/** Why samples never arrive: `refused` by the engine, or what a queue loses. */
export type DropCause = LossReason | 'refused';

/**
 * Counts what becomes of samples, and tells the log where that changes: when something begins to go wrong, and when it goes well
 * again.
 */
export class PushTally implements QueueListener, SenderListener {
  readonly #push: string;
  readonly #log: PushLog;
  readonly #dropped = new Map<DropCause, number>([
    ['refused', 0],
    ['full', 0],
    ['disk', 0],
    ['damaged', 0],
  ]);
  #sent = 0;
  #refusedSince = 0;
  #isRefusing = false;
  #isFailing = false;
  #isCollectionFailing = false;
  /** Told until something was sent again. */
  readonly #losing = new Set<LossReason>();

  constructor(push: string, log: PushLog) {
    this.#push = push;
    this.#log = log;
  }

  /** Samples that were taken. */
  get sent(): number {
    return this.#sent;
  }

  /** Samples that never will be, by why not. */
  get dropped(): ReadonlyMap<DropCause, number> {
    return this.#dropped;
  }

  /** True while nothing gets through. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  onDone(taken: number, refused: number, reason: string | undefined): void {
    this.#sent += taken;
    this.#count('refused', refused);
    this.#refusedSince += refused;
    if (taken > 0) this.#losing.clear();
    const isRefusing = refused > 0;
    if (isRefusing === this.#isRefusing) return;
    this.#isRefusing = isRefusing;
    if (isRefusing)
      this.#warn({ samples: refused, reason }, 'the engine refuses samples; they are dropped and counted');
    else this.#info({ dropped: this.#refusedSince }, 'the engine takes all samples again');
    if (!isRefusing) this.#refusedSince = 0;
  }

  onTrouble(trouble: VirtstatError | undefined): void {
    const isFailing = trouble !== undefined;
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    if (isFailing) this.#warn(factsOf(trouble), 'samples do not get through; they wait, and are sent again');
    else this.#info({}, 'samples get through again');
  }

  onLost(reason: LossReason, samples: number): void {
    this.#count(reason, samples);
    if (this.#losing.has(reason)) return;
    this.#losing.add(reason);
    this.#warn({ samples }, LOSSES[reason]);
  }

  onDisk(reason: string | undefined): void {
    if (reason === undefined) this.#info({}, 'the disk takes what waits again');
    else this.#warn({ reason }, 'the disk does not take what waits; some of it is kept in memory');
  }

  /** A collection went well, or did not. */
  onCollected(trouble: VirtstatError | undefined): void {
    const isFailing = trouble !== undefined;
    if (isFailing === this.#isCollectionFailing) return;
    this.#isCollectionFailing = isFailing;
    if (isFailing) this.#warn(factsOf(trouble), 'nothing can be collected to be sent');
    else this.#info({}, 'there is something to be sent again');
  }

  #count(cause: DropCause, samples: number): void {
    this.#dropped.set(cause, (this.#dropped.get(cause) ?? 0) + samples);
  }

  #info(facts: Readonly<Record<string, unknown>>, message: string): void {
    this.#log.info({ push: this.#push, ...facts }, message);
  }

  #warn(facts: Readonly<Record<string, unknown>>, message: string): void {
    this.#log.warn({ push: this.#push, ...facts }, message);
  }
}

const LOSSES: Readonly<Record<LossReason, string>> = {
  full: 'what waits is more than its bound; the oldest of it is dropped and counted',
  disk: 'neither disk nor memory has room for what waits; the oldest of it is dropped and counted',
  damaged: 'the disk gave back something else than was written; that is dropped',
};

function factsOf({ code, message }: VirtstatError): Readonly<Record<string, unknown>> {
  return { code, reason: message };
}
