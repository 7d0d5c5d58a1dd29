import type { ServedConnection } from '../host/served-connection.ts';

/** A chunk as long as this is taken for one of many, in bytes: requests of ordinary clients are shorter. */
export const LONG_CHUNK_BYTES: number = 16 * 1024;

/**
 * Leaves what a client sends in the system until everybody else had their turn, then reads on if `mayRead`. For those who sent
 * a long chunk: the platform would else read megabytes from one of them before it looks at the next client.
 */
export function readOnAfterOthers(connection: ServedConnection<unknown>, mayRead: () => boolean): void {
  connection.pause();
  setImmediate(() => {
    if (mayRead()) connection.resume();
  });
}
