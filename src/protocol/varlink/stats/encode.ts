import type { Availability, Domain } from '../../../model/domain.ts';
import type { VirtstatError } from '../../../model/errors.ts';
import type { Sample, StatEntry } from '../../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../../model/stat.ts';
import type { VarlinkParameters } from '../messages.ts';
import { INT_MAX } from '../types.ts';

/** The model's values as `org.virtstat.Stats` has them. Its definition explains the fields. */

/** `Domain` */
export function encodeDomain(domain: Domain): VarlinkParameters {
  const { id, name, uuid, state, vcpus, vmm, pid, source } = domain;
  return { id, name, uuid, state, vcpus, vmm: vmm && { ...vmm }, pid, source };
}

/** `Availability` */
export function encodeAvailability(availability: Availability): VarlinkParameters {
  return { ...availability };
}

/** `Problem` */
export function encodeProblem({ code, message }: VirtstatError): VarlinkParameters {
  return { code, message };
}

/** `StatsSchema` */
export function encodeSchema({ provider, target, stats }: Schema): VarlinkParameters {
  return { provider, target, stats: stats.map(encodeDescriptor) };
}

function encodeDescriptor({ name, type, unit, base, exponent, bucketSize, size }: StatDescriptor): VarlinkParameters {
  const scale = base === undefined && exponent === 0 ? undefined : { base: encodeBase(base), exponent };
  return { name, kind: type, unit, scale, bucketSize, count: size };
}

function encodeBase(base: StatDescriptor['base']): string | undefined {
  return typeof base === 'number' ? `pow${base}` : base;
}

/** `StatsSample` */
export function encodeSample({ provider, target, path, via, collectedAtNs, stale, stats }: Sample): VarlinkParameters {
  return { provider, target, path, via, collectedAtNs, stale: stale && { ...stale }, stats: stats.map(encodeValue) };
}

function encodeValue({ name, value }: StatEntry): VarlinkParameters {
  if (typeof value === 'boolean') return { name, boolean: value };
  if (typeof value === 'bigint') {
    return value <= INT_MAX ? { name, number: literal(value) } : { name, bigNumber: `${value}` };
  }
  return value.every((count) => count <= INT_MAX)
    ? { name, numbers: value.map(literal) }
    : { name, bigNumbers: value.map((count) => `${count}`) };
}

/** The same literal is written for both, but a `number` in half the time. */
function literal(value: bigint): number | bigint {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}
