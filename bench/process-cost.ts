import { readdirSync, readFileSync } from 'node:fs';

/** CPU time of all threads of a process, by the scheduler's account (proc_pid_schedstat), in nanoseconds. */
export function cpuNsOf(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const times = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]),
  );
  return times.reduce((sum, ns) => sum + ns, 0);
}

/** CPU time of a process while something goes on, in percent of the time that passed. */
export async function coreShareOf(pid: number, during: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  const startNs = cpuNsOf(pid);
  await during();
  return (cpuNsOf(pid) - startNs) / 1e4 / (performance.now() - startMs);
}

/** Memory that a process has resident (`VmRSS` of proc_pid_status), in bytes. */
export function rssBytesOf(pid: number): number {
  const kib = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no memory: it has ended`);
  return Number(kib) * 1024;
}
