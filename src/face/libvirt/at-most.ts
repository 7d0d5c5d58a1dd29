/** Resolves when the work is done, after that long, or with the signal. */
export function atMost(ms: number, signal: AbortSignal, work: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = Number.isFinite(ms) ? setTimeout(done, ms) : undefined;
    signal.addEventListener('abort', done, { once: true });
    void work.finally(done);
    if (signal.aborted) done();
  });
}
