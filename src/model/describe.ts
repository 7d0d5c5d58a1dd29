import type { StatDescriptor, StatType } from './stat.ts';

/**
 * Descriptors of statistics that come from no schema of somebody else: of a monitor's replies, of /proc, of a network
 * interface. What is measured in no unit is a count.
 */

/** What a value is measured in, and the steps that it counts. */
export type Scale = Pick<StatDescriptor, 'unit' | 'base' | 'exponent'>;

/** A plain number. */
export const COUNT: Scale = { exponent: 0 };
/** Bytes. */
export const BYTES: Scale = { unit: 'bytes', exponent: 0 };
/** Whole seconds. */
export const SECONDS: Scale = { unit: 'seconds', exponent: 0 };
/** Nanoseconds. */
export const NANOSECONDS: Scale = { unit: 'seconds', base: 10, exponent: -9 };
/** Microseconds. */
export const MICROSECONDS: Scale = { unit: 'seconds', base: 10, exponent: -6 };
/** Yes or no. */
export const BOOLEAN: Scale = { unit: 'boolean', exponent: 0 };

/** A statistic of one value. */
export function describeStat(name: string, type: StatType, scale: Scale = COUNT): StatDescriptor {
  return { name, type, ...scale, size: 1 };
}
