import { nowNs } from '../../host/clock.ts';
import { whileWanted } from '../../host/deadline.ts';
import { VirtstatError } from '../../model/errors.ts';
import { MAX_TIMER_MS } from '../../model/limits.ts';
import type { CallOptions } from '../../model/provider.ts';
import {
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE,
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
  VIR_DOMAIN_STATS_BALLOON,
  VIR_DOMAIN_STATS_BLOCK,
  VIR_DOMAIN_STATS_CPU_TOTAL,
  VIR_DOMAIN_STATS_DIRTYRATE,
  VIR_DOMAIN_STATS_IOTHREAD,
  VIR_DOMAIN_STATS_VCPU,
  VIR_DOMAIN_STATS_VM,
} from '../../protocol/libvirt/constants.ts';
import type { DomainReference } from '../../protocol/libvirt/domain.ts';
import type { DomainStatsRecord, DomainStatsRequest } from '../../protocol/libvirt/domain-stats.ts';
import { CONNECT_GET_ALL_DOMAIN_STATS } from '../../protocol/libvirt/procedures.ts';
import type { LibvirtConnection } from './connection.ts';
import { StatsRecord } from './stats-record.ts';

/** Groups for which libvirt may ask the monitor of a domain. */
const MONITOR_GROUPS =
  VIR_DOMAIN_STATS_CPU_TOTAL |
  VIR_DOMAIN_STATS_BALLOON |
  VIR_DOMAIN_STATS_VCPU |
  VIR_DOMAIN_STATS_BLOCK |
  VIR_DOMAIN_STATS_IOTHREAD |
  VIR_DOMAIN_STATS_DIRTYRATE |
  VIR_DOMAIN_STATS_VM;

/** Nobody is waited for whom another job holds, and no image of a domain that is shut off is opened. */
const FLAGS = VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;

/**
 * How many calls may be unanswered. A domain that hangs keeps the first call that comes to it, and those that follow pass it by:
 * that many domains can hang before the others suffer, and two of the five calls that a daemon takes of us are left for the rest.
 */
export const MAX_UNANSWERED = 3;

/** A call that takes longer, in milliseconds, and longer than several usual ones, is followed by another one. */
const LATE_MS = 500;
const LATE_FACTOR = 4;

/** How long after a domain was held by another job it is asked again, in milliseconds. */
const AGAIN_MS = 100;

/** Bounded by its readers, and by the connection. */
const UNBOUNDED = { signal: new AbortController().signal, timeoutMs: MAX_TIMER_MS };

type Records = ReadonlyMap<string, StatsRecord>;

/** A call that is not answered yet. */
interface Call {
  readonly groups: number;
  readonly answer: Promise<Records>;
}

/** What a reader of one domain wants. */
export interface StatsNeed {
  /** VIR_DOMAIN_STATS_* or-ed. */
  readonly groups: number;
  /** True where a record is of no use without what the VM's monitor tells. */
  readonly needsMonitor: boolean;
}

/** What will leave in one call: groups, and the domains that want them, by uuid. */
interface Batch {
  groups: number;
  readonly domains: Map<string, DomainReference>;
  readonly answer: Promise<Records>;
}

/**
 * Asks a daemon for the statistics of all who want some at the same moment with one call: a call for all domains costs hardly
 * more than one for each group of one domain. While a call is under way those who come are gathered for the next one, which would
 * find domains held by the first.
 */
export class BulkStats {
  readonly #connection: LibvirtConnection;
  readonly #isAll: (domains: ReadonlyMap<string, DomainReference>) => boolean;
  #open: Batch | undefined;
  /** Settles when the last call was answered, or is late. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #unanswered = new Set<Call>();
  #usualMs = 0;
  /** Uuids of domains that were held by another job also when they were asked again. */
  #held: ReadonlySet<string> = new Set();

  /** `isAll` says whether these are all domains that run. */
  constructor(connection: LibvirtConnection, isAll: (domains: ReadonlyMap<string, DomainReference>) => boolean) {
    this.#connection = connection;
    this.#isAll = isAll;
  }

