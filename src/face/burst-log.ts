import type { LogFacts } from './face.ts';

/** Longest that what happens again and again is only counted, in milliseconds. */
export const BURST_MS = 10_000;

/** Most things that are counted at once; what comes beyond is not told. */
const MAX_BURSTS = 1000;

/** Writes a line: what happened, with `count`, how often since the last such line. */
export type BurstLine = (facts: LogFacts) => void;

/**
 * Tells of things that others can make happen as often as they like: at once the first time, then at most once in
 * {@link BURST_MS}.
 */
export class BurstLog {
  readonly #intervalMs: number;
  readonly #bursts = new Map<string, { count: number; line: BurstLine; timer: NodeJS.Timeout }>();

  constructor(intervalMs: number = BURST_MS) {
    this.#intervalMs = intervalMs;
  }

  /** It happened; `key` says what is the same thing. */
  note(key: string, line: BurstLine): void {
    const burst = this.#bursts.get(key);
    if (burst !== undefined) {
      burst.count++;
      burst.line = line;
      return;
    }
    if (this.#bursts.size >= MAX_BURSTS) return;
    const timer = setInterval(() => this.#tell(key), this.#intervalMs).unref();
    this.#bursts.set(key, { count: 0, line, timer });
    line({ count: 1 });
  }

  /** Tells what was only counted, and ends. */
  close(): void {
    for (const key of [...this.#bursts.keys()]) {
      this.#tell(key);
      this.#forget(key);
    }
  }

  #tell(key: string): void {
    const burst = this.#bursts.get(key);
    if (burst === undefined) return;
    const { count } = burst;
    burst.count = 0;
    if (count > 0) burst.line({ count });
    else this.#forget(key);
  }

  #forget(key: string): void {
    clearInterval(this.#bursts.get(key)?.timer);
    this.#bursts.delete(key);
  }
}
