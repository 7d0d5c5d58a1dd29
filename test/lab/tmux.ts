import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How a terminal is to be. */
export interface TmuxOptions {
  readonly columns: number;
  readonly rows: number;
  /** Variables of the program's environment, as `NAME=value`. */
  readonly environment?: readonly string[];
}

/** What a terminal is like at a moment. */
export interface TerminalModes {
  readonly isAlternate: boolean;
  readonly isCursorShown: boolean;
}

/** Why there is no terminal to be had, or undefined: the reason to skip with. */
export function whyNoTmux(): string | undefined {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'tmux is not installed';
  }
}

/** A terminal of a server of its own, with a program in it. It ends with what runs in it, and by {@link close}. */
export class TmuxTerminal {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Starts a program. */
  static open(command: readonly string[], { columns, rows, environment = [] }: TmuxOptions): TmuxTerminal {
    const terminal = new TmuxTerminal(mkdtempSync(join(tmpdir(), 'virtstat-tmux-')));
    const size = ['-x', String(columns), '-y', String(rows)];
    const variables = environment.flatMap((variable) => ['-e', variable]);
    try {
      terminal.#tmux('-f', '/dev/null', 'new-session', '-d', ...size, ...variables, ...command);
    } catch (error) {
      terminal.close();
      throw error;
    }
    return terminal;
  }

  /** The lines on the screen, without blanks at their ends; with `isStyled`, and their escape sequences. */
  lines(isStyled = false): readonly string[] {
    const shown = this.#tmux('capture-pane', '-p', ...(isStyled ? ['-e'] : []));
    return shown.split('\n').map((line) => line.trimEnd());
  }

  /** The same as one text. */
  get text(): string {
    return this.lines().join('\n');
  }

  /** Presses keys, each a character, several of them, or a name of tmux: `Enter`, `Down`, `Escape`. */
  press(...keys: readonly string[]): void {
    for (const key of keys) this.#tmux('send-keys', key);
  }

  /** Gives it another size. */
  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  /** Which screen is shown, and whether the cursor is. */
  get modes(): TerminalModes {
    const [alternate, cursor] = this.#tmux('display-message', '-p', '#{alternate_on} #{cursor_flag}').trim().split(' ');
    return { isAlternate: alternate === '1', isCursorShown: cursor === '1' };
  }

  /** Ends it and what runs in it. Harmless when called twice. */
  close(): void {
    try {
      this.#tmux('kill-server');
    } catch {
      // The server ends with its last session.
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync('tmux', ['-S', join(this.#folder, 'socket'), ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
    });
  }
}
