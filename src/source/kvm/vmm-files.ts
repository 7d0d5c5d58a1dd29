import { nowNs } from '../../host/clock.ts';
import { type ExitWatch, exitWatch } from '../../host/exit-watch.ts';
import { type KernelFacts, kernelObjection } from '../../host/kernel.ts';
import { areStillKept, type TakenFd, takeStatsFds } from '../../host/kvm-fds.ts';
import { ProcessHandle } from '../../host/process-handle.ts';
import { PROC_ROOT } from '../../host/processes.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { Reading } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import type { VcpuScope } from '../../protocol/kvm-stats/layout.ts';
import { LayoutCache } from '../../protocol/kvm-stats/layout-cache.ts';
import { StatsFile } from './stats-file.ts';

/**
 * How long it may be believed that nothing was plugged because as much is open as before, in milliseconds: a look at every
 * descriptor costs a hundred times as much, and is due at all VMs of a host at about the same time.
 */
const LOOK_FOR_CERTAIN_MS = 300_000;

/** The files of a VMM by what they are about. */
interface FilesByTarget {
  readonly vm: readonly StatsFile[];
  readonly vcpu: readonly StatsFile[];
}

/** What opening the stats files of a VMM may be given. */
export interface VmmFilesOptions {
  /** Shares what layouts have in common between VMs; give all of a host the same. */
  readonly cache?: LayoutCache;
  /** What the kernel gate looks at; this machine if absent. */
  readonly kernel?: KernelFacts;
  /** Where processes are shown; `/proc` if absent. */
  readonly procRoot?: string;
  /** Notices that the VM exits; one for the whole process if absent. */
  readonly watch?: ExitWatch;
  /** Called once, when the VM has exited and its files are closed. */
  readonly onExit?: () => void;
}

/**
 * Opens the stats files of a VMM on this host, by duplicating the descriptors that it keeps open: QEMU from 8.1 on keeps
 * one for each vCPU, and none for the VM. Neither the VMM nor the guest notices. Close it to give the descriptors back.
 * @throws KERNEL_UNSAFE or PLATFORM_UNSUPPORTED by the kernel's version, ACCESS_DENIED without the right to trace the
 * process, DOMAIN_GONE where it has exited, STATS_FILE_NOT_KEPT where it keeps none open, or one of the STATS_FILE errors
 */
