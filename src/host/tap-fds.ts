import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { PROC_ROOT } from './processes.ts';

/** A descriptor by which a process sends and receives frames at a network device. */
export interface TapFd {
  /** Its number in the process. */
  readonly fd: number;
  /** The device's name now, in the namespace that it is in. */
  readonly device: string;
  /** `tap`: what the process sends, the device receives. `macvtap` (and ipvtap): the device counts as the process does. */
  readonly kind: 'tap' | 'macvtap';
  /** What it was opened by; another descriptor of this number has another one. */
  readonly link: string;
}

/** Where the kernel shows devices. */
export const SYS_ROOT = '/sys';

/** Folders of the kernel; tests give their own. */
export interface TapFdOptions {
  readonly procRoot?: string;
  readonly sysRoot?: string;
}

/**
 * The taps and macvtaps that a process holds, in ascending order of their numbers; undefined where its descriptors may not be
 * looked at. The kernel takes the lock of the network configuration for each tap that is looked at: not for every sample.
 */
export function listTapFds(
  pid: number,
  { procRoot = PROC_ROOT, sysRoot = SYS_ROOT }: TapFdOptions = {},
): readonly TapFd[] | undefined {
  const process = `${procRoot}/${pid}`;
  try {
    return readdirSync(`${process}/fd`)
      .map(Number)
      .sort((a, b) => a - b)
      .flatMap((fd) => tapFdOf(process, fd, sysRoot) ?? []);
  } catch {
    return undefined;
  }
}

/** True while the process has what it was found to have under this number; takes no lock. */
export function isStillHeld(pid: number, { fd, link }: TapFd, procRoot: string = PROC_ROOT): boolean {
  return linkOf(`${procRoot}/${pid}/fd/${fd}`) === link;
}

function tapFdOf(process: string, fd: number, sysRoot: string): TapFd | undefined {
  const link = linkOf(`${process}/fd/${fd}`);
  // Sockets, pipes and what has no name are nothing that is opened by a path.
  if (link === undefined || !link.startsWith('/')) return undefined;
  const tap = tapNameOf(`${process}/fdinfo/${fd}`);
  if (tap !== undefined) return { fd, device: tap, kind: 'tap', link };
  const macvtap = macvtapNameOf(`${process}/fd/${fd}`, sysRoot);
  return macvtap === undefined ? undefined : { fd, device: macvtap, kind: 'macvtap', link };
}

/** The line `iff:` that descriptors of /dev/net/tun have, wherever that node is (drivers/net/tun.c, tun_chr_show_fdinfo). */
function tapNameOf(fdinfo: string): string | undefined {
  try {
    return /^iff:\t(.+)$/m.exec(readFileSync(fdinfo, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/** Major numbers of memory devices and of those that share one number: no macvtap is among them, /dev/null and KVM are. */
const MEM_MAJOR = 1;
const MISC_MAJOR = 10;

/**
 * A macvtap is a character device below its network device: `…/net/macvtap0/macvtap/tap7`. The link says so in every
 * namespace, though what it leads to is seen only in the device's own.
 */
function macvtapNameOf(path: string, sysRoot: string): string | undefined {
  try {
    const status = statSync(path);
    if (!status.isCharacterDevice()) return undefined;
    const { major, minor } = numbersOf(status.rdev);
    if (major === MEM_MAJOR || major === MISC_MAJOR) return undefined;
    const link = linkOf(`${sysRoot}/dev/char/${major}:${minor}`) ?? '';
    return /\/net\/([^/]+)\/(?:[^/]+\/)?tap\d+$/.exec(link)?.[1];
  } catch {
    return undefined;
  }
}

/** As makedev(3) of Linux packs them. */
function numbersOf(rdev: number): { readonly major: number; readonly minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
