import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../bin/virtstatd.cjs', import.meta.url));
/** What its first line gives to Node.js. */
const NODE_OPTIONS: readonly string[] = readFileSync(BIN, 'utf8').split('\n', 1)[0]?.match(/--\S+/g) ?? [];
/** The kernel ends the daemon when whoever started it ends, even by SIGKILL. */
const BOUND = ['setpriv', '--pdeathsig', 'KILL', '--'] as const;
const READY_LIMIT_MS = 30_000;

/** How a daemon is to be. */
export interface DaemonOptions {
  /** Where statistics come from. */
  readonly connect: readonly string[];
  /** More arguments. */
  readonly args?: readonly string[];
  /** A process whose pid namespace and mounts the daemon gets; absent: our own. */
  readonly namespaceOf?: number;
  /** A library that is loaded into it. */
  readonly preload?: string;
}

/** The built daemon, in a process and a runtime directory of its own. It ends with this process, however that ends. */
export class DaemonProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #isInNamespace: boolean;
  readonly runtimeDir: string = mkdtempSync(join(tmpdir(), 'virtstat-bench-'));
  #log = '';
  #pid = 0;

  private constructor({ connect, args = [], namespaceOf, preload }: DaemonOptions) {
    const enter = namespaceOf === undefined ? [] : ['nsenter', `--target=${namespaceOf}`, '--pid', '--mount', '--'];
    const loaded = preload === undefined ? [] : ['env', `LD_PRELOAD=${preload}`];
    const serve = [BIN, '--runtime-dir', this.runtimeDir, ...connect.flatMap((uri) => ['-c', uri]), ...args];
    const [command = '', ...rest] = [...enter, ...BOUND, ...loaded, process.execPath, ...NODE_OPTIONS, ...serve];
    this.#isInNamespace = namespaceOf !== undefined;
    this.#child = spawn(command, rest, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    this.#ended = once(this.#child, 'close');
  }

  /** Resolves when it listens. */
  static async start(options: DaemonOptions): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(options);
    try {
      await daemon.#ready();
      return daemon;
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#pid;
  }

  /** The varlink socket. */
  get varlinkPath(): string {
    return join(this.runtimeDir, 'varlink');
  }

  /** The QMP sockets of its domains. */
  get qmpPaths(): readonly string[] {
    const folder = join(this.runtimeDir, 'qmp');
    return readdirSync(folder).map((name) => join(folder, name));
  }

  /** How many lines of its log have this message. */
  countOf(message: string): number {
    return this.#log.split(`"msg":${JSON.stringify(message)}`).length - 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill();
    await this.#ended;
    rmSync(this.runtimeDir, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    const deadlineMs = performance.now() + READY_LIMIT_MS;
    while (this.countOf('ready') === 0) {
      if (this.#child.exitCode !== null || performance.now() > deadlineMs) {
        throw new Error(`the daemon does not start: ${this.#log}`);
      }
      await sleep(20);
    }
    const { pid } = this.#child;
    this.#pid = this.#isInNamespace ? childOf(pid!) : pid!;
  }

  #kill(): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    // What enters a namespace waits for the daemon as its child, which the kernel ends with it.
    this.#child.kill('SIGKILL');
  }
}

/** The only child of a process. */
export function childOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').map(Number);
  const [child, ...others] = children;
  if (!child || others.length > 0) throw new Error(`process ${pid} has ${children.length} children instead of one`);
  return child;
}
