import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Most bytes of a history file that are read. */
const MAX_FILE_BYTES = 1024 * 1024;

/** Where virtstat keeps what was typed: `$XDG_STATE_HOME/virtstat/history`, else below `~/.local/state`. */
export function historyPath(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'virtstat', 'history');
}

/** The last `limit` lines of a file, the newest last; none where it cannot be read. */
export function readHistory(path: string, limit: number): readonly string[] {
  try {
    const text = readFileSync(path).subarray(-MAX_FILE_BYTES).toString('utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .slice(-limit);
  } catch {
    return [];
  }
}

/** Writes the last `limit` lines to a file that only its owner may read. What goes wrong is of no interest to a person who leaves. */
export function writeHistory(path: string, lines: readonly string[], limit: number): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(
      path,
      lines
        .slice(-limit)
        .map((line) => `${line}\n`)
        .join(''),
      { mode: 0o600 },
    );
  } catch {
    // A read-only home directory must not turn quitting into a failure.
  }
}
