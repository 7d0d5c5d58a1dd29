import type { Domain } from '../../model/domain.ts';
import type { StatsFilter } from '../../model/filter.ts';
import type { CallOptions, MonitorRelay } from '../../model/provider.ts';
import type { Sample } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import type { Reader } from '../face.ts';
import { type Disk, DomainDisks, disksByPath } from './disks.ts';
import { DomainFacts, keyOf, type Need } from './facts.ts';
import { DomainNics, type Nic } from './nics.ts';

/** How old values may be, in milliseconds: many who ask cost what one costs. */
export const DEFAULT_MAX_AGE_MS = 1000;

/** How long a domain that has last values is waited for, in milliseconds: one that hangs must not keep the others waiting. */
export const PATIENCE_MS = 100;

/** How readings are bounded. */
export interface StatisticsOptions {
  /** How old values may be, in milliseconds; {@link DEFAULT_MAX_AGE_MS} if absent. */
  readonly maxAgeMs?: number | undefined;
  /**
   * How long a domain that has last values is waited for, in milliseconds; {@link PATIENCE_MS} if absent, to its deadline if
   * infinite.
   */
  readonly patienceMs?: number;
}

/** One reading. */
export interface ReadingOptions extends CallOptions {
  /** As that of {@link StatisticsOptions}, which it replaces. */
  readonly patienceMs?: number;
}

/** Who knows the monitors of domains: the registry. */
export interface Monitors {
  /** Undefined where the domain has none, or is not there. */
  monitorOf(id: string, options?: Partial<CallOptions>): Promise<MonitorRelay | undefined>;
}

/** The providers whose schemas say what their statistics are; ours have names that do. */
const DESCRIBED: ReadonlySet<string> = new Set(['kvm', 'process']);

/** How long a schema that could not be had is not asked for again, in milliseconds. */
const RETRY_MS = 10_000;

/** What was read of one domain. */
interface Measured {
  /** What was answered to each need, as the reader gave it; undefined where that was nothing. */
  readonly answers: (readonly Sample[] | undefined)[];
  /** What could not be asked, as {@link keyOf} has it. */
  readonly failed: Set<string>;
}

type Descriptors = ReadonlyMap<string, StatDescriptor>;

/** What all clients share: what statistics of a domain are, and what its disks are called. */
export class Statistics {
  readonly #monitors: Monitors;
  readonly #maxAgeMs: number;
  readonly #patienceMs: number;
  /** By domain, then by provider and target; they stay the same while the VM lives, and so does a map until there are more. */
  readonly #descriptors = new Map<string, ReadonlyMap<string, Descriptors>>();
  /** When they were last asked for, likewise. */
  readonly #tried = new Map<string, Map<string, number>>();
  readonly #disks = new Map<string, DomainDisks>();
  readonly #nics = new Map<string, DomainNics>();
  /** What is told of disks to those who may not see where their images lie. */
  readonly #withoutSources = new WeakMap<ReadonlyMap<string, Disk>, ReadonlyMap<string, Disk>>();
  /** What was answered once, by domain. */
  readonly #answered = new Map<string, Set<string>>();

  constructor(monitors: Monitors, options: StatisticsOptions = {}) {
    this.#monitors = monitors;
    this.#maxAgeMs = options.maxAgeMs ?? DEFAULT_MAX_AGE_MS;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
  }

