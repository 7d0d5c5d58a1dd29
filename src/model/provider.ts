import type { Availability, Domain } from './domain.ts';
import type { Reading } from './sample.ts';
import type { Schema } from './stat.ts';

/** What every call that may wait takes. */
export interface CallOptions {
  /** Ends the wait early: the call then rejects with the signal's reason, wrapped as CANCELLED where it is no VirtstatError. */
  readonly signal: AbortSignal;
}

/** What a schema callback takes. */
export interface SchemaOptions extends CallOptions {
  /** Only this target is of interest: what costs work for others may be left out. */
  readonly target?: string;
}

/** What a stats callback is asked for. A provider may return more; the registry drops what was not asked for. */
export interface StatsRequest {
  readonly target: string;
  /** Absent: all. */
  readonly names?: readonly string[];
  /** Absent: all objects of the target. */
  readonly paths?: readonly string[];
}

/**
 * Who measures: a name, its targets, a schema callback and a stats callback. This is the framework of QEMU's stats
 * subsystem (stats/stats.h); it knows no protocol and no name of a statistic.
 */
export interface Provider {
  readonly name: string;
  readonly targets: readonly string[];
  /** One schema for each target that this domain has; a target that cannot be measured is left out. */
  schemas(domain: Domain, options: SchemaOptions): Promise<readonly Schema[]>;
  /** One reading for each object of the target, in ascending order of the objects. */
  stats(domain: Domain, request: StatsRequest, options: CallOptions): Promise<readonly Reading[]>;
}

/** A provider that can say, without being asked for values, what of it can be had. */
export interface OfferedProvider extends Provider {
  /**
   * For each of its targets whether it can be measured now and, where not, why.
   * @throws what keeps it from finding out, such as the errors of a monitor
   */
  availability(domain: Domain, options: CallOptions): Promise<readonly Availability[]>;
}

/** What a monitor answers, as JSON has it: an integer beyond ±(2^53-1) is a `bigint`. */
export type MonitorValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly MonitorValue[]
  | { readonly [name: string]: MonitorValue | undefined };

/**
 * The monitor of a VMM, for questions that are passed on as they are. It has its own list of questions, none of which
 * changes anything, and refuses every other before the VMM hears of it.
 */
export interface MonitorRelay {
  /**
   * Asks by the name and with the arguments that the VMM's own protocol has.
   * @throws USAGE for what is not on the list; what the VMM answers, and what asking it raises
   */
  ask(
    question: string,
    args: { readonly [name: string]: MonitorValue | undefined } | undefined,
    options: CallOptions,
  ): Promise<MonitorValue>;
}

/** What was set at which balloon device: enough to put it back later, also for another process than the one that set it. */
export interface PollingMark {
  /** QOM path of the device. */
  readonly device: string;
  /** Whole seconds, 1 to 2^32-1. */
  readonly intervalSeconds: number;
}

/** How somebody wants a guest to be asked for its memory statistics. */
export interface PollingOrder {
  /** From one question to the next, whole seconds, 1 to 2^32-1. */
  readonly intervalSeconds: number;
  /** What an earlier process set and did not put back. */
  readonly earlier?: PollingMark;
  /** Told what will be set before it is, and undefined when nothing is set any more that would have to be put back. */
  readonly note?: (mark: PollingMark | undefined) => void;
}

/** Whose the polling is that a device has. */
export interface PollingState {
  /** `ours`: set by this order. `theirs`: somebody else's, left alone. `no-device`: there is no balloon. */
  readonly owner: 'ours' | 'theirs' | 'no-device';
  /** What is set, whole seconds; 0: off. */
  readonly intervalSeconds: number;
  /** When the guest last answered: whole seconds since 1970, by the host's clock; 0: never. */
  readonly lastUpdateSeconds: bigint;
}

/** An order that is being kept. */
export interface PollingLease {
  /**
   * Switches polling on where it is off, and again where the device has lost it; what somebody else set, before or meanwhile,
   * stays as it is.
   * @throws what asking the VMM raises
   */
  keep(options: CallOptions): Promise<PollingState>;
  /** Switches polling off where this order switched it on and nobody has changed it since. @throws as {@link keep} */
  release(options: CallOptions): Promise<void>;
}

/**
 * How often the VMM asks the guest for its memory statistics: the only thing of a VM that virtstat can change. It stands apart
 * from everything that reads, so that no reader can come by it.
 */
export interface BalloonPolling {
  /** Takes an order; nothing is asked or set yet. @throws USAGE for an interval out of range */
  order(order: PollingOrder): PollingLease;
}

/** A domain that a source found, and what can be asked of it. */
export interface FoundDomain {
  readonly domain: Domain;
  /** Its monitor; absent where it has none that could be asked. */
  readonly monitor?: MonitorRelay;
  /** What switches its balloon's polling; absent where it has no monitor to do it through. */
  readonly balloonPolling?: BalloonPolling;
  /** What another source calls the same VM, where it has it: this one is left out then, since more can be read of that one. */
  readonly twin?: DomainTwin;
  /** Who can measure it. Rejects where that cannot be found out: the domain then fails as a whole. */
  providers(options: CallOptions): Promise<readonly Provider[]>;
  /** What {@link providers} would give, where that is known without asking anybody; absent or undefined where it is not. */
  readonly knownProviders?: readonly Provider[] | undefined;
  /** `domain` completed by what takes asking the VMM: run state, number of vCPUs, name, uuid. */
  describe(options: CallOptions): Promise<Domain>;
  /** What can be read by which way and, where something cannot, why. */
  availability(options: CallOptions): Promise<readonly Availability[]>;
}

/** A domain by what tells which VM it is. */
export type DomainTwin = Pick<Domain, 'source' | 'name' | 'uuid'>;

/** A place that statistics come from. It knows nobody who reads. */
export interface Source {
  /** As the user gave it. */
  readonly uri: string;
  /**
   * The domains that are there now. The same VM keeps its `domain.id` from scan to scan, and what was opened for it stays
   * open; a domain that cannot be found out about does not make the others fail.
   */
  scan(options: CallOptions): Promise<readonly FoundDomain[]>;
  /** Gives back every descriptor and connection. Harmless when called twice. */
  close(): Promise<void>;
}
