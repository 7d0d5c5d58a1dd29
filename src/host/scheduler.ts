import { PROC_ROOT } from './processes.ts';
import { readSmallFile } from './small-file.ts';

/** Longest that a setting may be, in bytes: it is a number. */
const MAX_SETTING_BYTES = 64;

/** True where the kernel keeps the accounts of its scheduler that cost something (the sysctl `kernel.sched_schedstats`). */
export function keepsSchedulerAccounts(procRoot: string = PROC_ROOT): boolean {
  // Kernels are built without it, too.
  return readSmallFile(`${procRoot}/sys/kernel/sched_schedstats`, MAX_SETTING_BYTES)?.trim() === '1';
}
