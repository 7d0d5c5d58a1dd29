import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const BOOT = fileURLToPath(new URL('systemd-boot.sh', import.meta.url));
const BOOT_LIMIT_MS = 40_000;
const COMMAND_LIMIT_MS = 40_000;

/** The namespaces that it has of its own; not the network's, which nothing here needs. */
const NAMESPACES = ['--mount', '--pid', '--uts', '--ipc', '--cgroup'] as const;

/** Why systemd cannot be booted here; undefined where it can: the reason to skip with. */
export function whyNoSystemd(): string | undefined {
  if (process.getuid?.() !== 0) return 'to boot systemd takes root';
  if (!existsSync('/lib/systemd/systemd')) return 'systemd is not installed';
  const script = [
    'set -e; mount -t tmpfs tmpfs "$1"; mkdir "$1/upper" "$1/work" "$1/root"',
    'mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"',
    'mount -t sysfs sysfs "$1/root/sys"; mount -t cgroup2 cgroup2 "$1/root/sys/fs/cgroup"',
  ].join('\n');
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-systemd-'));
  try {
    const args = [...NAMESPACES, '--fork', '--', 'sh', '-c', script, 'sh', folder];
    const { status, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
    return status === 0
      ? undefined
      : `namespaces and mounts of its own cannot be made here: ${stderr.trim().split('\n', 1)[0]}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a command in there printed, and how it ended. */
export interface Outcome {
  readonly status: number;
  readonly text: string;
}

/** A systemd that runs as the first process, in namespaces of its own, with virtstat installed as its documentation says. */
export class Systemd implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #folder = mkdtempSync(join(tmpdir(), 'virtstat-systemd-'));
  #log = '';
  #pid = 0;

  private constructor() {
    const command = [BOOT, this.#folder, CHECKOUT, process.execPath];
    const unshare = ['unshare', ...NAMESPACES, '--fork', '--kill-child', '--', 'bash', ...command];
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...unshare], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    }
    this.#ended = once(this.#child, 'close');
  }

  /** Resolves when it has reached its target; rejects with what it said where that takes more than 40 s. */
  static async boot(): Promise<Systemd> {
    const systemd = new Systemd();
    try {
      await systemd.#booted();
      return systemd;
    } catch (error) {
      await systemd[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a command to its end, as root. */
  async run(...command: readonly string[]): Promise<Outcome> {
    const options = { encoding: 'utf8', timeout: COMMAND_LIMIT_MS } as const;
    try {
      const { stdout } = await promisify(execFile)('nsenter', [...this.#entering, ...command], options);
      return { status: 0, text: stdout };
    } catch (error) {
      const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string };
      return { status: code ?? -1, text: `${stdout}${stderr}` };
    }
  }

  /** As {@link run}, for one that succeeds: what it printed. */
  async ok(...command: readonly string[]): Promise<string> {
    const { status, text } = await this.run(...command);
    if (status !== 0) throw new Error(`${command.join(' ')} exited with ${status}: ${text}\n${await this.#journal()}`);
    return text.trim();
  }

  /** Properties of a unit. */
  async show<T extends string>(unit: string, ...names: readonly T[]): Promise<Readonly<Record<T, string>>> {
    const text = await this.ok('systemctl', 'show', unit, `--property=${names.join()}`);
    const pairs = text.split('\n').map((line) => line.split(/=(.*)/s, 2) as [string, string]);
    return Object.fromEntries(pairs) as Record<T, string>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    // Its first process ends with unshare, and with it everything in there.
    await this.#ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #entering(): readonly string[] {
    return [`--target=${this.#pid}`, ...NAMESPACES, '--root', '--wd=/', '--'];
  }

  async #booted(): Promise<void> {
    const deadlineMs = performance.now() + BOOT_LIMIT_MS;
    for (;;) {
      await sleep(100);
      this.#pid ||= firstProcessBelow(this.#child.pid ?? 0);
      const state = this.#pid === 0 ? '' : (await this.run('systemctl', 'is-system-running')).text.trim();
      if (state === 'running' || state === 'degraded') return;
      if (this.#child.exitCode !== null || performance.now() > deadlineMs) {
        throw new Error(`systemd did not boot (${state}): ${this.#log}`);
      }
    }
  }

  async #journal(): Promise<string> {
    return (await this.run('journalctl', '--no-pager', '--lines=30', '--unit=virtstatd.service')).text;
  }
}

/** The child of unshare once it is systemd; 0 before. */
function firstProcessBelow(pid: number): number {
  try {
    const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim());
    return readFileSync(`/proc/${child}/comm`, 'latin1') === 'systemd\n' ? child : 0;
  } catch {
    return 0;
  }
}
