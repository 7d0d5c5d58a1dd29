import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { VirtstatError } from '../model/errors.ts';

/**
 * The guardian: a shell that makes the folder, says so, waits for a line on its standard input, starts the process, which
 * first says its pid, and waits again. A line then says that the process has exited by itself, so that its pid may soon
 * mean another one. The end of the input without a line comes when the owner closes it or is gone in whatever way, SIGKILL
 * included: the shell then ends the process. Either way it removes the folder. Only the process itself keeps its standard
 * output and error, whose end thus means that it has exited.
 */
const GUARDIAN = `
folder=$1
PATH=$PATH:/usr/bin:/bin
shift
mkdir -m 700 "$folder" || exit
trap 'test -z "$pid" || kill -KILL "$pid"; wait; rm -rf "$folder"' EXIT
trap 'exit 0' HUP INT QUIT TERM PIPE
echo made
read -r _ || exit 0
/bin/sh -c 'echo $$; exec "$@"' virtstat-guarded "$@" </dev/null &
pid=$!
exec >&- 2>&-
read -r _ && pid=
`;

/** How long the guardian may take to end the process and to go, in milliseconds; then it is done without it. */
const GUARDIAN_LIMIT_MS = 5000;

/** Random part of a folder's name, in bytes: enough that nobody can guess it. */
const RANDOM_NAME_BYTES = 8;

/** How much of what the process last said on its standard error is kept, in characters. */
const MAX_LAST_WORDS = 4096;

/**
 * A process that never outlives this one, with a folder of its own that goes with it. It is not told to end but killed, so
 * it must have nothing to lose.
 */
export class GuardedProcess implements AsyncDisposable {
  readonly pid: number;
  /** The folder that the process may fill; absolute, readable by this user only. */
  readonly folder: string;
  /** Resolves when the process has exited and {@link lastWords} is complete. */
  readonly ended: Promise<void>;
  readonly #guardian: Guardian;
  #running = true;

  /** Use {@link startGuarded}. */
  constructor(pid: number, folder: string, guardian: Guardian) {
    this.pid = pid;
    this.folder = folder;
    this.#guardian = guardian;
    this.ended = guardian.ended.then(() => {
      this.#running = false;
      guardian.shell.stdin?.end('over\n');
    });
  }

  /** What the process said last on its standard error. */
  get lastWords(): string {
    return this.#guardian.lastWords();
  }

  /** The next line that the process says on its standard output; undefined when it ends without one. */
  async nextLine(): Promise<string | undefined> {
    const { done, value } = await this.#guardian.lines.next();
    return done ? undefined : value;
  }

  /** Kills the process and removes the folder. Resolves when both are gone; harmless when called twice. */
  async close(): Promise<void> {
    this.#guardian.shell.stdin?.end();
    await Promise.race([this.#guardian.gone, pause(GUARDIAN_LIMIT_MS)]);
    // Somebody may have killed the guardian before it could do its work.
    if (this.#running) kill(this.pid);
    removeFolder(this.folder);
    await Promise.race([this.ended, pause(GUARDIAN_LIMIT_MS)]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** What a guarded process needs of its guardian. */
interface Guardian {
  readonly shell: ChildProcess;
  /** Resolves when the guardian has gone, and with it all that it guards. */
  readonly gone: Promise<void>;
  readonly ended: Promise<unknown>;
  readonly lastWords: () => string;
  readonly lines: AsyncIterator<string, undefined>;
}

/** What to guard. */
export interface Guardable {
  /** Begins the name of the folder, which lies in the machine's folder for temporary files. */
  readonly prefix: string;
  /** Fills the folder before the process starts. */
  prepare?(folder: string): void;
  /** The program and its arguments. */
  command(folder: string): readonly string[];
}

/**
 * Starts a process in the care of a guardian. Resolves when the process exists, which says nothing about how it fares.
 * @throws DEMO_FAILED where the folder cannot be made or no shell can be started, or what `prepare` and `command` throw
 */
export async function startGuarded(what: Guardable): Promise<GuardedProcess> {
  // The guardian makes it: a folder that we made would stay if we were killed before the guardian stands.
  const folder = join(tmpdir(), what.prefix + randomBytes(RANDOM_NAME_BYTES).toString('hex'));
  const guardian = summon(folder, what.command(folder));
  try {
    await nextLineOf(guardian);
    what.prepare?.(folder);
    guardian.shell.stdin?.write('start\n');
    return new GuardedProcess(Number(await nextLineOf(guardian)), folder, guardian);
  } catch (error) {
    guardian.shell.stdin?.end();
    await Promise.race([guardian.gone, pause(GUARDIAN_LIMIT_MS)]);
    throw VirtstatError.from(error, 'DEMO_FAILED', 'no process could be started for a VM');
  }
}

function summon(folder: string, command: readonly string[]): Guardian {
  // A session of its own, so that Ctrl-C reaches only this process, which then closes in order.
  const options = { detached: true, stdio: 'pipe' } as const;
  const shell = spawn('/bin/sh', ['-c', GUARDIAN, 'virtstat-guardian', folder, ...command], options);
  const gone = new Promise<void>((resolve) => shell.once('exit', () => resolve()).once('error', () => resolve()));
  shell.stdin.on('error', () => undefined);
  return {
    shell,
    gone,
    ended: Promise.all([closing(shell.stdout), closing(shell.stderr)]),
    lastWords: collectLastWords(shell.stderr),
    lines: createInterface({ input: shell.stdout })[Symbol.asyncIterator](),
  };
}

async function nextLineOf({ lines, ended, lastWords }: Guardian): Promise<string> {
  const { done, value } = await lines.next();
  if (!done) return value;
  await ended;
  throw new VirtstatError('DEMO_FAILED', `no VM can be guarded with /bin/sh and mkdir: ${lastWords()}`);
}

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself meanwhile.
  }
}

function closing(stream: Readable): Promise<void> {
  return new Promise((resolve) => stream.once('close', resolve));
}

function collectLastWords(stream: Readable): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => (text = (text + chunk).slice(-MAX_LAST_WORDS)));
  return () => text.trim();
}

/** A wait that does not keep the process alive. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
