import { type ErrorCode, VirtstatError } from '../model/errors.ts';
import { libc, unsupported } from './libc.ts';

/**
 * The system calls on processes and their files that Node has no function for. Calls that a signal interrupts are repeated.
 * Everything here may throw PLATFORM_UNSUPPORTED where there are no such calls.
 */

/** Numbers of system calls that older C libraries have no function for; the same on every architecture. */
const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;

/** Of kcmp(2), which compares what processes share: its number by Node's names of machines, and the choice of open files. */
const SYS_KCMP: Readonly<Record<string, number>> = { x64: 312, arm64: 272 };
const KCMP_FILE = 0;

/** `poll` reports that there is something to read; for a pidfd: that the process has exited. */
const POLLIN = 1;

/** Of socket(2), unix(7) and flock(2), as on x86-64 and arm64. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const MSG_NOSIGNAL = 0x4000;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** Of a CPU clock: what the scheduler accounts, to the nanosecond. */
const CPUCLOCK_SCHED = 2;

/** `struct passwd` and `struct group` begin with two pointers; the id follows. */
const ACCOUNT_ID_OFFSET_BYTES = 16;

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
 * Whether descriptor `theirs` of another process and `ours` of this one are of the same open file, a duplicate of one another;
 * undefined where that cannot be told: no such call or no right to it, or no such process or descriptor.
 */
export function isSameOpenFile(pid: number, theirs: number, ours: number): boolean | undefined {
  const number = SYS_KCMP[process.arch];
  if (number === undefined) return undefined;
  const types = [
    'int',
    process.pid,
    'int',
    pid,
    'int',
    KCMP_FILE,
    'unsigned long',
    ours,
    'unsigned long',
    theirs,
  ] as const;
  const order = libc().syscall(number, ...types);
  return order < 0 ? undefined : order === 0;
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

/** Which of these processes have exited, by one system call that does not wait. A closed pidfd tells nothing any more. */
export function exitedAmong<T extends { readonly pidfd: number }>(processes: readonly T[]): readonly T[] {
  if (processes.length * POLLFD_WORDS > entries.length) {
    entries = new Int32Array(2 * processes.length * POLLFD_WORDS);
    entryHalves = new Int16Array(entries.buffer);
  }
  for (let index = 0; index < processes.length; index++) {
    fillEntry(entries, entryHalves, index, processes[index]!.pidfd);
  }
  return poll(entries, processes.length) === 0
    ? []
    : processes.filter((_, index) => entryHalves[index * POLLFD_WORDS * 2 + 3] !== 0);
}

/** Memory for many entries, used again and again: all of a host are looked at several times in a second. */
let entries = new Int32Array(0);
let entryHalves = new Int16Array(0);

/** Whether the process behind one pidfd has exited; made for being asked after every sample. */
export function hasExited(pidfd: number): boolean {
  fillEntry(SINGLE_ENTRY, SINGLE_ENTRY_HALVES, 0, pidfd);
  return poll(SINGLE_ENTRY, 1) > 0;
}

/** Memory for one entry, used again and again. */
const SINGLE_ENTRY = new Int32Array(POLLFD_WORDS);
const SINGLE_ENTRY_HALVES = new Int16Array(SINGLE_ENTRY.buffer);

function fillEntry(entries: Int32Array, halves: Int16Array, index: number, pidfd: number): void {
  entries[index * POLLFD_WORDS] = pidfd;
  halves[index * POLLFD_WORDS * 2 + 2] = POLLIN;
  halves[index * POLLFD_WORDS * 2 + 3] = 0;
}

/** How many of the entries have something to tell. */
function poll(entries: Int32Array, count: number): number {
  for (;;) {
    const ready = libc().poll(entries, count, 0);
    if (ready >= 0) return ready;
    if (!isInterrupted()) throw systemError('watching processes failed', 'INTERNAL');
  }
}

/**
 * CPU time of a whole process, threads that have ended included, in nanoseconds; undefined where there is no process of
 * this pid. Everybody may ask.
 */
export function processCpuNs(pid: number): bigint | undefined {
  // As clock_getcpuclockid(3) makes the number of the clock.
  if (libc().clockGettime((~pid << 3) | CPUCLOCK_SCHED, TIMESPEC) !== 0) return undefined;
  return TIMESPEC[0]! * 1_000_000_000n + TIMESPEC[1]!;
}

/** `struct timespec`: s64 seconds, s64 nanoseconds; used again and again. */
const TIMESPEC = new BigInt64Array(2);

/**
 * The bytes of an option of a socket (SOL_SOCKET), at most `maxSizeBytes` of them; undefined where the socket has no such
 * option. @throws INTERNAL where the descriptor is no socket, or the option is larger
 */
export function socketOption(fd: number, option: number, maxSizeBytes: number): Uint8Array | undefined {
  const into = new Uint8Array(maxSizeBytes);
  const sizeBytes = Uint32Array.of(maxSizeBytes);
  if (libc().getsockopt(fd, SOL_SOCKET, option, into, sizeBytes) === 0) return into.subarray(0, sizeBytes[0]);
  if (libc().errorName() === 'ENODATA' || libc().errorName() === 'ENOPROTOOPT') return undefined;
  throw new VirtstatError('INTERNAL', `option ${option} of socket ${fd} cannot be read: ${libc().errorName()}`);
}

/** A new unix datagram socket that never waits, closed on exec. */
export function openDatagramSocket(): number {
  const fd = libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0) return fd;
  throw new VirtstatError('CONNECT_FAILED', `no datagram socket can be opened: ${libc().errorName()}`);
}

/**
 * Sends one datagram to a unix socket. A name that begins with a NUL is an abstract one.
 * @throws CONNECT_FAILED
 */
export function sendDatagram(fd: number, name: Uint8Array, bytes: Uint8Array): void {
  const address = new Uint8Array(2 + name.length);
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX;
  address.set(name, 2);
  const sent = repeated(() => libc().sendto(fd, bytes, bytes.length, MSG_NOSIGNAL, address, address.length));
  if (sent < 0) throw new VirtstatError('CONNECT_FAILED', `a datagram cannot be sent: ${libc().errorName()}`);
}

/** Locks a file for this process alone, until its descriptor is closed; false where another one has the lock. */
export function lockFile(fd: number): boolean {
  if (repeated(() => libc().flock(fd, LOCK_EX | LOCK_NB)) === 0) return true;
  if (['EAGAIN', 'EWOULDBLOCK'].includes(libc().errorName())) return false;
  throw new VirtstatError('INTERNAL', `a file cannot be locked: ${libc().errorName()}`);
}

/** The uid of a user of this machine, wherever its users are kept; undefined where there is none of that name. */
export function userId(name: string): number | undefined {
  const { getpwnam, uint32At } = libc();
  const entry = getpwnam(name);
  return entry === null ? undefined : uint32At(entry, ACCOUNT_ID_OFFSET_BYTES);
}

/** The gid of a group of this machine, wherever its groups are kept; undefined where there is none of that name. */
export function groupId(name: string): number | undefined {
  const { getgrnam, uint32At } = libc();
  const entry = getgrnam(name);
  return entry === null ? undefined : uint32At(entry, ACCOUNT_ID_OFFSET_BYTES);
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