  /**
   * The record of a running domain with at least these groups. What takes its monitor is missing where
   * {@link StatsRecord.hasMonitor} is false: somebody else's job held it.
   * @throws DOMAIN_GONE where it was shut off or started anew; TIMEOUT where earlier calls are still unanswered; what calling raises
   */
  async get(
    domain: DomainReference,
    { groups, needsMonitor }: StatsNeed,
    { signal }: CallOptions,
  ): Promise<StatsRecord> {
    const { answer } = this.#join(domain, groups);
    const what = `${domain.name} at ${this.#connection.uri}`;
    const records = await whileWanted(answer, signal, what);
    const record = records.get(domain.uuid);
    if (record?.domain.id === domain.id) {
      if (!needsMonitor || record.hasMonitor) return record;
      // It was passed by, since an earlier call of ours waits for it: the others of that call have their values by now.
      return (await whileWanted(this.#waitedFor(domain, groups), signal, what)) ?? record;
    }
    throw new VirtstatError('DOMAIN_GONE', `${domain.name} does not run any more, says ${this.#connection.uri}`);
  }

  /** What the calls that are still unanswered bring of a domain; undefined where that is nothing of its monitor. */
  #waitedFor({ uuid, id }: DomainReference, groups: number): Promise<StatsRecord | undefined> {
    const calls = [...this.#unanswered].filter((call) => (groups & ~call.groups) === 0);
    return new Promise((resolve) => {
      let left = calls.length;
      const settle = (record?: StatsRecord): void => {
        left--;
        if (record?.hasMonitor && record.domain.id === id) resolve(record);
        else if (left <= 0) resolve(undefined);
      };
      for (const { answer } of calls) {
        answer.then(
          (records) => settle(records.get(uuid)),
          () => settle(),
        );
      }
      if (left === 0) resolve(undefined);
    });
  }

  #join(domain: DomainReference, groups: number): Batch {
    this.#open ??= this.#newBatch();
    this.#open.groups |= groups;
    this.#open.domains.set(domain.uuid, domain);
    return this.#open;
  }

  #newBatch(): Batch {
    const domains = new Map<string, DomainReference>();
    const answer = this.#gathered().then(() => this.#send(batch));
    // Whoever asked first may have gone by the time it fails.
    answer.catch(() => undefined);
    const batch: Batch = { groups: 0, domains, answer };
    return batch;
  }

  /** Those who ask in the same turn of the event loop are there, and the call before is out of the way. */
  async #gathered(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    for (let settled: unknown; settled !== this.#last; ) {
      settled = this.#last;
      await settled;
    }
  }

  async #send({ groups, domains }: Batch): Promise<Records> {
    this.#open = undefined;
    // What the balloon group has of every domain tells whether libvirt got to its monitor.
    const asked = (groups & MONITOR_GROUPS) === 0 ? groups : groups | VIR_DOMAIN_STATS_BALLOON;
    const records = await this.#ask(asked, domains);
    if (asked === groups && (groups & VIR_DOMAIN_STATS_BALLOON) === 0) return records;
    const held = [...domains.values()].filter(({ uuid }) => records.get(uuid)?.hasMonitor === false);
    const again = held.filter(({ uuid }) => !this.#held.has(uuid));
    this.#held = new Set(held.map(({ uuid }) => uuid));
    // One that holds a call of ours hangs.
    if (again.length === 0 || this.#unanswered.size > 0) return records;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    const second = await this.#ask(asked, new Map(again.map((domain) => [domain.uuid, domain])));
    for (const [uuid, record] of second) if (record.hasMonitor) this.#unhold(uuid);
    return new Map([...records, ...second]);
  }

  #unhold(uuid: string): void {
    this.#held = new Set([...this.#held].filter((each) => each !== uuid));
  }

  /** The first answer; a call that is late is followed by another, which passes by whom the first is waiting for. */
  #ask(groups: number, domains: ReadonlyMap<string, DomainReference>): Promise<Records> {
    if (this.#unanswered.size >= MAX_UNANSWERED) {
      const what = `${this.#connection.uri} has not answered ${this.#unanswered.size} calls yet`;
      return Promise.reject(new VirtstatError('TIMEOUT', `${what}: the daemon or some of its domains hang`));
    }
    const request = { domains: this.#isAll(domains) ? [] : [...domains.values()], stats: groups, flags: FLAGS };
    const lateMs = Math.max(LATE_MS, this.#usualMs * LATE_FACTOR);
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const call = (): void => {
        const turn = Promise.withResolvers<void>();
        this.#last = turn.promise;
        timer = setTimeout(() => {
          turn.resolve();
          if (this.#unanswered.size < MAX_UNANSWERED) call();
        }, lateMs);
        this.#call(request)
          .then(resolve, reject)
          .finally(() => {
            clearTimeout(timer);
            turn.resolve();
          });
      };
      call();
    });
  }

  #call(request: DomainStatsRequest): Promise<Records> {
    const startedMs = performance.now();
    const answer = this.#connection.call(CONNECT_GET_ALL_DOMAIN_STATS, request, UNBOUNDED).then((records) => {
      const collectedAtNs = nowNs();
      if (this.#unanswered.size === 1) this.#usualMs = performance.now() - startedMs;
      return new Map(
        records.map((record: DomainStatsRecord) => [record.domain.uuid, new StatsRecord(record, collectedAtNs)]),
      );
    });
    const call = { groups: request.stats, answer };
    this.#unanswered.add(call);
    return answer.finally(() => this.#unanswered.delete(call));
  }
}
