import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ListeningSocket } from './listening-socket.ts';

const BIN = fileURLToPath(new URL('../../bin/virtstatd.cjs', import.meta.url));
const LIMIT_MS = 15_000;

/** A line of the daemon's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string; readonly level: string };

/** How a daemon is started. */
export interface DaemonStart {
  readonly env?: Readonly<Record<string, string>>;
  /** Shell commands that run before it: `ulimit -Sn 256`. */
  readonly first?: string;
  /** Listening sockets that it gets as from a service manager, by name. */
  readonly sockets?: Readonly<Record<string, ListeningSocket>>;
}

/** The built daemon, with all that it says. */
export class DaemonProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #exited: Promise<number | NodeJS.Signals>;
  /** What it said on stderr. */
  text = '';

  constructor(args: readonly string[], { env = {}, sockets = {}, first = ':' }: DaemonStart = {}) {
    const fds = Object.values(sockets).map(({ fd }) => fd);
    // The process id must be that of the daemon itself.
    const activation = `LISTEN_PID=$$ LISTEN_FDS=${fds.length} LISTEN_FDNAMES=${Object.keys(sockets).join(':')}`;
    const script = `${first}; ${fds.length === 0 ? '' : activation} exec "$@"`;
    this.child = spawn('sh', ['-c', script, 'sh', process.execPath, BIN, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe', ...fds],
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.text += text));
    this.#exited = once(this.child, 'close').then(([code, signal]) => code ?? signal);
  }

  /** A daemon that is ready. */
  static async ready(...args: readonly string[]): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(args);
    try {
      await daemon.said('ready');
      return daemon;
    } catch (error) {
      await daemon.end('SIGKILL');
      throw error;
    }
  }

  /** Memory that is in use now, in bytes. */
  get residentBytes(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  get lines(): readonly LogLine[] {
    return this.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  /** The log line with this message, once it is said; ends the wait where the daemon ends. */
  async said(message: string, times = 1): Promise<LogLine> {
    const deadlineMs = performance.now() + LIMIT_MS;
    for (;;) {
      const found = this.text.includes('"msg":') ? this.lines.filter(({ msg }) => msg === message) : [];
      if (found.length >= times) return found.at(-1) as LogLine;
      if (this.child.exitCode !== null || performance.now() > deadlineMs) {
        throw new Error(`the daemon did not say ${JSON.stringify(message)}: ${this.text}`);
      }
      await sleep(20);
    }
  }

  /** Resolves to the exit status when it ends by itself. */
  get exited(): Promise<number | NodeJS.Signals> {
    return this.#exited;
  }

  /** Sends a signal, and resolves to the exit status, or the signal that ended it. */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    this.child.kill(signal);
    return this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}
