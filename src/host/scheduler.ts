import { readFileSync } from 'node:fs';
import { PROC_ROOT } from './processes.ts';

/** True where the kernel keeps the accounts of its scheduler that cost something (the sysctl `kernel.sched_schedstats`). */
export function keepsSchedulerAccounts(procRoot: string = PROC_ROOT): boolean {
  try {
    return readFileSync(`${procRoot}/sys/kernel/sched_schedstats`, 'latin1').trim() === '1';
  } catch {
    // Kernels are built without it, too.
    return false;
  }
}
