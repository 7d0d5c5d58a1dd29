import { U64_MAX } from '../../model/u64.ts';
import type { JsonValue } from '../json/json.ts';
import { counterOf } from './counters.ts';
import { asObject, asString, textOf } from './shape.ts';

/** Replies that tell how large a machine is, and how fast its memory changes. What is no counter is absent. */

/** Bytes of memory that the machine has now, of `query-memory-size-summary`. @throws QMP_REPLY_INVALID */
export function decodeMemorySize(reply: JsonValue): bigint | undefined {
  const summary = asObject(reply, 'query-memory-size-summary');
  const base = counterOf(summary['base-memory']);
  const size = (base ?? 0n) + (counterOf(summary['plugged-memory']) ?? 0n);
  return base === undefined || size > U64_MAX ? undefined : size;
}

/** How many vCPUs it may have, of the machine's property `smp`. @throws QMP_REPLY_INVALID */
export function decodeMaxCpus(reply: JsonValue): bigint | undefined {
  return counterOf(asObject(reply, 'qom-get smp')['maxcpus']);
}

/** How many bytes of memory it may have, of the machine's property `memory`. @throws QMP_REPLY_INVALID */
export function decodeMaxMemory(reply: JsonValue): bigint | undefined {
  const memory = asObject(reply, 'qom-get memory');
  return counterOf(memory['max-size']) ?? counterOf(memory['size']);
}

/** How far a measurement of how fast the guest changes its memory is, by libvirt's numbers (virDomainDirtyRateStatus). */
const DIRTY_RATE_STATUSES = ['unstarted', 'measuring', 'measured'];

/** How it is measured, in QEMU's order (qapi/migration.json, `DirtyRateMeasureMode`). */
export const DIRTY_RATE_MODES: readonly string[] = ['page-sampling', 'dirty-ring', 'dirty-bitmap'];

/** The last measurement of how fast the guest changes its memory. */
export interface DirtyRate {
  /** 0 nobody has started one, 1 it is under way, 2 it is done; absent for a word of later versions. */
  readonly status?: bigint;
  /** Index in {@link DIRTY_RATE_MODES}; absent from QEMUs before 6.1. */
  readonly mode?: bigint;
  /** MiB in each second; only when it is done. */
  readonly mebibytes?: bigint;
  /** When it began, in seconds of QEMU's clock, the host's monotonic one; only when it has begun. */
  readonly startSeconds?: bigint;
  /** How long it takes, in seconds; likewise. */
  readonly calcSeconds?: bigint;
}

/** What `query-dirty-rate` tells. @throws QMP_REPLY_INVALID */
export function decodeDirtyRate(reply: JsonValue): DirtyRate {
  const rate = asObject(reply, 'query-dirty-rate');
  const word = asString(rate['status'], 'query-dirty-rate.status');
  const [status, mode] = [DIRTY_RATE_STATUSES.indexOf(word), DIRTY_RATE_MODES.indexOf(textOf(rate['mode']) ?? '')];
  const [mebibytes, startSeconds, calcSeconds] = ['dirty-rate', 'start-time', 'calc-time'].map((name) =>
    counterOf(rate[name]),
  );
  const hasBegun = word !== 'unstarted';
  return {
    ...(status >= 0 && { status: BigInt(status) }),
    ...(mode >= 0 && { mode: BigInt(mode) }),
    ...(word === 'measured' && mebibytes !== undefined && { mebibytes }),
    ...(hasBegun && startSeconds !== undefined && { startSeconds }),
    ...(hasBegun && calcSeconds !== undefined && { calcSeconds }),
  };
}
