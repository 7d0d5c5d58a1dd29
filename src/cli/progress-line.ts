import { clip, printable } from './render/text.ts';
import { USUAL_SIZE } from './terminal.ts';

/** A line on the standard error that is written again in place; nothing where no person looks at it. */
export interface ProgressLine {
  show(text: string): void;
  clear(): void;
}

/** The line of this process's terminal. */
export function openProgressLine(): ProgressLine {
  const { stderr } = process;
  if (stderr.isTTY !== true) return { show: () => {}, clear: () => {} };
  let isShown = false;
  return {
    show: (text) => {
      isShown = true;
      stderr.write(`\r${clip(printable(text), Math.max(1, (stderr.columns || USUAL_SIZE.columns) - 1))}\x1b[K`);
    },
    clear: () => {
      if (isShown) stderr.write('\r\x1b[K');
      isShown = false;
    },
  };
}
