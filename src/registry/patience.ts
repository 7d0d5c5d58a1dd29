import { VirtstatError } from '../model/errors.ts';
import { orAfter } from './or-after.ts';

/** How long it is remembered that somebody was late, in milliseconds: nobody waits for them in that time. */
const LATE_KNOWN_MS = 10_000;

/** How long they are waited for after that, in milliseconds. */
export const LATE_PATIENCE_MS = 50;

const FOUND_LATE: ReadonlySet<string> = new Set(['TIMEOUT', 'MONITOR_BUSY']);

/** Whether this is an error that somebody waited for. */
export function isFoundByWaiting({ code }: VirtstatError): boolean {
  return FOUND_LATE.has(code);
}

/** What is known of somebody who is asked. */
interface Asked {
  isUnderWay: boolean;
  /** That they were not there in time when they were last asked, and when that was seen. */
  late: { readonly error: VirtstatError; readonly atMs: number } | undefined;
}

/**
 * Waits for those who answer, and not again and again for those who do not: whoever was late is asked on in the background,
 * once at a time, and those who read meanwhile are told at once. One that hangs must not make the others' values older.
 */
export class Patience {
  #asked = new Map<string, Asked>();

  /**
   * What `work` gives, or at once the error of the last time where that was late. `key` says who is asked for what, and
   * `what` it is, as the subject of a sentence; `work` is told whether its end is waited for, and needs a limit of its own where not.
   * Rejects with what `work` raises, now or the last time; TIMEOUT.
   */
  ask<T>(key: string, what: string, work: (isWaitedFor: boolean) => Promise<T>): Promise<T> {
    let asked = this.#asked.get(key);
    if (asked === undefined) this.#asked.set(key, (asked = { isUnderWay: false, late: undefined }));
    const { late } = asked;
    if (asked.isUnderWay) {
      // Whoever asked before has given up.
      return Promise.reject(late?.error ?? new VirtstatError('TIMEOUT', `${what} has not answered yet`));
    }
    const answer = begin(asked, () => work(late === undefined));
    if (late === undefined) return answer;
    answer.catch(() => undefined);
    if (performance.now() - late.atMs < LATE_KNOWN_MS) return Promise.reject(late.error);
    return orAfter(LATE_PATIENCE_MS, answer, () => {
      throw late.error;
    });
  }

  /** Whether anybody was late. */
  get isAnyLate(): boolean {
    for (const { late } of this.#asked.values()) if (late !== undefined) return true;
    return false;
  }

  /** Forgets who was late, and who is still being asked. */
  forget(): void {
    this.#asked = new Map();
  }
}

/** Promises and no async function: this is done for every provider of every domain of a host each second. */
function begin<T>(asked: Asked, work: () => Promise<T>): Promise<T> {
  const fail = (error: unknown): never => {
    asked.isUnderWay = false;
    // Whoever was late stays so until there is an answer: a connection that ends meanwhile does not make the next one quick.
    if (VirtstatError.is(error) && (isFoundByWaiting(error) || asked.late !== undefined)) {
      asked.late = { error, atMs: performance.now() };
    }
    throw error;
  };
  asked.isUnderWay = true;
  return started(work).then((answer) => {
    asked.isUnderWay = false;
    asked.late = undefined;
    return answer;
  }, fail);
}

/** What throws before it waits for anything rejects, too. */
function started<T>(work: () => Promise<T>): Promise<T> {
  try {
    return work();
  } catch (error) {
    return Promise.reject(error);
  }
}
