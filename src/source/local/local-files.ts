import { listKvmFds } from '../../host/kvm-fds.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';
import type { Reading } from '../../model/sample.ts';
import type { Schema } from '../../model/stat.ts';
import { VIA_KVM_FILE } from '../kvm/stats-file.ts';
import { goneError, openStatsFiles, type VmmFiles, type VmmFilesOptions } from '../kvm/vmm-files.ts';
import type { VcpuIdentity } from './vcpu-paths.ts';

/** The provider of these statistics, by QEMU's name. */
export const KVM = 'kvm';

/** How long files stay as they are before new ones are looked for, and how long a refusal is believed, in milliseconds. */
const LOOK_AGAIN_MS = 5000;

/** What the stats files of one VM need to know from others. */
export interface LocalFilesOptions extends VmmFilesOptions {
  /** The QOM path of each vCPU, undefined where it cannot be told. Known at once for the same list as before. */
  readonly pathsOf: (vcpus: readonly VcpuIdentity[], options: CallOptions) => Promise<readonly (string | undefined)[]>;
  /** True where the process that was found has exited, though another may have its pid by now. */
  readonly hasExited: () => boolean;
}

/**
 * The kernel stats files of one VM on this host: opened when first asked for, looked at anew now and then (vCPUs may be
 * plugged, a VMM may rebuild its VM), with the QOM path of every vCPU.
 */
export class LocalFiles {
  readonly via: string = VIA_KVM_FILE;
  readonly #pid: number;
  readonly #options: LocalFilesOptions;
  #files: VmmFiles | undefined;
  #refusal: VirtstatError | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  /** By target: that there was no file of it, and when that was seen. */
  readonly #missing = new Map<string, { readonly seenAtMs: number; readonly reason: VirtstatError }>();
  #isClosed = false;

  constructor(pid: number, options: LocalFilesOptions) {
    this.#pid = pid;
    this.#options = options;
  }

  /** Why the target cannot be read from a file; undefined where it can. */
  objection(target: string): VirtstatError | undefined {
    const files = this.#open(target);
    if (files instanceof VirtstatError) return files;
    if (files.stats(target) !== undefined) return undefined;
    return this.#notKept(target);
  }

  /** What the target's files measure; undefined where there are none. */
  schema(target: string): Schema | undefined {
    const files = this.#open(target);
    const stats = files instanceof VirtstatError ? undefined : files.stats(target);
    return stats && { provider: KVM, target, stats };
  }

  /**
   * One reading for each object of the target; undefined where there are no files to read.
   * @throws DOMAIN_GONE
   */
  async sample(target: string, options: CallOptions): Promise<readonly Reading[] | undefined> {
    const files = this.#open(target);
    if (files instanceof VirtstatError) {
      if (files.code === 'DOMAIN_GONE') throw files;
      return undefined;
    }
    if (files.stats(target) === undefined) return undefined;
    if (target !== 'vcpu') return files.sample(target);
    const { vcpus } = files;
    const paths = await this.#options.pathsOf(vcpus, options);
    // While the monitor was asked the files may have been looked at anew: other vCPUs have other paths.
    return files.vcpus === vcpus ? files.sample(target, paths) : this.sample(target, options);
  }

  /** The vCPUs that have a stats file, with the threads that created them; none where there are no files to read. */
  vcpus(): readonly VcpuIdentity[] {
    const files = this.#open('vcpu');
    return files instanceof VirtstatError ? [] : files.vcpus;
  }

  /** True while the process is held, and lives: another one cannot have its pid. */
  get isHeld(): boolean {
    return this.#files?.isAlive === true;
  }

  /** For good: whoever still asks opens nothing again. */
  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  #drop(): void {
    this.#files?.close();
    this.#files = undefined;
  }

  /** What is known stays good for a while: looking again costs more than reading. */
  #open(target: string): VmmFiles | VirtstatError {
    if (this.#isClosed) return new VirtstatError('CLOSED', `the stats files of process ${this.#pid} were closed`);
    const nowMs = performance.now();
    const isLookDue = nowMs - this.#lookedAtMs >= LOOK_AGAIN_MS;
    const known = this.#files ?? this.#refusal;
    if (known !== undefined && !isLookDue) return known;
    // Listing costs no system call library; most VMMs keep nothing for the VM, whose statistics are asked for most often.
    const missing = known === undefined ? this.#lookFor(target, nowMs) : undefined;
    if (missing !== undefined) return missing;
    this.#lookedAtMs = nowMs;
    try {
      if (this.#files !== undefined) {
        this.#files.rescan();
        return this.#files;
      }
      this.#files = openStatsFiles(this.#pid, { ...this.#options, onExit: this.#onExit });
      // From here on the process is held: its pid is nobody else's while it lives.
      return this.#options.hasExited() ? this.#refuse(goneError(this.#pid)) : this.#files;
    } catch (error) {
      return this.#refuse(
        VirtstatError.from(error, 'INTERNAL', `the ${target} stats files of process ${this.#pid} failed`),
      );
    }
  }

  #refuse(reason: VirtstatError): VirtstatError {
    this.#drop();
    this.#refusal = reason;
    return reason;
  }

  readonly #onExit = (): void => {
    this.#refuse(goneError(this.#pid));
  };

  /** Why there is no file of the target; undefined where there is one, or nobody can tell. */
  #lookFor(target: string, nowMs: number): VirtstatError | undefined {
    const known = this.#missing.get(target);
    const isRecent = known !== undefined && nowMs - known.seenAtMs < LOOK_AGAIN_MS;
    if (isRecent && !this.#options.hasExited()) return known.reason;
    const listed = listKvmFds(this.#pid, this.#options.procRoot);
    if (listed === undefined || listed.some(({ kind }) => kind === `${target}-stats`)) return undefined;
    const reason = this.#notKept(target);
    this.#missing.set(target, { seenAtMs: nowMs, reason });
    return reason;
  }

  #notKept(target: string): VirtstatError {
    const hint = target === 'vcpu' ? ' (QEMU does from 8.1 on)' : '';
    return new VirtstatError('STATS_FILE_NOT_KEPT', `process ${this.#pid} keeps no ${target} stats file open${hint}`);
  }
}
