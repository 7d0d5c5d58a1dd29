/** Bounds and choices that hold for every call on a registry. */
export interface RegistryOptions {
  /** How long one domain may take to answer, in milliseconds, 1 to 2^31-1; 3000 if absent. */
  readonly deadlineMs?: number;
}

/** What a call on the registry takes. */
export interface ReadOptions {
  /** Only domains of these names, uuids, process ids or `id`s; absent: all. */
  readonly domains?: readonly string[];
  readonly signal?: AbortSignal;
}

/** What a question for schemas takes. */
export interface SchemaReadOptions extends ReadOptions {
  /** Only the schemas of this target; absent: all. */
  readonly target?: string;
}

/** What a query takes. */
export interface QueryOptions extends ReadOptions {
  /** Values up to this old will do, in milliseconds; 0 if absent: read anew. */
  readonly maxAgeMs?: number;
  /**
   * How long a domain is waited for that has last values, in milliseconds from when it was asked, be it for another reader: after
   * that those are given, marked stale, while it is asked on for whoever comes next. Absent: until its deadline.
   */
  readonly patienceMs?: number;
  /**
   * Takes samples whose values are decoded only when they are looked at, with {@link Reading.packed}: they are no plain data, and
   * whoever copies one copies no values. For readers that pass on everything.
   */
  readonly takesPacked?: boolean;
}

/** What a watch takes. */
export interface WatchOptions extends ReadOptions {
  /** From the start of one sweep to the start of the next, in milliseconds, 1 to 2^31-1. A sweep that takes longer skips turns. */
  readonly intervalMs: number;
}
