import type { DomainAnswer } from '../registry/answer.ts';
import { domainNames } from './domain-names.ts';
import type { Terminal } from './terminal.ts';

/** How many different troubles are remembered. */
const MAX_TOLD = 1000;

/** Says what goes wrong when it begins, and not with every sweep. */
export class Troubles {
  readonly #terminal: Terminal;
  readonly #before: () => void;
  #told = new Set<string>();

  /** `before` is called before anything is said. */
  constructor(terminal: Terminal, before: () => void = () => {}) {
    this.#terminal = terminal;
    this.#before = before;
  }

  /** Says it. */
  tell(message: string): void {
    this.#before();
    this.#terminal.warn(message);
  }

  /** Says what is new of a sweep's errors. */
  tellAnswers(answers: readonly DomainAnswer<unknown>[]): void {
    const nameOf = domainNames(answers.map(({ domain }) => domain));
    const now = new Set<string>();
    for (const { domain, errors } of answers) {
      const name = nameOf(domain);
      for (const { message } of errors) {
        const text = message.includes(name) ? message : `${name}: ${message}`;
        if (!this.#told.has(text) && !now.has(text)) this.tell(text);
        if (now.size < MAX_TOLD) now.add(text);
      }
    }
    this.#told = now;
  }
}
