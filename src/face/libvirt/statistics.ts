import type { Domain } from '../../model/domain.ts';
import type { CallOptions, MonitorRelay } from '../../model/provider.ts';
import type { Sample } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import type { Reader } from '../face.ts';
import { type Disk, DomainDisks } from './disks.ts';
import { DomainFacts, type Need } from './facts.ts';

/** How old values may be, in milliseconds: many who ask cost what one costs. */
export const DEFAULT_MAX_AGE_MS = 1000;

/** How long a domain that has last values is waited for, in milliseconds: one that hangs must not keep the others waiting. */
export const PATIENCE_MS = 100;

/** Who knows the monitors of domains: the registry. */
export interface Monitors {
  /** Undefined where the domain has none, or is not there. */
  monitorOf(id: string, options?: Partial<CallOptions>): Promise<MonitorRelay | undefined>;
}

/** The providers whose schemas say what their statistics are; ours have names that do. */
const DESCRIBED: ReadonlySet<string> = new Set(['kvm', 'process']);

/** How long a schema that could not be had is not asked for again, in milliseconds. */
const RETRY_MS = 10_000;

type Descriptors = ReadonlyMap<string, StatDescriptor>;

/** What all clients share: what statistics of a domain are, and what its disks are called. */
export class Statistics {
  readonly #monitors: Monitors;
  readonly #maxAgeMs: number;
  /** By domain, then by provider and target; they stay the same while the VM lives. */
  readonly #descriptors = new Map<string, Map<string, Descriptors>>();
  /** When they were last asked for, likewise. */
  readonly #tried = new Map<string, Map<string, number>>();
  readonly #disks = new Map<string, DomainDisks>();

  constructor(monitors: Monitors, maxAgeMs: number = DEFAULT_MAX_AGE_MS) {
    this.#monitors = monitors;
    this.#maxAgeMs = maxAgeMs;
  }

  /** Facts of domains, in their order, as far as the reader may have them. @throws what ends the wait */
  async read(
    reader: Reader,
    domains: readonly Domain[],
    needs: readonly Need[],
    options: CallOptions,
  ): Promise<readonly DomainFacts[]> {
    const wantsDisks = needs.some(({ target }) => target === 'block');
    const [samples, disks] = await Promise.all([
      this.#samples(reader, domains, needs, options),
      wantsDisks ? this.#disksOf(reader, domains, options) : new Map<string, ReadonlyMap<string, Disk>>(),
    ]);
    await this.#learn(reader, samples, options);
    return domains.map((domain) => {
      const known = this.#descriptors.get(domain.id);
      return new DomainFacts(domain, samples.get(domain.id) ?? [], disks.get(domain.id), (provider, target, name) =>
        known?.get(keyOf(provider, target))?.get(name),
      );
    });
  }

  /** Forgets all others. */
  retain(domains: readonly Domain[]): void {
    const kept = new Set(domains.map(({ id }) => id));
    for (const map of [this.#descriptors, this.#tried, this.#disks]) {
      for (const id of map.keys()) if (!kept.has(id)) map.delete(id);
    }
  }

  /** Each provider and target is a question of its own, so that whoever asks for another group shares its answer. */
  async #samples(
    reader: Reader,
    domains: readonly Domain[],
    needs: readonly Need[],
    { signal }: CallOptions,
  ): Promise<ReadonlyMap<string, readonly Sample[]>> {
    const options = {
      domains: domains.map(({ id }) => id),
      maxAgeMs: this.#maxAgeMs,
      patienceMs: PATIENCE_MS,
      signal,
    };
    const answers = await Promise.all(
      merged(needs).map(({ provider, target, names }) =>
        reader.query(
          { target, ...(provider !== undefined && { providers: [{ provider, ...(names && { names }) }] }) },
          options,
        ),
      ),
    );
    const samples = new Map<string, Sample[]>();
    for (const { domain, items } of answers.flat()) {
      const known = samples.get(domain.id);
      if (known === undefined) samples.set(domain.id, [...items]);
      else known.push(...items);
    }
    return samples;
  }

  /** Schemas of what was measured and is not known yet. One that is late is known next time. */
  async #learn(
    reader: Reader,
    samples: ReadonlyMap<string, readonly Sample[]>,
    { signal }: CallOptions,
  ): Promise<void> {
    const missing = new Map<string, string[]>();
    for (const [id, items] of samples) {
      for (const { provider, target } of items) {
        if (!DESCRIBED.has(provider) || !this.#isMissing(id, keyOf(provider, target))) continue;
        const ids = missing.get(target);
        if (ids === undefined) missing.set(target, [id]);
        else if (ids.at(-1) !== id) ids.push(id);
      }
    }
    if (missing.size === 0) return;
    const learnt = [...missing].map(async ([target, domains]) => {
      for (const { domain, items } of await reader.schemas({ domains, target, signal })) {
        for (const { provider, stats } of items) this.#keep(domain.id, keyOf(provider, target), stats);
      }
    });
    await Promise.all(learnt);
  }

  /** What could not be learnt is not asked for again at once. */
  #isMissing(id: string, key: string): boolean {
    if (this.#descriptors.get(id)?.has(key)) return false;
    const tried = this.#tried.get(id) ?? new Map<string, number>();
    this.#tried.set(id, tried);
    const triedMs = tried.get(key);
    if (triedMs !== undefined && performance.now() - triedMs < RETRY_MS) return false;
    tried.set(key, performance.now());
    return true;
  }

  #keep(id: string, key: string, stats: readonly StatDescriptor[]): void {
    let known = this.#descriptors.get(id);
    if (known === undefined) this.#descriptors.set(id, (known = new Map()));
    known.set(key, new Map(stats.map((stat) => [stat.name, stat])));
  }

  /** Whoever has only some providers of a domain does not see where its images lie. */
  async #disksOf(
    reader: Reader,
    domains: readonly Domain[],
    options: CallOptions,
  ): Promise<ReadonlyMap<string, ReadonlyMap<string, Disk>>> {
    const described = await Promise.all(
      domains.map(async (domain) => {
        const disks = await this.#diskBook(domain, options);
        const all = (await disks?.get(PATIENCE_MS)) ?? NO_DISKS;
        return [domain.id, reader.readsAllOf(domain) ? all : withoutSources(all)] as const;
      }),
    );
    return new Map(described);
  }

  async #diskBook({ id }: Domain, options: CallOptions): Promise<DomainDisks | undefined> {
    const known = this.#disks.get(id);
    if (known !== undefined) return known;
    const monitor = await this.#monitors.monitorOf(id, options);
    if (monitor === undefined) return undefined;
    const disks = this.#disks.get(id) ?? new DomainDisks(monitor);
    this.#disks.set(id, disks);
    return disks;
  }
}

const NO_DISKS: ReadonlyMap<string, Disk> = new Map();

/** One need for each provider and target, with all names that any of them has; without names where one wants everything. */
function merged(needs: readonly Need[]): readonly Need[] {
  const byKey = Map.groupBy(needs, ({ provider, target }) => JSON.stringify([provider, target]));
  return [...byKey.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined) return [];
    const names = same.flatMap((need) => need.names ?? []);
    const isAll = same.some((need) => need.names === undefined);
    return isAll ? { ...first, names: undefined } : { ...first, names: [...new Set(names)].toSorted() };
  });
}

function withoutSources(disks: ReadonlyMap<string, Disk>): ReadonlyMap<string, Disk> {
  return new Map([...disks].map(([path, { source: _, ...disk }]) => [path, disk]));
}

function keyOf(provider: string, target: string): string {
  return `${provider} ${target}`;
}
