import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';

/**
 * One process as /proc shows it. Reads are synchronous: /proc never waits for a disk, and a hundred small reads cost less
 * than a hundred hops through a thread pool.
 */
export interface Process {
  readonly pid: number;
  /** In clock ticks since boot: together with the pid it tells a process from a later one that got the same pid. */
  readonly startTicks: bigint;
  /** The arguments as the process shows them, the program first; at most {@link MAX_COMMAND_LINE_BYTES} of them. */
  readonly argv: readonly string[];
}

/** Longest command line that is looked at; QEMU's with hundreds of devices stay well below. */
export const MAX_COMMAND_LINE_BYTES: number = 1 << 20;

/** Largest text file that is read for a process. */
export const MAX_TEXT_FILE_BYTES: number = 1 << 20;

/** Where the kernel shows processes; tests give a folder of their own. */
export const PROC_ROOT = '/proc';

/** One process, or undefined where there is none of this pid, or `accept` does not take it. */
export function readProcess(
  pid: number,
  procRoot: string = PROC_ROOT,
  accept: (program: string) => boolean = () => true,
): Process | undefined {
  try {
    const argv = splitCommandLine(readUpTo(`${procRoot}/${pid}/cmdline`, MAX_COMMAND_LINE_BYTES));
    // One that is exiting, or has and waits for its parent to notice, has no arguments any more; a kernel thread has none.
    if (!argv[0] || !accept(programOf(argv[0]))) return undefined;
    return { pid, startTicks: readStat(pid, procRoot).startTicks, argv };
  } catch {
    return undefined;
  }
}

/** True while that very process lives: another may have its pid by now, or its parent may not have noticed its end yet. */
export function isStillRunning(
  { pid, startTicks }: Pick<Process, 'pid' | 'startTicks'>,
  procRoot: string = PROC_ROOT,
): boolean {
  try {
    const stat = readStat(pid, procRoot);
    return stat.startTicks === startTicks && stat.state !== 'Z' && stat.state !== 'X';
  } catch {
    return false;
  }
}

/**
 * A path of that process as this process has to open it: other root (chroot, container), other mounts and working folder
 * considered. Links on the way lead where they lead for that process, not where they would for us.
 */
export function pathSeenBy(pid: number, path: string, procRoot: string = PROC_ROOT): string {
  if (!path.startsWith('/')) return `${procRoot}/${pid}/cwd/${path}`;
  const root = linkOf(`${procRoot}/${pid}/root`);
  const isOurRoot = root === undefined || root === linkOf(`${procRoot}/self/root`);
  // The root of a container is called "/" just like ours: only the mounts tell them apart.
  if (isOurRoot && !isApart(pid, 'mnt', procRoot)) return path;
  return resolveBelow(`${procRoot}/${pid}/root`, path);
}

/** True where a process has a network of its own (a container): what listens on its loopback is not on ours. */
export function hasOwnNetwork(pid: number, procRoot: string = PROC_ROOT): boolean {
  return isApart(pid, 'net', procRoot);
}

/** Whether a process is in another namespace than we are. Who may not look takes only what has pids of its own for apart. */
function isApart(pid: number, kind: 'mnt' | 'net', procRoot: string): boolean {
  const theirs = linkOf(`${procRoot}/${pid}/ns/${kind}`);
  if (theirs !== undefined) return theirs !== linkOf(`${procRoot}/self/ns/${kind}`);
  return namespaceIds(readOrEmpty(`${procRoot}/${pid}/status`)).length > 1;
}

/** How many symbolic links a path may lead over; the kernel's own limit. */
const MAX_LINKS = 40;

/** `path` below another root, its links followed inside that root: the kernel would follow absolute ones from ours. */
function resolveBelow(root: string, path: string): string {
  const ahead = path.split('/').reverse();
  const done: string[] = [];
  for (let links = 0; ahead.length > 0; ) {
    const name = ahead.pop() as string;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      done.pop();
      continue;
    }
    const target = links < MAX_LINKS ? linkOf([root, ...done, name].join('/')) : undefined;
    if (target === undefined) {
      done.push(name);
      continue;
    }
    links++;
    if (target.startsWith('/')) done.length = 0;
    ahead.push(...target.split('/').reverse());
  }
  return [root, ...done].join('/');
}

/**
 * A text file by the path that this process knows it by; undefined where it cannot be read, is no regular file, or is larger
 * than the bound. The path is that process's choice: it must not make us wait.
 */
