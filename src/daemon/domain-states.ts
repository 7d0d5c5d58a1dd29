import type { FaceLog } from '../face/face.ts';
import { nowNs } from '../host/clock.ts';
import type { Availability, Domain } from '../model/domain.ts';
import type { Sample } from '../model/sample.ts';
import type { DomainAnswer } from '../registry/answer.ts';

/** How reading one domain went so far. */
export interface DomainState {
  readonly domain: Domain;
  /** By which way each provider and target was last read, or would be: `kvm vcpu` is `kvm-file`. */
  readonly ways: ReadonlyMap<string, string>;
  /** When values last came, in nanoseconds since 1970; undefined where none ever came. */
  readonly lastSuccessNs: bigint | undefined;
  readonly lastFailure: DomainFailure | undefined;
  /** True where the last attempt gave nothing fresh. */
  readonly isFailing: boolean;
}

/** Why a domain could not be read. */
export interface DomainFailure {
  /** In nanoseconds since 1970. */
  readonly atNs: bigint;
  readonly code: string;
  readonly message: string;
}

/** How long nothing must have failed before a domain is said to be readable again: readers of one thing do well meanwhile. */
const QUIET_NS = 10_000_000_000n;

/** The most ways that are remembered of one domain; a provider may be anybody's. */
const MAX_WAYS = 256;

/** What became of every domain that is there. It asks nobody: it learns from the answers that readers get. */
export class DomainStates {
  readonly #log: FaceLog;
  readonly #now: () => bigint;
  readonly #states = new Map<string, DomainState>();
  /** By id: of which domains the log says that they cannot be read. */
  readonly #told = new Set<string>();

  /** `now` in nanoseconds since 1970. */
  constructor(log: FaceLog, now: () => bigint = nowNs) {
    this.#log = log;
    this.#now = now;
  }

  /** A domain that came. */
  add(domain: Domain): void {
    const ways = new Map<string, string>();
    this.#states.set(domain.id, { domain, ways, lastSuccessNs: undefined, lastFailure: undefined, isFailing: false });
  }

  /** A domain that went. */
  remove(domain: Domain): void {
    this.#states.delete(domain.id);
    this.#told.delete(domain.id);
  }

  /** In the order in which they came. */
  get all(): readonly DomainState[] {
    return [...this.#states.values()];
  }

  /** Learns from answers; a domain that begins to fail is logged once, and once when for 10 seconds nothing of it has failed. */
  note(answers: readonly DomainAnswer<Partial<Sample> & Partial<Availability>>[]): void {
    for (const answer of answers) {
      const state = this.#states.get(answer.domain.id);
      if (state !== undefined) this.#update(state, answer);
    }
  }

  #update(state: DomainState, { domain, items, errors }: DomainAnswer<Partial<Sample> & Partial<Availability>>): void {
    const fresh = items.filter(({ stale, available }) => stale === undefined && available !== false);
    const [error] = errors;
    if (fresh.length === 0 && error === undefined) return;
    const isFailing = fresh.length === 0;
    const ways = new Map(state.ways);
    for (const { provider, target, via } of fresh) {
      if (via !== undefined && ways.size < MAX_WAYS) ways.set(`${provider} ${target}`, via);
    }
    const atNs = this.#now();
    const failure = error && { atNs, code: error.code, message: error.message };
    this.#states.set(domain.id, {
      domain: state.domain,
      ways,
      lastSuccessNs: isFailing ? state.lastSuccessNs : atNs,
      lastFailure: failure ?? state.lastFailure,
      isFailing,
    });
    if (this.#told.has(domain.id)) {
      const lastNs = (failure ?? state.lastFailure)?.atNs ?? 0n;
      if (atNs - lastNs < QUIET_NS || !this.#told.delete(domain.id)) return;
      this.#log.info({ domain: domain.name }, 'domain can be read again');
    } else if (failure !== undefined && isFailing) {
      this.#told.add(domain.id);
      this.#log.warn({ domain: domain.name, code: failure.code, reason: failure.message }, 'domain cannot be read');
    }
  }
}
