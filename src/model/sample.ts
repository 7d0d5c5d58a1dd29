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
}

/** A reading together with what it is about. */
export interface Sample extends Reading {
  readonly domain: string;
  readonly provider: string;
  readonly target: string;
}
