import type { ServedConnection } from '../host/served-connection.ts';
import { VirtstatError } from '../model/errors.ts';

/** Unread output from which on nothing more is made for a client, in bytes. */
export const MAX_UNREAD_BYTES: number = 256 * 1024;

/** How long that may last until the client is dropped, in milliseconds. */
export const MAX_STALL_MS = 30_000;

/** What an {@link UnreadRoom} needs from outside. */
export interface UnreadRoomOptions {
  /** {@link MAX_STALL_MS} if absent. */
  readonly maxStallMs?: number | undefined;
  /** Who does not read, as the subject of a sentence. */
  readonly who: string;
  /** Drops the client. */
  readonly drop: (reason: VirtstatError) => void;
}

/** Room for what one client has not read yet: while there is none, nothing is made for it, and it is dropped where that lasts. */
export class UnreadRoom {
  readonly #connection: ServedConnection<unknown>;
  readonly #options: UnreadRoomOptions;
  #waiting: PromiseWithResolvers<void> | undefined;
  #stall: NodeJS.Timeout | undefined;

  constructor(connection: ServedConnection<unknown>, options: UnreadRoomOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Resolves when there is room, or the client is gone. */
  async wait(): Promise<void> {
    if (this.#connection.unsentBytes <= MAX_UNREAD_BYTES) return;
    if (this.#waiting === undefined) {
      const { who, drop, maxStallMs: limitMs = MAX_STALL_MS } = this.#options;
      this.#waiting = Promise.withResolvers();
      this.#stall = setTimeout(() => {
        const unread = `${this.#connection.unsentBytes} bytes wait to be sent`;
        drop(new VirtstatError('QUEUE_FULL', `${who} did not read for ${limitMs} ms: ${unread}`));
      }, limitMs).unref();
    }
    await this.#waiting.promise;
  }

  /** To be called when the client has read everything, and when it is gone. */
  open(): void {
    clearTimeout(this.#stall);
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
