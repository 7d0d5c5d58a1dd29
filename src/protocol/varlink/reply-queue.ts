import { VirtstatError } from '../../model/errors.ts';
import type { VarlinkReply } from './messages.ts';

/** Most bytes of replies that may wait for a reader of a stream, in bytes (32 MiB): two of the longest. */
export const MAX_UNREAD_BYTES: number = 32 * 2 ** 20;

/** Replies of one call between the connection that brings them and the loop that reads them. */
export class ReplyQueue {
  readonly #method: string;
  readonly #maxUnreadBytes: number;
  readonly #replies: { readonly reply: VarlinkReply; readonly sizeBytes: number }[] = [];
  #unreadBytes = 0;
  #failure: VirtstatError | undefined;
  #waiting: PromiseWithResolvers<void> | undefined;

  constructor(method: string, maxUnreadBytes: number = MAX_UNREAD_BYTES) {
    this.#method = method;
    this.#maxUnreadBytes = maxUnreadBytes;
  }

  /** Adds a reply. Where too much waits, the queue fails with QUEUE_FULL behind what it has. */
  push(reply: VarlinkReply, sizeBytes: number): void {
    if (this.#failure !== undefined) return;
    this.#unreadBytes += sizeBytes;
    if (this.#unreadBytes > this.#maxUnreadBytes) {
      const limit = `${this.#maxUnreadBytes} bytes of replies to ${this.#method} were not read`;
      this.fail(new VirtstatError('QUEUE_FULL', `${limit}; read faster, or ask for less`));
      return;
    }
    this.#replies.push({ reply, sizeBytes });
    this.#waiting?.resolve();
  }

  /** No reply follows. */
  fail(error: VirtstatError): void {
    this.#failure ??= error;
    this.#waiting?.resolve();
  }

  /** The next reply. @throws what {@link fail} was given, behind the last reply */
  async next(): Promise<VarlinkReply> {
    for (;;) {
      const item = this.#replies.shift();
      if (item !== undefined) {
        this.#unreadBytes -= item.sizeBytes;
        return item.reply;
      }
      if (this.#failure !== undefined) throw this.#failure;
      this.#waiting = Promise.withResolvers();
      await this.#waiting.promise;
    }
  }
}
