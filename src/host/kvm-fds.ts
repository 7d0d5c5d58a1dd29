import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { systemErrorCode } from '../model/errors.ts';
import type { OwnedFd } from './owned-fd.ts';
import type { ProcessHandle } from './process-handle.ts';
import { PROC_ROOT } from './processes.ts';
import { isSameOpenFile } from './syscalls.ts';

/** What kind of KVM object a descriptor is, as the kernel names it. */
export type KvmFdKind = 'vm-stats' | 'vcpu-stats' | 'vcpu';

/** A descriptor of a VMM that belongs to KVM. */
export interface KvmFd {
  /** Its number in the VMM. */
  readonly fd: number;
  readonly kind: KvmFdKind;
  /** KVM's number of the vCPU; absent for the VM. */
  readonly vcpuId?: number;
}

/** A stats file of a VMM, shared with this process. */
export interface TakenFd extends KvmFd {
  readonly kind: 'vm-stats' | 'vcpu-stats';
  readonly file: OwnedFd;
}

/** What was found in a VMM. */
export interface TakenFds {
  /** Those of VMs first, then in ascending order of vCPU ids, then of the descriptors' numbers. */
  readonly files: readonly TakenFd[];
  /** How many vCPUs the VMM holds; undefined where its descriptors may not be listed. */
  readonly vcpuCount: number | undefined;
  /** See {@link countFds}; as it was before they were listed. */
  readonly fdCount: number | undefined;
}

/** What taking descriptors needs of a process. */
type Vmm = Pick<ProcessHandle, 'pid' | 'take'>;

/** How far descriptors are tried one by one where they may not be listed. */
export const MAX_PROBED_FDS = 65_536;

/** How many are tried where not even the size of the table is known. */
const USUAL_TABLE_SIZE = 1024;

/** The KVM descriptors of a process; undefined where they may not be listed. */
export function listKvmFds(pid: number, procRoot: string = PROC_ROOT): readonly KvmFd[] | undefined {
  const folder = `${procRoot}/${pid}/fd`;
  try {
    return readdirSync(folder)
      .map((entry) => kvmFdOf(Number(entry), `${folder}/${entry}`))
      .filter((found) => found !== undefined);
  } catch (error) {
    if (MAY_NOT_LIST.has(systemErrorCode(error) ?? '')) return undefined;
    throw error;
  }
}

/**
 * How many descriptors a process has open; undefined where the kernel does not say (it does from 6.2 on), or not to us. A look
 * at this costs a hundredth of a look at all of them.
 */
export function countFds(pid: number, procRoot: string = PROC_ROOT): number | undefined {
  // Elsewhere it is the size of a folder like others.
  if (procRoot !== PROC_ROOT) return undefined;
  return statSync(`${procRoot}/${pid}/fd`, { throwIfNoEntry: false })?.size || undefined;
}

/**
 * True where a process still has each of these files under the number under which it was taken, and no more descriptors than
 * `fdCount`, nor fewer: then nothing was plugged or rebuilt, unless as many others were closed meanwhile.
 */
export function areStillKept(
  pid: number,
  files: readonly Pick<TakenFd, 'fd' | 'file'>[],
  fdCount: number | undefined,
): boolean {
  if (fdCount === undefined || countFds(pid) !== fdCount) return false;
  return files.every(({ fd, file }) => isSameOpenFile(pid, fd, file.fd) === true);
}

/** ENOENT is a /proc mounted to hide other users' processes; one that has exited was noticed by its pidfd. */
const MAY_NOT_LIST: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'ENOENT', 'ESRCH']);

/**
 * Shares the stats files that a process keeps open. Where its descriptors may not be listed, every number up
 * to the size of its table is tried, which needs only the right to trace it (CAP_SYS_PTRACE).
 * @throws ACCESS_DENIED, DOMAIN_GONE; nothing stays open then
 */
export function takeStatsFds(handle: Vmm, procRoot: string = PROC_ROOT): TakenFds {
  const fdCount = countFds(handle.pid, procRoot);
  const listed = listKvmFds(handle.pid, procRoot);
  const candidates = listed?.filter(isStats).map(({ fd }) => fd);
  const files: TakenFd[] = [];
  try {
    for (const fd of candidates ?? probedNumbers(handle.pid, procRoot)) {
      const taken = takeOne(handle, fd);
      if (taken !== undefined) files.push(taken);
    }
  } catch (error) {
    for (const { file } of files) file.close();
    throw error;
  }
  files.sort((a, b) => (a.vcpuId ?? -1) - (b.vcpuId ?? -1) || a.fd - b.fd);
  return { files, vcpuCount: listed?.filter(({ kind }) => kind === 'vcpu').length, fdCount };
}

/** The duplicate is asked what it is, not the list: the number may mean another file by now. */
function takeOne(handle: Vmm, fd: number): TakenFd | undefined {
  const file = handle.take(fd);
  if (file === undefined) return undefined;
  try {
    const found = kvmFdOf(fd, `${PROC_ROOT}/self/fd/${file.fd}`);
    if (found !== undefined && isStats(found)) return { ...found, file };
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  return undefined;
}

function isStats(found: KvmFd): found is KvmFd & Pick<TakenFd, 'kind'> {
  return found.kind !== 'vcpu';
}

function probedNumbers(pid: number, procRoot: string): readonly number[] {
  return Array.from({ length: Math.min(tableSize(pid, procRoot), MAX_PROBED_FDS) }, (_, fd) => fd);
}

/** Size of the process's table of descriptors, which everybody may read. */
function tableSize(pid: number, procRoot: string): number {
  try {
    const status = readFileSync(`${procRoot}/${pid}/status`, 'latin1');
    return Number(/^FDSize:\s*(\d+)$/m.exec(status)?.[1] ?? USUAL_TABLE_SIZE);
  } catch {
    return USUAL_TABLE_SIZE;
  }
}

const LINKS = /^anon_inode:(?:kvm-(?<vm>vm-stats)|kvm-(?<vcpu>vcpu|vcpu-stats):(?<id>\d{1,10}))$/;

function kvmFdOf(fd: number, link: string): KvmFd | undefined {
  const { vm, vcpu, id } = LINKS.exec(linkAt(link))?.groups ?? {};
  if (vm !== undefined) return { fd, kind: 'vm-stats' };
  if (vcpu !== undefined) return { fd, kind: vcpu as KvmFdKind, vcpuId: Number(id) };
  return undefined;
}

/** Empty where the descriptor was closed between the listing and the look. */
function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return '';
    throw error;
  }
}
