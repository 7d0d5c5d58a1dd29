import type { CallOptions } from '../../model/provider.ts';
import { VIR_ERR_INVALID_ARG, VIR_FROM_DOM } from './constants.ts';
import type { DomainReference } from './domain.ts';
import type { DomainStatsRecord } from './domain-stats.ts';
import { LibvirtError, remoteError } from './error.ts';
import type { Procedure } from './procedure.ts';
import {
  CONNECT_GET_ALL_DOMAIN_STATS,
  CONNECT_GET_HOSTNAME,
  CONNECT_GET_LIB_VERSION,
  CONNECT_GET_TYPE,
  CONNECT_GET_URI,
  CONNECT_GET_VERSION,
  CONNECT_LIST_ALL_DOMAINS,
  DOMAIN_LOOKUP_BY_ID,
  DOMAIN_LOOKUP_BY_NAME,
  DOMAIN_LOOKUP_BY_UUID,
} from './procedures.ts';

/**
 * How long a call may take, in milliseconds. libvirt waits up to 30 s for a domain that another job holds, and answers then
 * without what it could not get; a shorter limit would get nothing at all.
 */
export const DEFAULT_CALL_TIMEOUT_MS = 40_000;

/** What bounds one call. */
export interface LibvirtCallOptions {
  /** Ends the wait; who answers may go on with the call. */
  readonly signal?: AbortSignal;
  /** In milliseconds, 1 to 2^31-1; the connection's own if absent. */
  readonly timeoutMs?: number;
}

/** Who answers the calls of a {@link StatsConnection}. */
export interface CallLink {
  /** @throws LIBVIRT_CALL_FAILED as a {@link LibvirtError}; TIMEOUT, CANCELLED, CLOSED, and what reaching the other side raises */
  call<A, R>(procedure: Procedure<A, R>, args: A, options: LinkCallOptions): Promise<R>;
  /** Ends calls under way and later ones with CLOSED. Harmless when repeated. */
  close(): Promise<void>;
}

/** How long one call may take. */
export interface LinkCallOptions extends CallOptions {
  /** In milliseconds. */
  readonly timeoutMs: number;
}

/** A domain of one connection. */
export class LibvirtDomain implements DomainReference {
  readonly name: string;
  readonly uuid: string;
  readonly id: number;
  readonly #connection: StatsConnection;

  /** Domains come from a connection: looked up, listed, or in a record. */
  constructor(connection: StatsConnection, { name, uuid, id }: DomainReference) {
    this.name = name;
    this.uuid = uuid;
    this.id = id;
    this.#connection = connection;
  }

  /** Whether it came from this connection. */
  isOf(connection: StatsConnection): boolean {
    return this.#connection === connection;
  }
}

/** The statistics of one domain: typed parameters in libvirt's order. */
export type LibvirtStatsRecord = DomainStatsRecord<LibvirtDomain>;

const FOREVER: AbortSignal = new AbortController().signal;

/**
 * A read-only connection by the names of libvirt's bindings, whoever answers its calls: a libvirt daemon, or virtstat's own
 * sources. Domains stay valid as long as it is open, since their uuid decides.
 */
export class StatsConnection implements AsyncDisposable {
  readonly uri: string;
  readonly #link: CallLink;
  readonly #callTimeoutMs: number;

  /** @param callTimeoutMs - {@link DEFAULT_CALL_TIMEOUT_MS} if absent */
  constructor(uri: string, link: CallLink, callTimeoutMs: number = DEFAULT_CALL_TIMEOUT_MS) {
    this.uri = uri;
    this.#link = link;
    this.#callTimeoutMs = callTimeoutMs;
  }

