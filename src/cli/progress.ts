import { clip, printable } from './render/text.ts';

/** Says how far something is that takes long. */
export interface Progress {
  /** What stands there from now on, in place of what stood there before. */
  show(text: string): void;
  /** Takes the line away: what is written next begins where it began. */
  clear(): void;
}

/** Erases the line, and goes to its beginning. */
const ERASE = '\r\u001b[K';

/** A line on the standard error, where that is a terminal; else nothing. */
export function openProgress(): Progress {
  const { stderr } = process;
  if (stderr.isTTY !== true) return { show: () => undefined, clear: () => undefined };
  return {
    show: (text) => void stderr.write(`${ERASE}${clip(printable(text), stderr.columns - 1)}`),
    clear: () => void stderr.write(ERASE),
  };
}
