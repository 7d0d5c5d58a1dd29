import { closeSync, fstatSync, statSync } from 'node:fs';
import { libc } from './libc.ts';
import { ProcessHandle } from './process-handle.ts';
import { PROC_ROOT } from './processes.ts';

/** TUNGETDEVNETNS of linux/if_tun.h, `_IO('T', 227)`: a descriptor of the namespace that a tap is in. Linux has it from 5.7 on. */
const TUNGETDEVNETNS = 0x54e3;

/**
 * True where the tap behind a descriptor of a process is in this process's network namespace; false also where that cannot be
 * found out: it takes the right to trace the process, and CAP_NET_ADMIN.
 */
export function isTapInOurNamespace(pid: number, fd: number): boolean {
  try {
    using process = new ProcessHandle(pid);
    using tap = process.take(fd);
    if (tap === undefined) return false;
    const namespace = libc().ioctl(tap.fd, TUNGETDEVNETNS, 'int', 0);
    if (namespace < 0) return false;
    try {
      const [theirs, ours] = [fstatSync(namespace), statSync(`${PROC_ROOT}/self/ns/net`)];
      return theirs.ino === ours.ino && theirs.dev === ours.dev;
    } finally {
      closeSync(namespace);
    }
  } catch {
    return false;
  }
}
