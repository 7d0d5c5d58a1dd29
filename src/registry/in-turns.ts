/** How many are begun in one turn of the event loop. */
const BEGUN_PER_TURN = 16;

/**
 * What `work` makes of each, in their order. All are under way at the same time, but not all begin at once: most are done within
 * their turn, and what they took for it is garbage before it is old. Between the turns others have theirs.
 */
export async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R> | R): Promise<readonly R[]> {
  const begun: (Promise<R> | R)[] = [];
  for (const item of items) {
    if (begun.length > 0 && begun.length % BEGUN_PER_TURN === 0) await new Promise(setImmediate);
    const result = work(item);
    // One that fails while others have yet to begin is told of at the end.
    if (result instanceof Promise) result.catch(() => undefined);
    begun.push(result);
  }
  return Promise.all(begun);
}
