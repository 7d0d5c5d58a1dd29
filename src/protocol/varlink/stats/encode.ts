import type { Availability, Domain } from '../../../model/domain.ts';
import type { VirtstatError } from '../../../model/errors.ts';
import type { Sample, StatEntry } from '../../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../../model/stat.ts';
import { JsonText, quoteJson } from '../../json/json.ts';
import type { VarlinkParameters } from '../messages.ts';
import { INT_MAX } from '../types.ts';
import { PackedValues } from './packed-values.ts';

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

/** `StatsSample`, its values as text: a reader of a whole host gets a hundred thousand of them each second. */
export function encodeSample(sample: Sample): VarlinkParameters {
  const { provider, target, path, device, via, collectedAtNs, stale, packed } = sample;
  const stats =
    packed === undefined ? new JsonText(`[${sample.stats.map(writeValue).join(',')}]`) : new PackedValues(packed);
  return { provider, target, path, device, via, collectedAtNs, stale: stale && { ...stale }, stats };
}

/** `StatsValue` */
function writeValue({ name, value }: StatEntry): string {
  const head = `{"name":${quoteJson(name)}`;
  if (typeof value === 'boolean') return `${head},"boolean":${value}}`;
  if (typeof value === 'bigint') {
    return value <= INT_MAX ? `${head},"number":${value}}` : `${head},"bigNumber":"${value}"}`;
  }
  if (value.every((count) => count <= INT_MAX)) return `${head},"numbers":[${value.join(',')}]}`;
  return `${head},"bigNumbers":[${value.map((count) => `"${count}"`).join(',')}]}`;
}
