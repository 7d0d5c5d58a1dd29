import { type QmpOutput, WrittenValue } from '../../protocol/qmp/server/writer.ts';

/** Most different requests whose replies are kept for the same values. */
export const MAX_KEPT_REPLIES = 16;

/** Longest request that is kept, in characters: readers choose its names. */
export const MAX_KEPT_REQUEST_LENGTH = 1024;

/**
 * Replies that were written out once for the values that they show. Many readers ask for the same; what is written for one
 * is sent to all, for as long as the values are the same.
 */
export class ReplyCache {
  readonly #byValues = new WeakMap<object, Map<string, WrittenValue>>();

  /** The reply to `request` from `values`, made by `make` where it is not there yet. */
  async get(values: object, request: string, make: () => Promise<QmpOutput>): Promise<WrittenValue> {
    let replies = this.#byValues.get(values);
    if (replies === undefined) this.#byValues.set(values, (replies = new Map()));
    const known = replies.get(request);
    if (known !== undefined) return known;
    const reply = new WrittenValue(await make());
    if (replies.size < MAX_KEPT_REPLIES && request.length <= MAX_KEPT_REQUEST_LENGTH) replies.set(request, reply);
    return reply;
  }
}
