import type { Caller, FaceLog } from '../face/face.ts';
import { callerFacts } from './access.ts';

/** How many refusals are remembered; then all are forgotten, and each may be told once more. */
const MAX_REMEMBERED = 10_000;

/** Logs what was refused, to whom and why, once for each caller and thing: whoever asks again and again fills no log. */
export class Refusals {
  readonly #log: FaceLog;
  readonly #told = new Set<string>();

  constructor(log: FaceLog) {
    this.#log = log;
  }

  /** `what` was asked for by name, is there, and is given to this caller by no rule. */
  note(face: string, caller: Caller, what: Readonly<Record<string, string>>): void {
    const { pid: _pid, ...who } = { pid: 0, ...callerFacts(caller) };
    const key = JSON.stringify([face, who, what]);
    if (this.#told.has(key)) return;
    if (this.#told.size >= MAX_REMEMBERED) this.#told.clear();
    this.#told.add(key);
    this.#log.warn({ face, ...callerFacts(caller), ...what }, 'refused: no access rule gives this to this caller');
  }

  /** The rules have changed: what is refused now is news. */
  forget(): void {
    this.#told.clear();
  }
}
