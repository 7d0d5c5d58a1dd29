import type { Batch } from './queue/record.ts';

/** What a destination is to get, made of what domains say now. */
export interface Feed {
  /**
   * The batches of one collection; all must be asked for.
   * @throws the signal's reason, CANCELLED
   */
  read(signal: AbortSignal): AsyncIterable<Batch>;
}

/** Most samples of one request: engines take some thousands, and one that is lost costs as many. */
export const MAX_BATCH_SAMPLES = 5000;
