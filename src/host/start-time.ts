import { clockTicksPerSecond } from './clock-ticks.ts';
import { PROC_ROOT, readProcess } from './processes.ts';
import { readSmallFile } from './small-file.ts';

const MAX_STAT_BYTES = 1 << 20;

/**
 * When a process began, in nanoseconds since 1970, by the system's clock as it is now: whoever needs one answer keeps it. Undefined
 * where there is no such process.
 */
export function processStartNs(pid: number, procRoot: string = PROC_ROOT): bigint | undefined {
  const process = readProcess(pid, procRoot);
  const bootSeconds = /^btime (\d+)$/m.exec(readSmallFile(`${procRoot}/stat`, MAX_STAT_BYTES) ?? '')?.[1];
  if (process === undefined || bootSeconds === undefined) return undefined;
  return BigInt(bootSeconds) * 1_000_000_000n + (process.startTicks * 1_000_000_000n) / BigInt(clockTicksPerSecond());
}