export function readFileOf(pid: number, path: string, procRoot: string = PROC_ROOT): string | undefined {
  try {
    const file = openSync(pathSeenBy(pid, path, procRoot), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!fstatSync(file).isFile()) return undefined;
      const text = readFrom(file, MAX_TEXT_FILE_BYTES + 1);
      return text.length <= MAX_TEXT_FILE_BYTES ? text.toString('utf8') : undefined;
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}

/** Threads of one process that are looked at; the kernel has no more than some ten thousand on most machines. */
export const MAX_THREADS = 16_384;

/** Threads of a process, by their ids in this process's pid namespace. */
export function listThreads(pid: number, procRoot: string = PROC_ROOT): readonly number[] {
  return listOrEmpty(`${procRoot}/${pid}/task`).slice(0, MAX_THREADS).map(Number);
}

/**
 * Thread ids of a process, in this process's pid namespace, by those in the innermost one: a VMM in a container names its
 * threads by the latter. Empty where they are the same.
 */
export function threadIds(pid: number, procRoot: string = PROC_ROOT): ReadonlyMap<number, number> {
  const innerToOuter = new Map<number, number>();
  if (namespaceIds(readOrEmpty(`${procRoot}/${pid}/status`)).length === 1) return innerToOuter;
  for (const thread of listThreads(pid, procRoot)) {
    const status = readOrEmpty(`${procRoot}/${pid}/task/${thread}/status`);
    innerToOuter.set(namespaceIds(status).at(-1) ?? thread, thread);
  }
  return innerToOuter;
}

/** What a thread calls itself, at most 15 bytes; empty where there is no such thread. */
export function threadName(pid: number, thread: number, procRoot: string = PROC_ROOT): string {
  return readOrEmpty(`${procRoot}/${pid}/task/${thread}/comm`).replace(/\n$/, '');
}

/** The ids of a process or thread by its status file: in the pid namespace of /proc, then in each one further in. */
function namespaceIds(status: string): readonly number[] {
  const ids = /^NSpid:\s*(\d.*)$/m.exec(status)?.[1];
  return ids === undefined ? [] : ids.trim().split(/\s+/).map(Number);
}

/** Enough for nearly every command line; longer ones are read again. Shared, since reads are synchronous. */
const firstBytes = Buffer.alloc(16_384);

/** The start of a file that does not say how long it is. Three system calls for what fits into one page or four. */
function readUpTo(path: string, maxBytes: number): Buffer {
  const file = openSync(path, 'r');
  try {
    return readFrom(file, maxBytes);
  } finally {
    closeSync(file);
  }
}

/** The bytes are good until the next call. */
function readFrom(file: number, maxBytes: number): Buffer {
  const count = readSync(file, firstBytes, 0, firstBytes.length, 0);
  if (count < firstBytes.length) return firstBytes.subarray(0, count);
  const whole = Buffer.alloc(maxBytes);
  let size = 0;
  for (let more = -1; more !== 0 && size < maxBytes; size += more) {
    more = readSync(file, whole, size, maxBytes - size, size);
  }
  return whole.subarray(0, size);
}

function splitCommandLine(bytes: Buffer): readonly string[] {
  return bytes.toString('utf8').replace(/\0+$/, '').split('\0');
}

function programOf(argv0: string): string {
  return argv0.slice(argv0.lastIndexOf('/') + 1);
}

/** Start time of a process by its /proc/PID/stat, in clock ticks since boot: field 22 (proc(5)). */
export function startTicksOf(stat: string): bigint {
  return BigInt(fieldsOf(stat)[STARTED] ?? 0);
}

/** Longest that a line of /proc/PID/stat gets: 52 numbers and a name. */
const MAX_STAT_BYTES = 4096;

/** Fields 3 and 22 of /proc/PID/stat (proc(5)). */
function readStat(pid: number, procRoot: string): { readonly state: string; readonly startTicks: bigint } {
  const stat = readUpTo(`${procRoot}/${pid}/stat`, MAX_STAT_BYTES).toString('latin1');
  return { state: fieldsOf(stat)[0] ?? '', startTicks: startTicksOf(stat) };
}

/** Where field 22 is among those behind the name. */
const STARTED = 19;

/** The fields from the third on: the name in the second may hold blanks and brackets, so count from its end. */
function fieldsOf(stat: string): readonly string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function listOrEmpty(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
