import { readdirSync } from 'node:fs';

/** What this process takes of the host. */
export interface OwnUsage {
  /** CPU time in user and system mode, in microseconds. */
  readonly cpuMicroseconds: bigint;
  readonly residentBytes: bigint;
  readonly openFiles: bigint;
  /** When it began, in milliseconds since 1970. */
  readonly startedMs: bigint;
}

/** Measured now. */
export function ownUsage(): OwnUsage {
  const { user, system } = process.cpuUsage();
  return {
    cpuMicroseconds: BigInt(user + system),
    residentBytes: BigInt(process.memoryUsage.rss()),
    openFiles: BigInt(readdirSync('/proc/self/fd').length),
    startedMs: BigInt(Math.round(performance.timeOrigin)),
  };
}
