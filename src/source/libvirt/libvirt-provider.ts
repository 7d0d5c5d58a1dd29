import type { Availability, Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, OfferedProvider, SchemaOptions, StatsRequest } from '../../model/provider.ts';
import type { Reading } from '../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../model/stat.ts';
import type { StatsNeed } from './bulk-stats.ts';
import { entriesOf, type KernelStats, type KeyTable, type Measured, type TargetKeys } from './keys/key-table.ts';
import type { StatsRecord } from './stats-record.ts';
import { VIA_LIBVIRT } from './via.ts';

/** How long it is known what there is to measure, in milliseconds: disks come and go. */
const SCHEMA_MAX_AGE_MS = 10_000;

/** Asks libvirt for statistics of one domain. @throws what {@link BulkStats.get} raises */
export type AskLibvirt = (need: StatsNeed, options: CallOptions) => Promise<StatsRecord>;

/** What was seen of a target. */
interface Seen {
  readonly atMs: number;
  readonly stats: readonly StatDescriptor[];
}

/** One of our providers, or KVM's, from what libvirt tells of a domain. */
export class LibvirtProvider implements OfferedProvider {
  readonly name: string;
  readonly targets: readonly string[];
  readonly #table: KeyTable;
  readonly #ask: AskLibvirt;
  readonly #kernel: KernelStats;
  readonly #seen = new Map<string, Seen>();

  constructor(table: KeyTable, ask: AskLibvirt, kernel: KernelStats) {
    this.name = table.provider;
    this.targets = Object.keys(table.targets);
    this.#table = table;
    this.#ask = ask;
    this.#kernel = kernel;
  }

  /** None of a target that the VM does not have. @throws as {@link stats} */
  async schemas(_domain: Domain, { target, signal }: SchemaOptions): Promise<readonly Schema[]> {
    const asked = this.targets.filter((each) => target === undefined || each === target);
    const schemas = await Promise.all(
      asked.map(async (each) => ({ provider: this.name, target: each, stats: await this.#schema(each, { signal }) })),
    );
    return schemas.filter(({ stats }) => stats.length > 0);
  }

  /** @throws MONITOR_BUSY where libvirt did not get to the VM's monitor; what {@link AskLibvirt} raises */
  async stats(_domain: Domain, { target, names }: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    const keys = this.#keysOf(target);
    if (keys === undefined || names?.length === 0 || keys.groups(names) === 0) return [];
    const record = await this.#read(keys, names, options);
    const measured = keys.read(record, this.#kernel);
    if (names === undefined) this.#see(target, keys, measured);
    return measured.map((each) => {
      const { path, device } = each;
      const stats = this.#ordered(keys, entriesOf(each));
      const { collectedAtNs } = record;
      return {
        ...(path !== undefined && { path }),
        ...(device !== undefined && { device }),
        via: VIA_LIBVIRT,
        collectedAtNs,
        stats,
      };
    });
  }

  /** @throws as {@link stats} */
  async availability(_domain: Domain, options: CallOptions): Promise<readonly Availability[]> {
    return Promise.all(
      this.targets.map(async (target) => {
        const offer = { provider: this.name, target, via: VIA_LIBVIRT };
        const stats = await this.#schema(target, options);
        if (stats.length > 0) return { ...offer, available: true };
        return { ...offer, available: false, reason: this.#keysOf(target)?.nothing ?? 'there is no such target' };
      }),
    );
  }

  async #schema(target: string, options: CallOptions): Promise<readonly StatDescriptor[]> {
    const keys = this.#keysOf(target);
    if (keys === undefined) return [];
    const seen = this.#seen.get(target);
    if (seen !== undefined && performance.now() - seen.atMs < SCHEMA_MAX_AGE_MS) return seen.stats;
    const record = await this.#read(keys, undefined, options);
    return this.#see(target, keys, keys.read(record, this.#kernel));
  }

  async #read(keys: TargetKeys, names: readonly string[] | undefined, options: CallOptions): Promise<StatsRecord> {
    const record = await this.#ask({ groups: keys.groups(names), needsMonitor: keys.needsMonitor }, options);
    if (!keys.needsMonitor || record.hasMonitor) return record;
    throw new VirtstatError(
      'MONITOR_BUSY',
      `libvirt did not get to the monitor of ${record.domain.name}: it hangs, or another job holds it`,
    );
  }

  #see(target: string, keys: TargetKeys, measured: readonly Measured[]): readonly StatDescriptor[] {
    const byName = new Map<string, StatDescriptor>();
    for (const { values } of measured) {
      for (const { stat } of values) if (!byName.has(stat.name)) byName.set(stat.name, stat);
    }
    for (const stat of keys.permanent ?? []) if (byName.size > 0 && !byName.has(stat.name)) byName.set(stat.name, stat);
    const stats = this.#ordered(keys, [...byName.values()]);
    this.#seen.set(target, { atMs: performance.now(), stats });
    return stats;
  }

  #ordered<T extends { readonly name: string }>({ order }: TargetKeys, items: readonly T[]): readonly T[] {
    if (order === undefined) return items;
    const places = order(
      items.map(({ name }) => name),
      this.#kernel,
    );
    const place = ({ name }: T): number => places.get(name) ?? places.size;
    return [...items].sort((a, b) => place(a) - place(b));
  }

  #keysOf(target: string): TargetKeys | undefined {
    return Object.hasOwn(this.#table.targets, target) ? this.#table.targets[target] : undefined;
  }
}
