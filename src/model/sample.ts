import type { StatDescriptor } from './stat.ts';

/**
 * What a statistic is now. Values are exact: an unsigned 64-bit number is a `bigint` from the kernel to the reader.
 */

/**
 * A value: a number of 0 to 2^64-1, a boolean, or several numbers. Buckets of a histogram are in the kernel's order, the
 * smallest first.
 */
export type StatValue = bigint | boolean | readonly bigint[];

/** One value with the name that joins it to its descriptor. */
export interface StatEntry {
  readonly name: string;
  readonly value: StatValue;
}

/** Why a sample is not fresh. */
export interface Staleness {
  /** Since the values were read, in nanoseconds. */
  readonly ageNs: bigint;
  /** Code of the error that kept newer values away. */
  readonly code: string;
  /** Its message. */
  readonly reason: string;
}

/** Where values stand in {@link PackedStats}, statistic by statistic. */
export interface PackedForm {
  readonly stats: readonly StatDescriptor[];
  /** The same index means the same statistic: a multiple of 8 bytes, and how many values. */
  readonly places: readonly { readonly offsetBytes: number; readonly size: number }[];
}

/**
 * The values of a reading as they came, for whoever passes on hundreds of thousands of them in a second and looks at none. They
 * mean what {@link Reading.stats} says: a single value of the unit `boolean` is a boolean, another one a number.
 */
export interface PackedStats {
  /** One object for all readings that are alike, so that what is prepared for it is prepared once. */
  readonly form: PackedForm;
  /** Unsigned 64-bit numbers in the order of a little-endian machine, which this one is; they do not change any more. */
  readonly bytes: Uint8Array;
}

/** Values of one object at one time, as a provider returns them. */
export interface Reading {
  /** Which object of the target: a QOM path, a device; absent where the target has only one (the VM). */
  readonly path?: string;
  /** Name of the host's device behind the object, as the host calls it: `tap0`; absent where there is none. */
  readonly device?: string;
  /** By which way the values came: `kvm-file`, `qmp`, … */
  readonly via: string;
  /** When they were read: nanoseconds since 1970, UTC. */
  readonly collectedAtNs: bigint;
  /** Present only where the values are older than what was asked for. */
  readonly stale?: Staleness;
  /** In the schema's order; may be decoded on first use. */
  readonly stats: readonly StatEntry[];
  /** The same values undecoded, where they came so. */
  readonly packed?: PackedStats | undefined;
}

/** A reading together with what it is about. */
export interface Sample extends Reading {
  readonly domain: string;
  readonly provider: string;
  readonly target: string;
}
