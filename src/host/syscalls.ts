import { type ErrorCode, VirtstatError } from '../model/errors.ts';
import { libc, unsupported } from './libc.ts';

/**
 * The system calls on processes and their files that Node has no function for. Calls that a signal interrupts are repeated.
 * Everything here may throw PLATFORM_UNSUPPORTED where there are no such calls.
 */

/** Numbers of system calls that older C libraries have no function for; the same on every architecture. */
const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;

/** `poll` reports that there is something to read; for a pidfd: that the process has exited. */
const POLLIN = 1;

/** One entry of `struct pollfd`: s32 descriptor, s16 events, s16 events seen; as two 32-bit words. */
const POLLFD_WORDS = 2;

/**
 * A descriptor that stands for a process and for no later one of the same pid. It is closed on exec.
 * @throws DOMAIN_GONE where there is no such process
 */
export function pidfdOpen(pid: number): number {
  const fd = repeated(() => libc().syscall(SYS_PIDFD_OPEN, 'int', pid, 'unsigned int', 0));
  if (fd >= 0) return fd;
  throw systemError(`process ${pid} cannot be watched`, 'STATS_FILE_UNREADABLE');
}

/**
 * A duplicate of descriptor `targetFd` of the process behind `pidfd`, closed on exec; undefined where the process has no
 * such descriptor.
 * @throws ACCESS_DENIED without the right to trace the process, DOMAIN_GONE where it has exited
 */
export function pidfdGetfd(pidfd: number, targetFd: number): number | undefined {
  const fd = repeated(() => libc().syscall(SYS_PIDFD_GETFD, 'int', pidfd, 'int', targetFd, 'unsigned int', 0));
  if (fd >= 0) return fd;
  if (libc().errorName() === 'EBADF') return undefined;
  throw systemError(`the descriptors of the VMM cannot be shared`, 'STATS_FILE_UNREADABLE');
}

/**
 * Reads up to `sizeBytes` at `offsetBytes` into the start of `into`, which must have room for them. Allocates nothing.
 * Returns the number of bytes, 0 at the end of the file, or -1 where it failed: {@link systemError} then says why.
 */
export function pread(fd: number, into: Uint8Array, sizeBytes: number, offsetBytes: number): number {
  // Memory would be overwritten, not a range error thrown.
  if (sizeBytes > into.length) throw new VirtstatError('INTERNAL', `a read of ${sizeBytes} bytes has no room`);
  const { pread: call } = libc();
  for (;;) {
    const count = call(fd, into, sizeBytes, offsetBytes);
    if (count >= 0 || !isInterrupted()) return count;
  }
}

/** Which of these pidfds stand for a process that has exited, by one system call that does not wait. */
export function exitedAmong(pidfds: readonly number[]): readonly number[] {
  if (pidfds.length === 0) return [];
  return poll(pidfds, new Int32Array(pidfds.length * POLLFD_WORDS));
}

/** Whether the process behind one pidfd has exited; made for being asked before and after every sample. */
export function hasExited(pidfd: number): boolean {
  return poll([pidfd], SINGLE_ENTRY).length > 0;
}

/** Memory for one entry, used again and again. */
const SINGLE_ENTRY = new Int32Array(POLLFD_WORDS);

function poll(pidfds: readonly number[], entries: Int32Array): readonly number[] {
  const halves = new Int16Array(entries.buffer);
  for (const [index, pidfd] of pidfds.entries()) {
    entries[index * POLLFD_WORDS] = pidfd;
    halves[index * POLLFD_WORDS * 2 + 2] = POLLIN;
    halves[index * POLLFD_WORDS * 2 + 3] = 0;
  }
  const ready = repeated(() => libc().poll(entries, pidfds.length, 0));
  if (ready < 0) throw systemError('watching processes failed', 'INTERNAL');
  return ready === 0 ? [] : pidfds.filter((_, index) => halves[index * POLLFD_WORDS * 2 + 3] !== 0);
}

/** The error of the call that failed just now: `what` failed, with the code of virtstat that says it best. */
export function systemError(what: string, otherwise: ErrorCode): VirtstatError {
  const name = libc().errorName();
  switch (name) {
    case 'EPERM':
    case 'EACCES':
      return new VirtstatError(
        'ACCESS_DENIED',
        `${what}: ${name}; run as root, as the user of the VMM, or with CAP_SYS_PTRACE`,
      );
    case 'ESRCH':
      return new VirtstatError('DOMAIN_GONE', `${what}: the process has exited`);
    case 'ENOSYS':
      return unsupported(`${what}: this kernel lacks the system call (Linux 5.6)`);
    case 'EMFILE':
    case 'ENFILE':
      return new VirtstatError(otherwise, `${what}: too many open files; raise the limit (ulimit -n)`);
    default:
      return new VirtstatError(otherwise, `${what}: ${name}`);
  }
}

function repeated(call: () => number): number {
  for (;;) {
    const result = call();
    if (result >= 0 || !isInterrupted()) return result;
  }
}

function isInterrupted(): boolean {
  return libc().errorName() === 'EINTR';
}
