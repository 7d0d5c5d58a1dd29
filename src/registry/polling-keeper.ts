import { withDeadline } from '../host/deadline.ts';
import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { BalloonPolling, PollingLease, PollingMark, PollingState } from '../model/provider.ts';

/** How long one domain may take each time, in milliseconds. */
const DOMAIN_LIMIT_MS = 3000;

const NEVER: AbortSignal = new AbortController().signal;

/** A domain whose guest is to be asked for its memory statistics. */
export interface WantedPolling {
  readonly domain: Domain;
  /** Whole seconds, at least 1. */
  readonly intervalSeconds: number;
}

/** What came of it. */
export interface PollingOutcome {
  readonly domain: Domain;
  /** How the device stands, or why that cannot be told. */
  readonly result: PollingState | VirtstatError;
}

/** What a {@link PollingKeeper} stands on. */
export interface PollingKeeperOptions {
  /** Finds what switches the polling of the domain with this `id`: the registry does. */
  readonly pollingOf: (id: string) => Promise<BalloonPolling | undefined>;
  /** Remembers what is set at which domain, also beyond the end of this process; nobody does if absent. */
  readonly journal?: PollingJournal;
}

/** What is set at which domain, by its `id`. */
export interface PollingJournal {
  get(id: string): PollingMark | undefined;
  /** @throws what keeps it from being remembered: nothing is set then */
  note(id: string, mark: PollingMark | undefined): void;
}

interface Kept {
  readonly domain: Domain;
  readonly intervalSeconds: number;
  readonly lease: PollingLease;
}

/** Keeps the polling of several balloons switched on, and puts back what it has set. */
export class PollingKeeper {
  readonly #options: PollingKeeperOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: PollingKeeperOptions) {
    this.#options = options;
  }

  /** The domains that are kept now. */
  get domains(): readonly Domain[] {
    return [...this.#kept.values()].map(({ domain }) => domain);
  }

  /** Looks at each domain, and does what its order says. Never rejects; each domain has a limit of its own. */
  keep(wanted: readonly WantedPolling[]): Promise<readonly PollingOutcome[]> {
    return Promise.all(
      wanted.map(async (each) => ({
        domain: each.domain,
        result: await attempt(each.domain, () => this.#keepOne(each)),
      })),
    );
  }

  /** Puts back what was set at these domains, or at all. Never rejects: what could not be put back says why. */
  async release(domains: readonly Domain[] = this.domains): Promise<readonly PollingOutcome[]> {
    const outcomes = await Promise.all(
      domains.map(async (domain) => ({ domain, result: await attempt(domain, () => this.#releaseOne(domain)) })),
    );
    return outcomes.flatMap(({ domain, result }) => (result === undefined ? [] : [{ domain, result }]));
  }

  /** Forgets domains that are no longer there. */
  forget(ids: readonly string[]): void {
    for (const id of ids) {
      this.#kept.delete(id);
      this.#options.journal?.note(id, undefined);
    }
  }

  async #keepOne({ domain, intervalSeconds }: WantedPolling): Promise<PollingState> {
    const before = this.#kept.get(domain.id);
    if (before !== undefined && before.intervalSeconds !== intervalSeconds) await this.#releaseOne(domain);
    const lease = this.#kept.get(domain.id)?.lease ?? (await this.#order(domain, intervalSeconds));
    this.#kept.set(domain.id, { domain, intervalSeconds, lease });
    return bounded(domain, (signal) => lease.keep({ signal }));
  }

  /** Also what an earlier process has left. */
  async #releaseOne(domain: Domain): Promise<undefined> {
    const mark = this.#options.journal?.get(domain.id);
    const lease = this.#kept.get(domain.id)?.lease ?? (mark && (await this.#order(domain, mark.intervalSeconds)));
    try {
      if (lease !== undefined) await bounded(domain, (signal) => lease.release({ signal }));
    } catch (error) {
      if (!VirtstatError.is(error) || error.code !== 'DOMAIN_GONE') throw error;
      this.#options.journal?.note(domain.id, undefined);
    }
    this.#kept.delete(domain.id);
  }

  async #order(domain: Domain, intervalSeconds: number): Promise<PollingLease> {
    const { journal, pollingOf } = this.#options;
    const polling = await pollingOf(domain.id);
    if (polling === undefined) {
      const hint = 'that takes the VM’s own monitor: read it by local: or qmp+unix:';
      throw new VirtstatError(
        'USAGE',
        `the polling of ${domain.name} cannot be switched from ${domain.source}; ${hint}`,
      );
    }
    const earlier = journal?.get(domain.id);
    return polling.order({
      intervalSeconds,
      ...(earlier && { earlier }),
      note: (mark) => journal?.note(domain.id, mark),
    });
  }
}

function bounded<T>(domain: Domain, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return withDeadline(work, { signal: NEVER, timeoutMs: DOMAIN_LIMIT_MS, what: `the balloon of ${domain.name}` });
}

async function attempt<T>(domain: Domain, work: () => Promise<T>): Promise<T | VirtstatError> {
  try {
    return await work();
  } catch (error) {
    return VirtstatError.from(error, 'INTERNAL', `switching the polling of ${domain.name} failed`);
  }
}
