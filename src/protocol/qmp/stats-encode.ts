import type { MonitorValue } from '../../model/provider.ts';
import type { StatEntry } from '../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../model/stat.ts';
import type { StatsResult } from './stats-reply.ts';

/**
 * The reverse of stats-reply.ts: the model's values as the replies that QEMU would give, with its order of lists and of
 * members. What QEMU leaves out is left out: a descriptor's `size`, which QMP has no place for, among it.
 */

/** The reply to `query-stats`. Results without stats are left out, as the `kvm` provider of QEMU does. */
export function encodeStats(results: readonly StatsResult[]): MonitorValue {
  return results
    .filter((result) => result.stats.length > 0)
    .map((result) => ({
      provider: result.provider,
      stats: result.stats.map(encodeEntry).reverse(),
      'qom-path': result.path,
    }))
    .reverse();
}

function encodeEntry({ name, value }: StatEntry): MonitorValue {
  return { name, value: typeof value === 'object' ? value.toReversed() : value };
}

/** The reply to `query-stats-schemas`. A schema without stats is sent all the same. */
export function encodeSchemas(schemas: readonly Schema[]): MonitorValue {
  return schemas
    .map((schema) => ({
      provider: schema.provider,
      stats: schema.stats.map(encodeDescriptor).reverse(),
      target: schema.target,
    }))
    .reverse();
}

function encodeDescriptor(stat: StatDescriptor): MonitorValue {
  return {
    name: stat.name,
    unit: stat.unit,
    base: stat.base,
    'bucket-size': stat.bucketSize,
    exponent: stat.exponent,
    type: stat.type,
  };
}
