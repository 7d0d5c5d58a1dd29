import type { DomainAnswer } from '../registry/answer.ts';
import { domainNames, messageAbout } from './domain-names.ts';
import type { Terminal } from './terminal.ts';

/** How many different troubles are remembered. */
const MAX_TOLD = 1000;

/** What is said while there is no domain; `done` is what becomes of one that comes: `shown`. */
export function nobodyText(done: string): string {
  return `no domain that was asked for is there any more; one that comes is ${done}`;
}

/** Says what goes wrong when it begins, and not with every sweep. */
export class Troubles {
  readonly #terminal: Terminal;
  readonly #nobody: string;
  readonly #before: () => void;
  #told = new Set<string>();

  /** `done` is what becomes of a domain; `before` is called before anything is said. */
  constructor(terminal: Terminal, done: string, before: () => void = () => {}) {
    this.#terminal = terminal;
    this.#nobody = nobodyText(done);
    this.#before = before;
  }

  /** Says it. */
  tell(message: string): void {
    this.#before();
    this.#terminal.warn(message);
  }

  /** Says what is new of a sweep's errors, and that there is nobody any more. */
  tellAnswers(answers: readonly DomainAnswer<unknown>[]): void {
    const nameOf = domainNames(answers.map(({ domain }) => domain));
    const now = new Set<string>();
    if (answers.length === 0) {
      if (!this.#told.has(this.#nobody)) this.tell(this.#nobody);
      now.add(this.#nobody);
    }
    for (const { domain, errors } of answers) {
      const name = nameOf(domain);
      for (const { message } of errors) {
        const text = messageAbout(name, message);
        if (!this.#told.has(text) && !now.has(text)) this.tell(text);
        if (now.size < MAX_TOLD) now.add(text);
      }
    }
    this.#told = now;
  }
}
