import { U64_MAX } from '../../model/u64.ts';
import type { JsonValue } from '../json/json.ts';
import { counterOf } from './counters.ts';
import { asObject, asString } from './shape.ts';

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

/** The last measurement of how fast the guest changes its memory. */
export interface DirtyRate {
  /** MiB in each second. */
  readonly mebibytes?: bigint;
  /** When it began, in seconds of QEMU's clock, the host's monotonic one. */
  readonly startSeconds?: bigint;
  /** How long it took, in seconds. */
  readonly calcSeconds?: bigint;
}

/** What `query-dirty-rate` tells; empty unless something was measured. @throws QMP_REPLY_INVALID */
export function decodeDirtyRate(reply: JsonValue): DirtyRate {
  const rate = asObject(reply, 'query-dirty-rate');
  if (asString(rate['status'], 'query-dirty-rate.status') !== 'measured') return {};
  const [mebibytes, startSeconds, calcSeconds] = ['dirty-rate', 'start-time', 'calc-time'].map((name) =>
    counterOf(rate[name]),
  );
  return {
    ...(mebibytes !== undefined && { mebibytes }),
    ...(startSeconds !== undefined && { startSeconds }),
    ...(calcSeconds !== undefined && { calcSeconds }),
  };
}
