import { whileWanted } from '../../host/deadline.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';
import { VIR_DOMAIN_STATS_STATE } from '../../protocol/libvirt/constants.ts';
import type { DomainReference } from '../../protocol/libvirt/domain.ts';
import { BulkStats } from './bulk-stats.ts';
import { LibvirtConnection, type LibvirtConnectionOptions } from './connection.ts';
import { numberOf } from './stats-record.ts';

/** How long a daemon may take to list its domains, in milliseconds: it does not have to ask anybody. */
const LIST_TIMEOUT_MS = 10_000;

/** How long one is waited for that has listed them before, in milliseconds; its domains are taken to be there still. */
const PATIENCE_MS = 200;

/** How long one is waited for that did not answer the last time either, in milliseconds. */
const LATE_PATIENCE_MS = 50;

/** VIR_DOMAIN_PAUSED for the reason VIR_DOMAIN_PAUSED_STARTING_UP. */
const PAUSED = 3n;
const STARTING_UP = 11n;

/** A domain that a daemon has. */
export interface ListedDomain extends DomainReference {
  /** False for one that is defined and does not run. */
  readonly isActive: boolean;
  /** True while libvirt is still about to start it. */
  readonly isStarting: boolean;
}

/** The domains of one libvirt daemon, and their statistics, over one connection. */
export class DomainList {
  readonly uri: string;
  readonly stats: BulkStats;
  readonly #connection: LibvirtConnection;
  #asking: Promise<readonly ListedDomain[]> | undefined;
  /** As of the last answer. */
  #last: readonly ListedDomain[] | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  #activeUuids: ReadonlySet<string> = new Set();
  #isLate = false;

  /** Connects to nothing yet. @throws URI_INVALID, URI_UNSUPPORTED */
  constructor(uri: string, options: LibvirtConnectionOptions = {}) {
    this.uri = uri;
    this.#connection = new LibvirtConnection(uri, options);
    this.stats = new BulkStats(this.#connection, (domains) => this.#isAll(domains));
  }

  /**
   * All domains, those that are shut off too, as of `maxAgeMs` milliseconds ago at most. A daemon that does not answer, or is away
   * for a while, has those that it had last.
   * @throws what calling raises, where it never answered
   */
  async get({ signal }: CallOptions, maxAgeMs = 0): Promise<readonly ListedDomain[]> {
    if (this.#last !== undefined && performance.now() - this.#lastMs < maxAgeMs) return this.#last;
    const asking = (this.#asking ??= this.#ask());
    const what = `the list of domains of ${this.uri}`;
    const isPatient = this.#last === undefined && !this.#isLate;
    const wanted = isPatient ? asking : soon(asking, this.#isLate ? LATE_PATIENCE_MS : PATIENCE_MS, what);
    try {
      return await whileWanted(wanted, signal, what);
    } catch (error) {
      // It is still being asked: nobody else has to wait for it as long.
      this.#isLate = this.#asking === asking;
      if (this.#last === undefined) throw error;
      return this.#last;
    }
  }

  /** Gives the connection back. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  #isAll(domains: ReadonlyMap<string, DomainReference>): boolean {
    return this.#activeUuids.size > 0 && [...this.#activeUuids].every((uuid) => domains.has(uuid));
  }

  async #ask(): Promise<readonly ListedDomain[]> {
    try {
      const records = await this.#connection.getAllDomainStats(VIR_DOMAIN_STATS_STATE, 0, {
        timeoutMs: LIST_TIMEOUT_MS,
      });
      const listed = records.map(({ domain: { name, uuid, id }, params }) => {
        const [state, reason] = ['state.state', 'state.reason'].map((key) =>
          numberOf(params.find(({ field }) => field === key)),
        );
        return { name, uuid, id, isActive: id >= 0, isStarting: state === PAUSED && reason === STARTING_UP };
      });
      this.#last = listed;
      this.#lastMs = performance.now();
      this.#activeUuids = new Set(listed.flatMap(({ uuid, isActive }) => (isActive ? uuid : [])));
      this.#isLate = false;
      return listed;
    } finally {
      this.#asking = undefined;
    }
  }
}

/** @throws TIMEOUT */
function soon<T>(wanted: Promise<T>, ms: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new VirtstatError('TIMEOUT', `${what} did not come within ${ms} ms`)), ms);
    wanted.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
