import { cancellation, VirtstatError } from '../model/errors.ts';

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
  return untilDeadline((signal) => whileWanted(work(signal), signal, options.what), options);
}

/**
 * Runs `work` with the same signal, for work that waits for nothing longer than that: what it has by then is its result.
 */
export async function untilDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { signal, timeoutMs, what }: DeadlineOptions,
): Promise<T> {
  if (signal.aborted) throw cancellation(signal, what);
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new VirtstatError('TIMEOUT', `${what} gave no answer within ${timeoutMs} ms`));
  }, timeoutMs);
  const forget = onceAborted(signal, () => controller.abort(cancellation(signal, what)));
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    forget();
  }
}

/** Waits for something that others share: the signal ends this wait, not the work. */
export function whileWanted<T>(shared: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  if (signal.aborted) return Promise.reject(cancellation(signal, what));
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(cancellation(signal, what));
    shared.then(resolve, reject).finally(onceAborted(signal, onAbort));
  });
}

const listenersOf = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `listener` when a signal fires that has not fired yet; returns what takes it away again. The platform walks the list
 * of a signal's listeners whenever one comes or goes, which ten thousand domains under one signal would feel: here a signal
 * has one.
 */
export function onceAborted(signal: AbortSignal, listener: () => void): () => void {
  let listeners = listenersOf.get(signal);
  if (listeners === undefined) {
    const all = new Set<() => void>();
    listenersOf.set(signal, (listeners = all));
    signal.addEventListener('abort', () => all.forEach((one) => void one()), { once: true });
  }
  const called = listeners.add(listener);
  return () => void called.delete(listener);
}