  /**
   * Calls any procedure of the table.
   * @throws LIBVIRT_CALL_FAILED as a {@link LibvirtError}; TIMEOUT, CANCELLED, CLOSED, CONNECTION_LOST, QUEUE_FULL, USAGE;
   * LIBVIRT_MESSAGE_INVALID, FRAME_TOO_LARGE for a broken reply; what connecting raises
   */
  call<A, R>(procedure: Procedure<A, R>, args: A, options: LibvirtCallOptions = {}): Promise<R> {
    const { signal = FOREVER, timeoutMs = this.#callTimeoutMs } = options;
    return this.#link.call(procedure, args, { signal, timeoutMs });
  }

  /**
   * Statistics of all domains that fit the flags, in no particular order.
   * @param stats groups, VIR_DOMAIN_STATS_* or-ed; 0: all that are supported
   * @param flags VIR_CONNECT_GET_ALL_DOMAINS_STATS_* or-ed
   * @throws as {@link call}
   */
  async getAllDomainStats(
    stats = 0,
    flags = 0,
    options: LibvirtCallOptions = {},
  ): Promise<readonly LibvirtStatsRecord[]> {
    return this.#stats([], stats, flags, options);
  }

  /**
   * Statistics of these domains, in their order; one that is gone has none.
   * @throws as {@link call}; LIBVIRT_CALL_FAILED with code 8 for an empty list or a domain of another connection, before
   * anything is sent
   */
  async domainListGetStats(
    domains: readonly LibvirtDomain[],
    stats = 0,
    flags = 0,
    options: LibvirtCallOptions = {},
  ): Promise<readonly LibvirtStatsRecord[]> {
    if (domains.length === 0) throw invalidArgument('the list must have at least one domain');
    if (!domains.every((domain) => domain.isOf(this))) throw invalidArgument('all domains must be of this connection');
    return this.#stats(domains, stats, flags, options);
  }

  /** The running domain of an id. @throws as {@link call}; LIBVIRT_CALL_FAILED with code 42 where there is none */
  async lookupByID(id: number, options?: LibvirtCallOptions): Promise<LibvirtDomain> {
    return new LibvirtDomain(this, await this.call(DOMAIN_LOOKUP_BY_ID, id, options));
  }

  /** The domain of a name. @throws as {@link lookupByID} */
  async lookupByName(name: string, options?: LibvirtCallOptions): Promise<LibvirtDomain> {
    return new LibvirtDomain(this, await this.call(DOMAIN_LOOKUP_BY_NAME, name, options));
  }

  /** The domain of a uuid, 32 hexadecimal digits with or without dashes. @throws as {@link lookupByID} */
  async lookupByUUIDString(uuid: string, options?: LibvirtCallOptions): Promise<LibvirtDomain> {
    return new LibvirtDomain(this, await this.call(DOMAIN_LOOKUP_BY_UUID, uuid, options));
  }

  /** All domains, or those that fit the filters in the low bits of VIR_CONNECT_GET_ALL_DOMAINS_STATS_*. @throws as {@link call} */
  async listAllDomains(flags = 0, options?: LibvirtCallOptions): Promise<readonly LibvirtDomain[]> {
    const { domains } = await this.call(CONNECT_LIST_ALL_DOMAINS, { needResults: 1, flags }, options);
    return domains.map((domain) => new LibvirtDomain(this, domain));
  }

  /** Name of the driver: `QEMU`. @throws as {@link call} */
  getType(options?: LibvirtCallOptions): Promise<string> {
    return this.call(CONNECT_GET_TYPE, undefined, options);
  }

  /** Version of the hypervisor: 7002022 is 7.2.22. @throws as {@link call} */
  async getVersion(options?: LibvirtCallOptions): Promise<number> {
    return Number(await this.call(CONNECT_GET_VERSION, undefined, options));
  }

  /** Version of libvirt in the same form. @throws as {@link call} */
  async getLibVersion(options?: LibvirtCallOptions): Promise<number> {
    return Number(await this.call(CONNECT_GET_LIB_VERSION, undefined, options));
  }

  /** Name of the daemon's host. @throws as {@link call} */
  getHostname(options?: LibvirtCallOptions): Promise<string> {
    return this.call(CONNECT_GET_HOSTNAME, undefined, options);
  }

  /** URI of the driver: `qemu:///system`. @throws as {@link call} */
  getURI(options?: LibvirtCallOptions): Promise<string> {
    return this.call(CONNECT_GET_URI, undefined, options);
  }

  /** Ends the connection for good; calls under way and later ones fail with CLOSED. Harmless when repeated. */
  close(): Promise<void> {
    return this.#link.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #stats(
    domains: readonly LibvirtDomain[],
    stats: number,
    flags: number,
    options: LibvirtCallOptions,
  ): Promise<readonly LibvirtStatsRecord[]> {
    const request = { domains, stats: unsigned(stats), flags: unsigned(flags) };
    const records = await this.call(CONNECT_GET_ALL_DOMAIN_STATS, request, options);
    return records.map(({ domain, params }) => ({ domain: new LibvirtDomain(this, domain), params }));
  }
}

/** Bits that were or-ed are a signed number here, and an unsigned one for libvirt. */
function unsigned(bits: number): number {
  return (bits | 0) === bits ? bits >>> 0 : bits;
}

function invalidArgument(why: string): LibvirtError {
  const error = remoteError(VIR_ERR_INVALID_ARG, VIR_FROM_DOM, `invalid argument: ${why}`);
  return new LibvirtError('domainListGetStats', error);
}
