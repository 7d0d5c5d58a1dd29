import { VirtstatError } from '../model/errors.ts';

/** Longest answer, in characters. */
const MAX_ANSWER = 1024;

/** What keys send that are no characters: `ESC [ … LETTER`. */
const KEYS = /\x1b\[[\d;]*[A-Za-z~]/g;

/** What keys of characters do beside adding one. */
const CONTROL = {
  interrupt: '\x03',
  end: '\x04',
  backspace: ['\x7f', '\b'],
  clear: '\x15',
  enter: ['\r', '\n'],
} as const;

/** How a question is asked. */
export interface QuestionOptions {
  /** True: nobody sees what is typed. */
  readonly isSecret: boolean;
}

/** True where there is a person to ask: what they type comes in, and they see what is written to the standard error. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Asks the person at the terminal for one line. @throws CANCELLED where they end it, by Ctrl-C or Ctrl-D */
export async function ask(question: string, { isSecret }: QuestionOptions): Promise<string> {
  const { stdin, stderr } = process;
  const answer = new Answer((shown) => void (!isSecret && stderr.write(shown)));
  stderr.write(question);
  stdin.setEncoding('utf8').setRawMode(true).resume();
  let onData: ((chunk: string) => void) | undefined;
  try {
    return await new Promise<string>((resolve, reject) => {
      onData = (chunk) => {
        const outcome = answer.take(chunk.replaceAll(KEYS, ''));
        if (outcome === 'given') resolve(answer.text);
        else if (outcome === 'cancelled') reject(new VirtstatError('CANCELLED', `nobody answered ${question.trim()}`));
      };
      stdin.on('data', onData).once('end', () => reject(new VirtstatError('CANCELLED', 'the terminal is gone')));
    });
  } finally {
    if (onData !== undefined) stdin.off('data', onData);
    stdin.setRawMode(false).pause();
    stderr.write('\n');
  }
}

/** What has been typed so far. */
class Answer {
  readonly #show: (text: string) => void;
  #letters: string[] = [];

  constructor(show: (text: string) => void) {
    this.#show = show;
  }

  get text(): string {
    return this.#letters.join('');
  }

  take(typed: string): 'given' | 'cancelled' | undefined {
    for (const letter of typed) {
      if (includes(CONTROL.enter, letter)) return 'given';
      if (letter === CONTROL.interrupt) return 'cancelled';
      if (letter === CONTROL.end && this.#letters.length === 0) return 'cancelled';
      if (includes(CONTROL.backspace, letter)) this.#remove(1);
      else if (letter === CONTROL.clear) this.#remove(this.#letters.length);
      else if (!/\p{Cc}/u.test(letter) && this.#letters.length < MAX_ANSWER) {
        this.#letters.push(letter);
        this.#show(letter);
      }
    }
    return undefined;
  }

  #remove(count: number): void {
    const removed = Math.min(count, this.#letters.length);
    this.#letters = this.#letters.slice(0, this.#letters.length - removed);
    this.#show('\b \b'.repeat(removed));
  }
}

function includes(letters: readonly string[], letter: string): boolean {
  return letters.includes(letter);
}
