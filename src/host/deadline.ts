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
  return limited(work, options, true);
}

/**
 * Runs `work` with the same signal, for work that waits for nothing longer than that: what it has by then is its result.
 */
export function untilDeadline<T>(work: (signal: AbortSignal) => Promise<T>, options: DeadlineOptions): Promise<T> {
  return limited(work, options, false);
}

function limited<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { signal, timeoutMs, what }: DeadlineOptions,
  isDeaf: boolean,
): Promise<T> {
  if (signal.aborted) return Promise.reject(cancellation(signal, what));
  return new Promise<T>((resolve, reject) => {
    const controller = new AbortController();
    const listeners = ownListeners(controller.signal);
    const stop = (reason: VirtstatError): void => {
      over();
      if (isDeaf) reject(reason);
      controller.abort(reason);
      for (const listener of listeners) listener();
    };
    const timer = setTimeout(() => {
      stop(new VirtstatError('TIMEOUT', `${what} gave no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    const forget = onceAborted(signal, () => stop(cancellation(signal, what)));
    const over = (): void => {
      clearTimeout(timer);
      forget();
    };
    settle(work, controller.signal, resolve, reject, over);
  });
}

/** What the work comes to, once it does. */
function settle<T>(
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
  over: () => void,
): void {
  const fail = (error: unknown): void => {
    over();
    reject(error);
  };
  try {
    work(signal).then((value) => {
      over();
      resolve(value);
    }, fail);
  } catch (error) {
    fail(error);
  }
}

/** Waits for something that others share: the signal ends this wait, not the work. */
export function whileWanted<T>(shared: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  if (signal.aborted) {
    // Nobody hears any more what becomes of it.
    shared.catch(() => undefined);
    return Promise.reject(cancellation(signal, what));
  }
  return new Promise<T>((resolve, reject) => {
    const forget = onceAborted(signal, () => reject(cancellation(signal, what)));
    shared.then(
      (value) => {
        forget();
        resolve(value);
      },
      (error: unknown) => {
        forget();
        reject(error);
      },
    );
  });
}

/**
 * Under this name a signal carries who is to be called when it fires. A map beside it would cost the collector of garbage as much
 * as the waits cost.
 */
const LISTENERS: unique symbol = Symbol('listeners');

/** A signal with its listeners. */
interface Listened extends AbortSignal {
  [LISTENERS]?: Set<() => void>;
}

/** The listeners of a signal of ours, which are called by whoever fires it. */
function ownListeners(signal: Listened): Set<() => void> {
  return (signal[LISTENERS] = new Set());
}

/**
 * Calls `listener` when a signal fires that has not fired yet; returns what takes it away again. The platform walks the list
 * of a signal's listeners whenever one comes or goes, which ten thousand domains under one signal would feel: here a signal
 * has one, or none where it is ours.
 */
export function onceAborted(signal: AbortSignal, listener: () => void): () => void {
  const listened: Listened = signal;
  let listeners = listened[LISTENERS];
  if (listeners === undefined) {
    const all = (listeners = ownListeners(listened));
    signal.addEventListener('abort', () => all.forEach((one) => void one()), { once: true });
  }
  const called = listeners.add(listener);
  return () => void called.delete(listener);
}

/**
 * A signal that fires with the first of several, for as long as it is in use. One that `AbortSignal.any` makes stays, once somebody
 * listens to it, as long as those that it is made of: whoever reads for days would leave one behind with each call.
 */
export class JoinedSignal implements Disposable {
  readonly #controller = new AbortController();
  readonly #forget: readonly (() => void)[];

  /** Those that are undefined never fire. */
  constructor(...signals: readonly (AbortSignal | undefined)[]) {
    const given = signals.filter((signal) => signal !== undefined);
    const listeners = ownListeners(this.signal);
    const fire = ({ reason }: AbortSignal): void => {
      if (this.signal.aborted) return;
      this.#controller.abort(reason);
      for (const listener of listeners) listener();
    };
    this.#forget = given.map((signal) => onceAborted(signal, () => fire(signal)));
    const fired = given.find(({ aborted }) => aborted);
    if (fired !== undefined) fire(fired);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From then on it does not fire any more. */
  [Symbol.dispose](): void {
    for (const forget of this.#forget) forget();
  }
}