  /** Facts of domains, in their order, as far as the reader may have them. @throws what ends the wait */
  async read(
    reader: Reader,
    domains: readonly Domain[],
    needs: readonly Need[],
    { signal, patienceMs = this.#patienceMs }: ReadingOptions,
  ): Promise<readonly DomainFacts[]> {
    const options = { signal, patienceMs };
    const wantsDisks = needs.some(({ target }) => target === 'block');
    const [measured, disks] = await Promise.all([
      this.#measure(reader, domains, needs, options),
      wantsDisks ? this.#disksOf(domains, options) : new Map<string, ReadonlyMap<string, Disk>>(),
    ]);
    await this.#learn(reader, domains, measured, options);
    return domains.map((domain, index) => {
      const { answers, failed } = measured[index]!;
      const samples = answers.flatMap((items) => items ?? []);
      const [described, known] = [this.#shown(disks.get(domain.id), reader, domain), this.#descriptors.get(domain.id)];
      const describe = (provider: string, target: string, name: string): StatDescriptor | undefined =>
        known?.get(keyOf(provider, target))?.get(name);
      const parts = [...answers, [...failed].join(), described, known];
      return new DomainFacts(domain, samples, described ?? namesOf(samples), describe, failed, parts);
    });
  }

  /** A domain's NICs by their paths, as far as the reader may have them. Never rejects. */
  async nics(reader: Reader, facts: DomainFacts, { signal }: CallOptions): Promise<ReadonlyMap<string, Nic>> {
    const { domain } = facts;
    const paths = facts.samples('interface', 'interface').flatMap(({ path }) => path ?? []);
    if (paths.length === 0 || !reader.readsAllOf(domain)) return new Map();
    const nics = await this.#bookOf(this.#nics, domain, (monitor) => new DomainNics(monitor), { signal });
    return (await nics?.get(paths, { patienceMs: this.#patienceMs, signal })) ?? new Map();
  }

  /** Forgets all others. */
  retain(domains: readonly Domain[]): void {
    const kept = new Set(domains.map(({ id }) => id));
    for (const map of [this.#descriptors, this.#tried, this.#disks, this.#nics, this.#answered]) {
      for (const id of map.keys()) if (!kept.has(id)) map.delete(id);
    }
  }

  /** Each provider and target is a question of its own, so that whoever asks for another group shares its answer. */
  async #measure(
    reader: Reader,
    domains: readonly Domain[],
    needs: readonly Need[],
    { signal, patienceMs }: Required<ReadingOptions>,
  ): Promise<readonly Measured[]> {
    const options = {
      domains: domains.map(({ id }) => id),
      maxAgeMs: this.#maxAgeMs,
      ...(Number.isFinite(patienceMs) && { patienceMs }),
      signal,
    };
    const measured = new Map(domains.map(({ id }): [string, Measured] => [id, { answers: [], failed: new Set() }]));
    const asked = await Promise.all(
      merged(needs).map(async (need) => ({ need, answers: await reader.query(filterOf(need), options) })),
    );
    for (const [nth, { need, answers }] of asked.entries()) {
      for (const { domain, items, errors } of answers) {
        const of = measured.get(domain.id);
        if (of === undefined) continue;
        of.answers[nth] = items;
        if (need.provider === undefined) continue;
        const key = keyOf(need.provider, need.target);
        const answered = entryOf(this.#answered, domain.id, () => new Set<string>());
        if (errors.length === 0) answered.add(key);
        // Of one that is late the last answer counts, also where there was nothing in it.
        else if (items.length === 0 && !answered.has(key)) of.failed.add(key);
      }
    }
    return domains.map(({ id }) => measured.get(id)!);
  }

  /** Schemas of what was measured and is not known yet. One that is late is known next time. */
  async #learn(
    reader: Reader,
    domains: readonly Domain[],
    measured: readonly Measured[],
    { signal }: CallOptions,
  ): Promise<void> {
    const missing = new Map<string, string[]>();
    for (const [index, { id }] of domains.entries()) {
      for (const { provider, target } of measured[index]!.answers.flatMap((items) => items ?? [])) {
        if (!DESCRIBED.has(provider) || !this.#isMissing(id, keyOf(provider, target))) continue;
        const ids = entryOf(missing, target, () => []);
        if (ids.at(-1) !== id) ids.push(id);
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
    const tried = entryOf(this.#tried, id, () => new Map<string, number>());
    const triedMs = tried.get(key);
    if (triedMs !== undefined && performance.now() - triedMs < RETRY_MS) return false;
    tried.set(key, performance.now());
    return true;
  }

  #keep(id: string, key: string, stats: readonly StatDescriptor[]): void {
    const known = this.#descriptors.get(id) ?? [];
    this.#descriptors.set(id, new Map([...known, [key, new Map(stats.map((stat) => [stat.name, stat]))]]));
  }

  async #disksOf(
    domains: readonly Domain[],
    options: Required<ReadingOptions>,
  ): Promise<ReadonlyMap<string, ReadonlyMap<string, Disk>>> {
    const described = await Promise.all(
      domains.map(async (domain) => {
        const disks = await this.#bookOf(this.#disks, domain, (monitor) => new DomainDisks(monitor), options);
        return disks && ([domain.id, await disks.get(options)] as const);
      }),
    );
    return new Map(described.filter((each) => each !== undefined));
  }

  /**
   * Whoever has only some providers of a domain, by the rules as they are now, does not see where its images lie. The same for the
   * same disks.
   */
  #shown(disks: ReadonlyMap<string, Disk> | undefined, reader: Reader, domain: Domain): typeof disks {
    if (disks === undefined || reader.readsAllOf(domain)) return disks;
    const known = this.#withoutSources.get(disks) ?? withoutSources(disks);
    this.#withoutSources.set(disks, known);
    return known;
  }

  /** What is kept of a domain, by its monitor; undefined where it has none. */
  async #bookOf<T>(
    books: Map<string, T>,
    { id }: Domain,
    make: (monitor: MonitorRelay) => T,
    options: CallOptions,
  ): Promise<T | undefined> {
    const known = books.get(id);
    if (known !== undefined) return known;
    const monitor = await this.#monitors.monitorOf(id, options);
    return monitor && entryOf(books, id, () => make(monitor));
  }
}

/** Of a domain without a monitor here: another virtstatd has it. */
function namesOf(measured: readonly Sample[]): ReadonlyMap<string, Disk> {
  return disksByPath(measured.flatMap(({ target, path }) => (target === 'block' && path !== undefined ? path : [])));
}

function filterOf({ provider, target, names }: Need): StatsFilter {
  return { target, ...(provider !== undefined && { providers: [{ provider, ...(names && { names }) }] }) };
}

/** What a map has by a key, made where there was nothing. */
function entryOf<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

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
  const without = <T extends Pick<Disk, 'source'>>({ source: _, ...disk }: T): Omit<T, 'source'> => disk;
  return new Map([...disks].map(([path, disk]) => [path, { ...without(disk), backing: disk.backing.map(without) }]));
}
