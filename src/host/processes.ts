import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from 'node:fs';

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

/** Every process that `accept` takes by its program name (argv[0] without folders). Processes that vanish meanwhile are left out. */
export function listProcesses(accept: (program: string) => boolean, procRoot: string = PROC_ROOT): readonly Process[] {
  return readdirSync(procRoot)
    .filter((entry) => /^[1-9]\d*$/.test(entry))
    .flatMap((entry) => {
      const process = readProcess(Number(entry), procRoot, accept);
      return process === undefined ? [] : [process];
    });
}

/** One process, or undefined where there is none of this pid, or `accept` does not take it. */
export function readProcess(
  pid: number,
  procRoot: string = PROC_ROOT,
  accept: (program: string) => boolean = () => true,
): Process | undefined {
  try {
    const argv = splitCommandLine(readUpTo(`${procRoot}/${pid}/cmdline`, MAX_COMMAND_LINE_BYTES));
    if (argv[0] === undefined || !accept(programOf(argv[0]))) return undefined;
    return { pid, startTicks: startTicksOf(readFileSync(`${procRoot}/${pid}/stat`, 'latin1')), argv };
  } catch {
    return undefined;
  }
}

/** A path of that process as this process has to open it: other root (chroot, container) and working folder considered. */
export function pathSeenBy(pid: number, path: string, procRoot: string = PROC_ROOT): string {
  if (!path.startsWith('/')) return `${procRoot}/${pid}/cwd/${path}`;
  return linkOf(`${procRoot}/${pid}/root`) === linkOf(`${procRoot}/self/root`)
    ? path
    : `${procRoot}/${pid}/root${path}`;
}

/** A text file by the path that this process knows it by; undefined where it cannot be read, or is larger than the bound. */
export function readFileOf(pid: number, path: string, procRoot: string = PROC_ROOT): string | undefined {
  const seen = pathSeenBy(pid, path, procRoot);
  try {
    const { size } = statSync(seen);
    return size <= MAX_TEXT_FILE_BYTES ? readFileSync(seen, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Thread ids of a process, in this process's pid namespace and in the innermost one: a VMM in a container names its
 * threads by the latter.
 */
export function threadIds(pid: number, procRoot: string = PROC_ROOT): ReadonlyMap<number, number> {
  const innerToOuter = new Map<number, number>();
  for (const entry of listOrEmpty(`${procRoot}/${pid}/task`)) {
    const status = readOrEmpty(`${procRoot}/${pid}/task/${entry}/status`);
    const ids = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
    innerToOuter.set(Number(ids.at(-1) ?? entry), Number(entry));
  }
  return innerToOuter;
}

/** Enough for nearly every command line; longer ones are read again. Shared, since reads are synchronous. */
const firstBytes = Buffer.alloc(16_384);

/** The start of a file that does not say how long it is. Three system calls for what fits into one page or four. */
function readUpTo(path: string, maxBytes: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const count = readSync(file, firstBytes, 0, firstBytes.length, 0);
    if (count < firstBytes.length) return firstBytes.subarray(0, count);
    const whole = Buffer.alloc(maxBytes);
    let size = 0;
    for (let more = -1; more !== 0 && size < maxBytes; size += more) {
      more = readSync(file, whole, size, maxBytes - size, size);
    }
    return whole.subarray(0, size);
  } finally {
    closeSync(file);
  }
}

function splitCommandLine(bytes: Buffer): readonly string[] {
  return bytes.toString('utf8').replace(/\0+$/, '').split('\0');
}

function programOf(argv0: string): string {
  return argv0.slice(argv0.lastIndexOf('/') + 1);
}

/** Field 22 of /proc/PID/stat (proc(5)); the name in field 2 may hold blanks and brackets, so count from its end. */
function startTicksOf(stat: string): bigint {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return BigInt(fields[19] ?? 0);
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
