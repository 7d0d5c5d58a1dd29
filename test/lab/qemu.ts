import { type ChildProcess, type ExecFileSyncOptionsWithStringEncoding, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { accessSync, constants, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LAB, NEWER_QEMU_ROOT } from './folder.js';
import { standIn, whyNoStandIn } from './kvm-stand-in.ts';
import { RawQmp } from './qmp.ts';
import { TextSocket } from './text-socket.ts';

const QEMU = 'qemu-system-x86_64';
const GUEST: string = fileURLToPath(new URL('../../demo/guest.bin', import.meta.url));
const START_LIMIT_MS = 20_000;
/** Firmware under a nested KVM may take ten seconds, and the machine may be busy. */
const GUEST_LIMIT_MS = 45_000;
const TERM_LIMIT_MS = 3_000;
/** A unix socket's path has at most 107 bytes; this is what the longest name below the lab folder needs. */
const LAB_PATH_LIMIT = 70;

/** How a VM of the tests is to be. */
export interface VmOptions {
  /** A Debian system to chroot into whose QEMU is taken; absent: this machine's. */
  readonly root?: string;
  /**
   * `kvm` where it can be used, else `tcg`, if absent. On a machine without KVM a paused VM of `kvm` has a stand-in for it,
   * with captured statistics.
   */
  readonly accel?: 'kvm' | 'tcg';
  /** Number of vCPUs; 2 if absent. */
  readonly smp?: number;
  /** True: the vCPUs do not start (status `prelaunch`). */
  readonly paused?: boolean;
  /** A generated one if absent. */
  readonly name?: string;
  /** A generated one if absent. */
  readonly uuid?: string;
  /** Number of QMP monitors, at least 1; 1 if absent. */
  readonly qmp?: number;
  /** False: no human monitor. */
  readonly hmp?: boolean;
  /** True: boots the guest that makes counters move. Under KVM that takes some seconds: see {@link guestRuns}. */
  readonly guest?: boolean;
  /** More arguments, after all others. */
  readonly args?: readonly string[];
  /** Commands that stand before QEMU's, each of which replaces itself by the next. */
  readonly launcher?: readonly string[];
}

/** A running VM. */
export interface Vm extends AsyncDisposable {
  /** Process id of QEMU itself, on this machine. */
  readonly pid: number;
  readonly name: string;
  readonly uuid: string;
  /** The folder of its sockets, its own. */
  readonly folder: string;
  /** The first QMP monitor. It serves one client at a time. */
  readonly qmpPath: string;
  /** All QMP monitors. */
  readonly qmpPaths: readonly string[];
  /** The human monitor; nothing listens there with `hmp: false`. */
  readonly hmpPath: string;
  /** Ends it: SIGTERM, and SIGKILL after 3 s. May be called again. */
  stop(): Promise<void>;
}

/** True where this process may use /dev/kvm. */
export function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** QEMU's version, as `7.2.22`, or undefined where there is none. `root` as in {@link VmOptions}. */
export function qemuVersion(root?: string): string | undefined {
  const [command = QEMU, ...args] = [...(root === undefined ? [] : ['chroot', root]), QEMU];
  try {
    const options: ExecFileSyncOptionsWithStringEncoding = {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 20_000,
    };
    return /version (\d+(\.\d+)*)/.exec(execFileSync(command, [...args, '--version'], options))?.[1];
  } catch {
    return undefined;
  }
}

/** Where a QEMU >= 8.1 lies, for the `root` of {@link VmOptions}, or why there is none: the reason to skip with. */
export function newerQemuRoot(): { readonly root: string } | { readonly reason: string } {
  if (process.getuid?.() !== 0) return { reason: 'the newer QEMU lies in a chroot, which needs root' };
  if (!existsSync(join(NEWER_QEMU_ROOT, 'usr/bin', QEMU))) {
    return { reason: `no newer QEMU in ${NEWER_QEMU_ROOT}; npm test makes it, as root and with a Debian mirror` };
  }
  return { root: NEWER_QEMU_ROOT };
}

/**
 * Why a VM with these options cannot run here, or undefined where it can: the reason to skip with.
 */
export function whyNoVm(options: Pick<VmOptions, 'accel' | 'root' | 'paused'> = {}): string | undefined {
  if (options.accel === 'kvm' && !hasKvm()) {
    if (options.paused !== true) return '/dev/kvm cannot be opened';
    const reason = whyNoStandIn();
    if (reason !== undefined) return reason;
  }
  if (qemuVersion(options.root) === undefined) return `${QEMU} is not installed`;
  return undefined;
}

/** VMs that run, for the moment this process ends without stopping them. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Starts a VM and resolves when its first QMP monitor has greeted. It ends with this process, however that ends.
 * Rejects with what QEMU printed where it does not start within 20 s.
 */
export async function startQemu(options: VmOptions = {}): Promise<Vm> {
  if (LAB.length > LAB_PATH_LIMIT) throw new Error(`VIRTSTAT_LAB is longer than ${LAB_PATH_LIMIT} characters: ${LAB}`);
  mkdirSync(LAB, { recursive: true });
  const folder = mkdtempSync(join(LAB, 'vm-'));
  const name = options.name ?? folder.slice(folder.lastIndexOf('/') + 1);
  const uuid = options.uuid ?? randomUUID();
  const qmpPaths = Array.from({ length: options.qmp ?? 1 }, (_, index) => join(folder, `qmp${index}`));
  const hmpPath = join(folder, 'hmp');
  const other = options.accel === 'kvm' && options.paused === true && !hasKvm() ? standIn() : undefined;
  const [command = QEMU, ...args] = [
    ...launcher(options, other?.launcher),
    ...['-name', `${name},debug-threads=on`, '-uuid', uuid],
    ...['-machine', 'pc', '-accel', options.accel ?? (hasKvm() ? 'kvm' : 'tcg'), '-smp', `${options.smp ?? 2}`],
    ...['-m', '32', '-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'none', '-monitor', 'none'],
    ...qmpPaths.flatMap((path, index) => monitor(`qmp${index}`, path, 'control')),
    ...(options.hmp === false ? [] : monitor('hmp0', hmpPath, 'readline')),
    ...(options.paused === true ? ['-S'] : []),
    ...(options.guest === true ? guestDisk(folder) : []),
    ...(other?.args ?? []),
    ...(options.args ?? []),
  ];
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  running.add(child);
  const stop = once(async () => {
    await end(child);
    running.delete(child);
    rmSync(folder, { recursive: true, force: true });
  });
  try {
    await greeted(child, qmpPaths[0] ?? '');
  } catch (error) {
    await stop();
    throw error;
  }
  const pid = child.pid ?? 0;
  return { pid, name, uuid, folder, qmpPath: qmpPaths[0] ?? '', qmpPaths, hmpPath, stop, [Symbol.asyncDispose]: stop };
}

/** Resolves when the guest of a VM sleeps and wakes, so that counters move; rejects after 45 s. Needs KVM and a free QMP. */
export async function guestRuns(vm: Vm): Promise<void> {
  const deadlineMs = performance.now() + GUEST_LIMIT_MS;
  const monitor = await RawQmp.open(vm.qmpPath);
  try {
    // Only the guest halts on the last vCPU: firmware uses the first, and leaves the others parked.
    for (let halts = 0n; halts < 5n; halts = await haltsOfLastVcpu(monitor)) {
      if (performance.now() > deadlineMs) throw new Error(`the guest of ${vm.name} did not start: ${halts} halts`);
      await sleep(100);
    }
  } finally {
    monitor.close();
  }
}

async function haltsOfLastVcpu(monitor: RawQmp): Promise<bigint> {
  const providers = [{ provider: 'kvm', names: ['halt_exits'] }];
  const answer = await monitor.execute('query-stats', { target: 'vcpu', providers });
  const results = answer as readonly { readonly stats: readonly { readonly value: bigint }[] }[];
  return results.at(-1)?.stats[0]?.value ?? 0n;
}

/** The commands that stand before QEMU's arguments: each replaces itself by the next, so the pid stays. */
function launcher({ root, launcher = [] }: VmOptions, last: readonly string[] = []): readonly string[] {
  // The kernel ends it when this process ends, even by SIGKILL.
  const bound = ['setpriv', '--pdeathsig', 'KILL', '--', ...launcher];
  if (root === undefined) return [...bound, ...last, QEMU];
  mkdirSync(root + LAB, { recursive: true });
  // Only this QEMU's mount namespace has the lab folder in the chroot, at the same path: nothing is left to unmount.
  const script = 'mount --bind "$2" "$1$2"; root=$1; shift 2; exec chroot "$root" "$@"';
  return [
    ...bound,
    'unshare',
    '--mount',
    '--propagation',
    'private',
    '--',
    'sh',
    '-ec',
    script,
    'sh',
    root,
    LAB,
    ...last,
    QEMU,
  ];
}

function monitor(id: string, path: string, mode: string): readonly string[] {
  return ['-chardev', `socket,id=${id},path=${path},server=on,wait=off`, '-mon', `chardev=${id},mode=${mode}`];
}

function guestDisk(folder: string): readonly string[] {
  const image = join(folder, 'guest.bin');
  // Inside the lab folder a chroot sees it too.
  copyFileSync(GUEST, image);
  return ['-drive', `file=${image},format=raw,if=ide,snapshot=on`];
}

async function greeted(child: ChildProcess, path: string): Promise<void> {
  let printed = '';
  child.stderr?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  child.on('error', (error) => (printed += error.message));
  const deadlineMs = performance.now() + START_LIMIT_MS;
  for (;;) {
    const lost = child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
    if (lost || performance.now() > deadlineMs) {
      throw new Error(`QEMU ${lost ? 'did not start' : 'is not ready'}: ${printed.trim().split('\n').at(-1)}`);
    }
    if (existsSync(path)) {
      try {
        const socket = await TextSocket.open(path);
        await socket.readTo('\n').finally(() => socket.close());
        return;
      } catch {
        // The socket is there before QEMU listens on it.
      }
    }
    await sleep(20);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  // A stopped process does not see SIGTERM.
  child.kill('SIGCONT');
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), TERM_LIMIT_MS);
  await ended;
  clearTimeout(hard);
}

function once(work: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => (result ??= work());
}
