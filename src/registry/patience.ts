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

/** What is known of somebody who was not there in time. */
interface Late {
  readonly error: VirtstatError;
  readonly atMs: number;
}

/**
 * Waits for those who answer, and not again and again for those who do not: whoever was late is asked on in the background,
 * once at a time, and those who read meanwhile are told at once. One that hangs must not make the others' values older.
 */
export class Patience {
  readonly #underWay = new Set<string>();
  readonly #late = new Map<string, Late>();

  /**
   * What `work` gives, or at once the error of the last time where that was late. `key` says who is asked for what, and
   * `what` it is, as the subject of a sentence; `work` is told whether its end is waited for, and needs a limit of its own where not.
   * @throws what `work` raises, now or the last time; TIMEOUT
   */
  async ask<T>(key: string, what: string, work: (isWaitedFor: boolean) => Promise<T>): Promise<T> {
    const late = this.#late.get(key);
    // Whoever asked before has given up.
    if (this.#underWay.has(key)) throw late?.error ?? new VirtstatError('TIMEOUT', `${what} has not answered yet`);
    const answer = this.#begin(key, () => work(late === undefined));
    if (late === undefined) return answer;
    answer.catch(() => undefined);
    if (performance.now() - late.atMs < LATE_KNOWN_MS) throw late.error;
    return orAfter(LATE_PATIENCE_MS, answer, () => {
      throw late.error;
    });
  }

  /** Whether anybody was late whose key begins like that. */
  isAnyLate(keyStart: string): boolean {
    for (const key of this.#late.keys()) if (key.startsWith(keyStart)) return true;
    return false;
  }

  /** Forgets who was late, and who is still being asked. */
  forget(): void {
    this.#late.clear();
    this.#underWay.clear();
  }

  /** Forgets whom `isKept` does not take by their key. */
  retain(isKept: (key: string) => boolean): void {
    for (const key of this.#late.keys()) if (!isKept(key)) this.#late.delete(key);
  }

  async #begin<T>(key: string, work: () => Promise<T>): Promise<T> {
    this.#underWay.add(key);
    try {
      const answer = await work();
      this.#late.delete(key);
      return answer;
    } catch (error) {
      // Whoever was late stays so until there is an answer: a connection that ends meanwhile does not make the next one quick.
      if (VirtstatError.is(error) && (isFoundByWaiting(error) || this.#late.has(key)))
        this.#late.set(key, { error, atMs: performance.now() });
      throw error;
    } finally {
      this.#underWay.delete(key);
    }
  }
}
