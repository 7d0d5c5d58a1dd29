import { crc32 } from 'node:zlib';
import { pause } from '../host/pause.ts';
import { VirtstatError } from '../model/errors.ts';
import type { Feed } from './feed.ts';
import { type EndpointOptions, HttpDestination, type PushProtocol } from './http-destination.ts';
import type { PushLog } from './push-log.ts';
import { DiskQueue, type QueueState } from './queue/disk-queue.ts';
import type { Batch } from './queue/record.ts';
import { Sender } from './sender.ts';
import { type DropCause, PushTally } from './tally.ts';

/** What is pushed, where to, and how often. */
export interface PushSettings {
  /** From one collection to the next, in milliseconds. */
  readonly everyMs: number;
  readonly feed: Feed;
  readonly endpoint: EndpointOptions;
  /** Bound on the files of what waits, in bytes. */
  readonly queueBytes: number;
}

/** What a push is for as long as it is there. */
export interface PushOptions extends PushSettings {
  /** What tells it from other pushes: in the log, among metrics. */
  readonly name: string;
  readonly queueDirectory: string;
  /** Name of this host: each has its own moments to collect. */
  readonly host: string;
  readonly log: PushLog;
}

/** How a push does. */
export interface PushState {
  readonly name: string;
  readonly protocol: PushProtocol;
  readonly waiting: QueueState;
  /** Samples that an engine took. */
  readonly sent: number;
  /** Samples that no engine will get, by why not. */
  readonly dropped: ReadonlyMap<DropCause, number>;
  /** True while what is tried does not go well. */
  readonly isFailing: boolean;
}

/**
 * Collects at its pace, and sends to one engine what it has collected; what cannot be sent waits in files. Collecting and sending wait
 * for nothing of each other.
 */
export class Push {
  readonly #name: string;
  readonly #host: string;
  readonly #queue: DiskQueue;
  readonly #tally: PushTally;
  readonly #log: PushLog;
  #settings: PushSettings;
  #running: Running;

  private constructor(options: PushOptions, queue: DiskQueue, tally: PushTally) {
    this.#name = options.name;
    this.#host = options.host;
    this.#log = options.log;
    this.#queue = queue;
    this.#tally = tally;
    this.#settings = options;
    this.#running = this.#begin(options);
  }

  /**
   * Takes its directory, and begins.
   * @throws ADDRESS_IN_USE, ACCESS_DENIED, QUEUE_UNUSABLE
   */
  static async open(options: PushOptions): Promise<Push> {
    const tally = new PushTally(options.name, options.log);
    const queue = await DiskQueue.open({
      directory: options.queueDirectory,
      maxBytes: options.queueBytes,
      listener: tally,
    });
    return new Push(options, queue, tally);
  }

  /** How it does now. */
  get state(): PushState {
    const { sent, dropped, isFailing } = this.#tally;
    const { protocol } = this.#settings.endpoint;
    return { name: this.#name, protocol, waiting: this.#queue.state, sent, dropped, isFailing };
  }

  /** Goes on with other settings; what waits goes by those too. */
  async reconfigure(settings: PushSettings): Promise<void> {
    await this.#running.stop();
    this.#queue.maxBytes = settings.queueBytes;
    this.#settings = settings;
    this.#running = this.#begin(settings);
  }

  /** Ends collecting and sending; what waits stays. Never rejects. */
  async stop(): Promise<void> {
    await this.#running.stop();
    const { samples } = this.#queue.state;
    await this.#queue.close();
    if (samples > 0) this.#log.info({ push: this.#name, samples }, 'what could not be sent waits for the next start');
  }

  #begin({ feed, everyMs, endpoint }: PushSettings): Running {
    const stopping = new AbortController();
    const destination = new HttpDestination(endpoint);
    const sender = new Sender(this.#queue, destination, this.#tally);
    const collecting = this.#collect(feed, everyMs, stopping.signal);
    return {
      stop: async () => {
        stopping.abort(new VirtstatError('CLOSED', 'nothing is collected any more'));
        await Promise.all([collecting, sender.stop()]);
        destination[Symbol.dispose]();
      },
    };
  }

  /** One collection now, then one in each interval. */
  async #collect(feed: Feed, everyMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const batches: Batch[] = [];
        for await (const batch of feed.read(signal)) batches.push(batch);
        await this.#queue.append(batches);
        this.#tally.onCollected(undefined);
      } catch (error) {
        if (signal.aborted) return;
        this.#tally.onCollected(VirtstatError.from(error, 'INTERNAL', 'collecting failed'));
      }
      await pause(untilTurnMs(`${this.#host} ${this.#name}`, everyMs), signal);
    }
  }
}

/** What runs with one set of settings. */
interface Running {
  stop(): Promise<void>;
}

/**
 * Until the next turn, in milliseconds. Turns have a place in the interval that each host and push has for itself, so that a thousand
 * hosts do not push at the same moment.
 */
function untilTurnMs(who: string, everyMs: number): number {
  const place = crc32(who) % everyMs;
  const leftMs = everyMs - ((((Date.now() - place) % everyMs) + everyMs) % everyMs);
  // A timer may be early: that was this turn.
  return leftMs < everyMs / 10 ? leftMs + everyMs : leftMs;
}
