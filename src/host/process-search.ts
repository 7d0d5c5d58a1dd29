import { readdirSync } from 'node:fs';
import { PROC_ROOT, type Process, readProcess } from './processes.ts';

/** How long a process that is not wanted is looked at in every search, in milliseconds: a child may execute its program late. */
export const NEW_MS = 10_000;

/** How long one that is older than that is not looked at again, in milliseconds, at most; half of it at least. */
export const SELDOM_MS = 10_000;

/** Into how many groups those are spread, so that not all are looked at in the same search. */
const GROUPS = 16;

/** A process that was not wanted, by the clock of `performance.now`. */
interface Other {
  readonly sinceMs: number;
  /** When it is looked at again. */
  readonly dueMs: number;
}

/**
 * Searches for the processes of some programs, again and again. Most processes of a host are others, and stay others: once they
 * are no longer new they are looked at every few seconds only, whatever the number of searches. One that is new, and one that
 * executes another program while it is new, is found by the next search; one that does so later, or has the pid of one that was
 * known, by a search within {@link SELDOM_MS}.
 */
export class ProcessSearch {
  readonly #accept: (program: string) => boolean;
  readonly #procRoot: string;
  #others = new Map<number, Other>();

  /** `accept` is given argv[0] without its folders. */
  constructor(accept: (program: string) => boolean, procRoot: string = PROC_ROOT) {
    this.#accept = accept;
    this.#procRoot = procRoot;
  }

  /**
   * Every process of those programs. Processes that vanish meanwhile are left out. One that `known` gives for its pid is not
   * looked at: whoever knows a process knows at less cost whether it still lives.
   * @throws what listing the folder of processes raises
   */
  find(known: (pid: number) => Process | undefined = () => undefined): readonly Process[] {
    const nowMs = performance.now();
    const others = new Map<number, Other>();
    const found: Process[] = [];
    for (const entry of readdirSync(this.#procRoot)) {
      const pid = pidOf(entry);
      if (pid === undefined) continue;
      const other = this.#others.get(pid);
      if (other !== undefined && nowMs < other.dueMs) {
        others.set(pid, other);
        continue;
      }
      const process = known(pid) ?? readProcess(pid, this.#procRoot, this.#accept);
      if (process !== undefined) found.push(process);
      else others.set(pid, otherOf(pid, other?.sinceMs ?? nowMs, nowMs));
    }
    this.#others = others;
    return found;
  }
}

function otherOf(pid: number, sinceMs: number, nowMs: number): Other {
  const isNew = nowMs - sinceMs < NEW_MS;
  const share = (1 + (pid % GROUPS) / GROUPS) / 2;
  return { sinceMs, dueMs: isNew ? nowMs : nowMs + SELDOM_MS * share };
}

/** Undefined for what is no process: most of the names there begin with a letter. */
function pidOf(entry: string): number | undefined {
  const first = entry.charCodeAt(0);
  if (first < ONE || first > NINE) return undefined;
  const pid = Number(entry);
  return Number.isInteger(pid) ? pid : undefined;
}

const ONE = 0x31;
const NINE = 0x39;
