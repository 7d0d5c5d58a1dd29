import { whileWanted } from '../../host/deadline.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, MonitorRelay, MonitorValue } from '../../model/provider.ts';

/** Most answers that are kept of one monitor: some questions have arguments that the reader chooses. */
export const MAX_KEPT_ANSWERS = 64;

/** A question shared by several readers ends with none of them; the monitor's own limit bounds it. */
const NEVER: AbortSignal = new AbortController().signal;

interface Kept {
  readonly answer: Promise<MonitorValue>;
  readonly askedMs: number;
  isPending: boolean;
}

/**
 * A monitor that many readers ask at once: those who ask the same share one question, and its answer for a while, so that
 * the VMM's work does not grow with the readers. Errors are shared only by those who wait for them.
 */
export class MonitorCache implements MonitorRelay {
  readonly #monitor: MonitorRelay;
  readonly #maxAgeMs: number;
  readonly #kept = new Map<string, Kept>();

  /** Answers up to `maxAgeMs` old will do. */
  constructor(monitor: MonitorRelay, maxAgeMs: number) {
    this.#monitor = monitor;
    this.#maxAgeMs = maxAgeMs;
  }

  async ask(
    question: string,
    args: { readonly [name: string]: MonitorValue | undefined } | undefined,
    options: CallOptions,
  ): Promise<MonitorValue> {
    const key = `${question} ${args === undefined ? '' : JSON.stringify(args)}`;
    let kept = this.#kept.get(key);
    if (kept === undefined || (!kept.isPending && performance.now() - kept.askedMs >= this.#maxAgeMs)) {
      kept = this.#ask(key, question, args);
    }
    return whileWanted(kept.answer, options.signal, question);
  }

  #ask(key: string, question: string, args: { readonly [name: string]: MonitorValue | undefined } | undefined): Kept {
    this.#makeRoom(question);
    const answer = this.#monitor.ask(question, args, { signal: NEVER });
    const kept: Kept = { answer, askedMs: performance.now(), isPending: true };
    this.#kept.set(key, kept);
    answer.then(
      () => {
        kept.isPending = false;
      },
      () => {
        if (this.#kept.get(key) === kept) this.#kept.delete(key);
      },
    );
    return kept;
  }

  /** @throws QUEUE_FULL where every kept question still waits for its answer */
  #makeRoom(question: string): void {
    if (this.#kept.size < MAX_KEPT_ANSWERS) return;
    for (const [key, { isPending }] of this.#kept) {
      if (isPending) continue;
      this.#kept.delete(key);
      return;
    }
    throw new VirtstatError(
      'QUEUE_FULL',
      `${question} was not asked: ${MAX_KEPT_ANSWERS} questions wait for this monitor`,
    );
  }
}