export function openStatsFiles(pid: number, options: VmmFilesOptions = {}): VmmFiles {
  const objection = kernelObjection(options.kernel);
  if (objection !== undefined) throw objection;
  const handle = new ProcessHandle(pid);
  try {
    return new VmmFiles(handle, options);
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** The stats files of one VMM, open. Made by {@link openStatsFiles}. */
export class VmmFiles implements Disposable {
  readonly #handle: ProcessHandle;
  readonly #cache: LayoutCache;
  readonly #procRoot: string;
  readonly #unwatch: () => void;
  #files: readonly StatsFile[] = [];
  #byTarget: FilesByTarget = { vm: [], vcpu: [] };
  #vcpus: readonly VcpuScope[] = [];
  /** Where {@link #files} are from, and how many descriptors the process had when they were looked for. */
  #taken: readonly TakenFd[] = [];
  #fdCount: number | undefined;
  #lookedAtMs = 0;
  #end: VirtstatError | undefined;

  /** Takes over the handle. */
  constructor(handle: ProcessHandle, options: VmmFilesOptions) {
    this.#handle = handle;
    this.#cache = options.cache ?? new LayoutCache();
    this.#procRoot = options.procRoot ?? PROC_ROOT;
    this.#takeAll();
    // A file left open would keep the VM's memory in the kernel, and show its last values as if it still ran.
    this.#unwatch = (options.watch ?? exitWatch).watch(handle, () => {
      this.#finish(goneError(this.pid));
      options.onExit?.();
    });
  }

  get pid(): number {
    return this.#handle.pid;
  }

  /** That of the VM first, then in ascending order of vCPU ids; empty once closed. {@link rescan} replaces them. */
  get files(): readonly StatsFile[] {
    return this.#files;
  }

  /**
   * The vCPUs that have a file, in the order of {@link files} and of the readings of {@link sample}; the same list as long as the
   * files are the same.
   */
  get vcpus(): readonly VcpuScope[] {
    return this.#vcpus;
  }

  /** What is measured about `vm` or `vcpu`, in the kernel's order; undefined where the VMM keeps no such file. */
  stats(target: string): readonly StatDescriptor[] | undefined {
    return this.#of(target)[0]?.layout.stats;
  }

  /**
   * One reading for each file of `vm` or `vcpu`, under these paths in their order; where there is none, the path of a vCPU is
   * `vcpu-M`.
   * @throws DOMAIN_GONE where the VM exited before or during the sample, CLOSED, or an error of {@link StatsFile.sample}
   */
  sample(target: string, paths: readonly (string | undefined)[] = []): readonly Reading[] {
    if (this.#end !== undefined) throw this.#end;
    const collectedAtNs = nowNs();
    const readings = this.#of(target).map((file, index) => file.sample(collectedAtNs, paths[index]));
    // Whoever lives now has lived all the time.
    this.#checkAlive();
    return readings;
  }

  /** False once the VM has exited, and after {@link close}. */
  get isAlive(): boolean {
    return this.#end === undefined && this.#handle.isAlive();
  }

  /**
   * Takes all files anew: vCPUs may have been plugged, and a VMM may rebuild its VM, whose old files then show frozen
   * values. Where nothing has changed, as is seen by {@link areStillKept} and for certain now and then, they stay. Where it fails
   * the files stay as they were, except that those of a VM that has exited are closed.
   * @throws as {@link openStatsFiles}, and CLOSED
   */
  rescan(): void {
    this.#checkAlive();
    const before = this.#files;
    try {
      if (this.#isUnchanged()) {
        this.#checkAlive();
        return;
      }
      this.#takeAll();
    } catch (error) {
      this.#checkAlive();
      throw error;
    }
    for (const file of before) file.close();
  }

  /** Gives every descriptor back. Harmless when called twice. */
  close(): void {
    this.#finish(new VirtstatError('CLOSED', `the stats files of process ${this.pid} are closed; open them again`));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #isUnchanged(): boolean {
    if (performance.now() - this.#lookedAtMs >= LOOK_FOR_CERTAIN_MS) return false;
    return areStillKept(this.pid, this.#taken, this.#fdCount);
  }

  #takeAll(): void {
    const { files, vcpuCount, fdCount } = takeStatsFds(this.#handle, this.#procRoot);
    const opened: StatsFile[] = [];
    try {
      if (!this.#handle.isAlive()) throw goneError(this.pid);
      if (files.length === 0) throw notKept(this.pid, vcpuCount);
      for (const { file } of files) opened.push(StatsFile.open(file, this.#cache));
      this.#keep(opened);
      this.#taken = files;
      this.#fdCount = fdCount;
      this.#lookedAtMs = performance.now();
    } catch (error) {
      for (const { file } of files) file.close();
      throw error;
    }
  }

  #keep(files: readonly StatsFile[]): void {
    const of = (target: string) => files.filter(({ layout }) => layout.scope.target === target);
    this.#files = files;
    this.#byTarget = { vm: of('vm'), vcpu: of('vcpu') };
    this.#vcpus = files.map(({ layout }) => layout.scope).filter((scope) => scope.target === 'vcpu');
  }

  #of(target: string): readonly StatsFile[] {
    return target === 'vm' || target === 'vcpu' ? this.#byTarget[target] : [];
  }

  #checkAlive(): void {
    if (this.#end === undefined && !this.#handle.isAlive()) this.#finish(goneError(this.pid));
    if (this.#end !== undefined) throw this.#end;
  }

  #finish(reason: VirtstatError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#unwatch();
    for (const file of this.#files) file.close();
    this.#keep([]);
    this.#taken = [];
    this.#handle.close();
  }
}

/** The error DOMAIN_GONE for the VM of a process. */
export function goneError(pid: number): VirtstatError {
  return new VirtstatError('DOMAIN_GONE', `the VM of process ${pid} has exited; look for domains again`);
}

function notKept(pid: number, vcpuCount: number | undefined): VirtstatError {
  return new VirtstatError(
    'STATS_FILE_NOT_KEPT',
    vcpuCount === 0
      ? `process ${pid} has no KVM vCPUs, so there are no stats files; start the VM with KVM (QEMU: -accel kvm)`
      : `process ${pid} keeps no stats files open (QEMU does from 8.1 on); use its monitor instead`,
  );
}
