import { U64_MAX } from '../../model/u64.ts';
import type { Decode } from './words.ts';

/** Kernels before 5.16 have the struct's name in front. */
const WAIT_SUM = /^(?:se\.(?:statistics\.)?)?wait_sum\s*:\s*(\d{1,14})\.(\d{6})$/m;

/**
 * Decodes `/proc/PID/sched`: how long the fair scheduler had the thread wait for a processor (`wait_sum`), in nanoseconds, which stand
 * there as milliseconds with six digits behind the point. Undefined where the kernel does not keep that account.
 */
export function waitOfSched(): Decode {
  return (bytes, sizeBytes) => {
    const [, ms, ns] = WAIT_SUM.exec(bytes.toString('latin1', 0, sizeBytes)) ?? [];
    const value = ms === undefined || ns === undefined ? undefined : BigInt(ms) * 1_000_000n + BigInt(ns);
    return [value !== undefined && value <= U64_MAX ? value : undefined];
  };
}
