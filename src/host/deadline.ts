import { VirtstatError } from '../model/errors.ts';

/** What bounds a wait. */
export interface DeadlineOptions {
  /** Ends the wait early. */
  readonly signal: AbortSignal;
  /** Longest wait in milliseconds, 1 to 2^31-1. */
  readonly timeoutMs: number;
  /** What is waited for, as the subject of a sentence: `the monitor of lab-1`. */
  readonly what: string;
}

/**
 * Runs `work` with a signal that fires at the deadline or with the caller's signal, whichever is first, and rejects at
 * that moment even where `work` does not listen: a deaf peer costs its caller no more than the limit.
 * @throws TIMEOUT at the deadline; the reason of the caller's signal, or CANCELLED around it
 */
export function withDeadline<T>(work: (signal: AbortSignal) => Promise<T>, options: DeadlineOptions): Promise<T> {
  const { signal, timeoutMs, what } = options;
  return new Promise<T>((resolve, reject) => {
    const controller = new AbortController();
    const stop = (error: VirtstatError): void => {
      release();
      controller.abort(error);
      reject(error);
    };
    const onAbort = (): void => stop(cancellation(signal, what));
    const timer = setTimeout(() => {
      stop(new VirtstatError('TIMEOUT', `${what} gave no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    const release = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work(controller.signal).then(resolve, reject).finally(release);
  });
}

/** Waits for something that others share: the signal ends this wait, not the work. */
export function whileWanted<T>(shared: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  if (signal.aborted) return Promise.reject(cancellation(signal, what));
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(cancellation(signal, what));
    signal.addEventListener('abort', onAbort, { once: true });
    shared.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** The error that a fired signal stands for: its reason where that is one of virtstat's, else CANCELLED. */
export function cancellation(signal: AbortSignal, what: string): VirtstatError {
  if (VirtstatError.is(signal.reason)) return signal.reason;
  return new VirtstatError('CANCELLED', `${what} is no longer waited for: the caller cancelled`, {
    cause: signal.reason,
  });
}
