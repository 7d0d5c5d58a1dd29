import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../bin/virtstatd.cjs', import.meta.url));
const LIMIT_MS = 15_000;

/** A line of the daemon's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string; readonly level: string };

/** The built daemon, with all that it says. */
export class DaemonProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #exited: Promise<number | NodeJS.Signals>;
  /** What it said on stderr. */
  text = '';

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [BIN, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.text += text));
    this.#exited = once(this.child, 'close').then(([code, signal]) => code ?? signal);
  }

  /** A daemon that is ready. */
  static async ready(...args: readonly string[]): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(args);
    await daemon.said('ready');
    return daemon;
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

  /** Memory that it holds now, in bytes. */
  get residentBytes(): number {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.child.pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes) * 1024;
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
