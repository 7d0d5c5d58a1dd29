import { clip, printable } from './render/text.ts';

/** A line on the standard error that is written again in place; nothing where no person looks at it. */
export interface ProgressLine {
  show(text: string): void;
  clear(): void;
}

/** Where a terminal does not know its size, as on a serial line, it says 0. */
const USUAL_COLUMNS = 80;

/** The line of this process's terminal. */
export function openProgressLine(): ProgressLine {
  const { stderr } = process;
  if (stderr.isTTY !== true) return { show: () => {}, clear: () => {} };
  let isShown = false;
  return {
    show: (text) => {
      isShown = true;
      stderr.write(`\r${clip(printable(text), Math.max(1, (stderr.columns || USUAL_COLUMNS) - 1))}\x1b[K`);
    },
    clear: () => {
      if (isShown) stderr.write('\r\x1b[K');
      isShown = false;
    },
  };
}
