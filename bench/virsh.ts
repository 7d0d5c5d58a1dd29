import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

const LIMIT_MS = 60_000;
const ENV = { ...process.env, LC_ALL: 'C.UTF-8' };
/** What virsh is told to say when a command is done. */
const DONE = 'virsh-is-done';

/** One virsh that reads commands from its standard input: what a command takes has nothing of its start in it. */
export class VirshSession implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #text = '';
  #onText: () => void = () => undefined;

  constructor(uri: string) {
    // Without a buffer of its own, since virsh does not know who waits for its output.
    this.#child = spawn('stdbuf', ['-o0', 'virsh', '-q', '-c', uri], { env: ENV, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = once(this.#child, 'close');
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text;
      this.#onText();
    });
  }

  /** Runs a command; gives what it printed. */
  async run(command: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`virsh took too long for ${command}`)), LIMIT_MS);
    this.#text = '';
    this.#onText = () => {
      // virsh repeats what it reads; only its own word begins a line.
      if (this.#text.includes(`\n${DONE}`)) resolve();
    };
    this.#child.stdin?.write(`${command}\necho ${DONE}\n`);
    try {
      await promise;
      return this.#text;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** Runs virsh for one command, from start to exit; gives what it printed. */
export async function virsh(uri: string, ...args: readonly string[]): Promise<string> {
  const options = { timeout: LIMIT_MS, maxBuffer: 1 << 26, env: ENV };
  return (await promisify(execFile)('virsh', ['-q', '-c', uri, ...args], options)).stdout;
}
