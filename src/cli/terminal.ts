import { systemErrorCode } from '../model/errors.ts';
import { printable } from './render/text.ts';

/** How a piece of text may stand out. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'blue' | 'magenta' | 'inverse';

/** Gives text a style, or leaves it alone where colours are off. */
export type Paint = (style: Style, text: string) => string;

/** Leaves text alone. */
export const plainPaint: Paint = (_style, text) => text;

/** Where a command's output goes. */
export interface Terminal {
  /** True where a person looks at the output: it may be drawn again in place. */
  readonly isInteractive: boolean;
  readonly paint: Paint;
  /** Columns and rows that there are now; undefined where nobody looks. */
  readonly size: { readonly columns: number; readonly rows: number } | undefined;
  /** Fires when whoever reads the output has gone away. */
  readonly gone: AbortSignal;
  /** Writes to the standard output, as it is. */
  out(text: string): void;
  /** Writes a diagnostic of one line to the standard error, what is no plain text written out. */
  warn(message: string): void;
}

/** Of a terminal that does not know its size, as on a serial line: it says 0. */
export const USUAL_SIZE = { columns: 80, rows: 24 } as const;

/** Says when the output cannot be written, whoever writes it: a verb, or help. To be called once, before anything is written. */
export function watchOutput(): void {
  process.stdout.on('error', (error) => {
    // A reader that has seen enough, as `head` has, is no failure.
    if (systemErrorCode(error) === 'EPIPE') return;
    process.stderr.write(`virtstat: writing the output failed: ${error.message}\n`);
    process.exitCode = 1;
  });
}

/** The terminal, pipe or file that this process was given. */
export function openTerminal(): Terminal {
  const { stdout } = process;
  const gone = new AbortController();
  stdout.on('error', (error) => gone.abort(error));
  const isInteractive = stdout.isTTY === true;
  return {
    isInteractive,
    paint: isInteractive && hasColours(process.env) ? colours() : plainPaint,
    get size() {
      return isInteractive
        ? { columns: stdout.columns || USUAL_SIZE.columns, rows: stdout.rows || USUAL_SIZE.rows }
        : undefined;
    },
    gone: gone.signal,
    out: (text) => void stdout.write(text),
    warn: (message) => void process.stderr.write(`virtstat: ${printable(message)}\n`),
  };
}

function hasColours(env: NodeJS.ProcessEnv): boolean {
  return !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

/** Most output goes to programs: `node:util` is loaded only for people. */
function colours(): Paint {
  const { styleText } = process.getBuiltinModule('node:util');
  return (style, text) => styleText(style, text, { validateStream: false });
}
