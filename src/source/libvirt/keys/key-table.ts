import type { StatEntry, StatValue } from '../../../model/sample.ts';
import type { StatDescriptor } from '../../../model/stat.ts';
import { U64_MAX } from '../../../model/u64.ts';
import type { StatsRecord } from '../stats-record.ts';

/** A value together with what it is. */
export interface DescribedValue {
  readonly stat: StatDescriptor;
  readonly value: StatValue;
}

/** What is measured of one object. */
export interface Measured {
  /** Which object; absent where the target has only one. */
  readonly path?: string;
  /** Name of the host's device behind it. */
  readonly device?: string;
  readonly values: readonly DescribedValue[];
}

/** What this host's kernel says that it measures of a target, from somebody who asked it; undefined where nobody did. */
export type KernelStats = (target: string) => readonly StatDescriptor[] | undefined;

/** What of libvirt's keys makes one target of a provider. */
export interface TargetKeys {
  /** Groups to ask for, VIR_DOMAIN_STATS_* or-ed, for these names; for all if absent. */
  readonly groups: (names: readonly string[] | undefined) => number;
  /** True where there is nothing to say without the VM's monitor. */
  readonly needsMonitor: boolean;
  /** Why a VM has nothing of it, as a sentence. */
  readonly nothing: string;
  /** One for each object, ascending. */
  readonly read: (record: StatsRecord, kernel: KernelStats) => readonly Measured[];
  /** What every VM that runs has, whether or not it was told this time; none if absent. */
  readonly permanent?: readonly StatDescriptor[];
  /** Where each name stands in a schema; as the objects have them if absent. */
  readonly order?: (names: readonly string[], kernel: KernelStats) => ReadonlyMap<string, number>;
}

/** libvirt's keys turned back into what one provider measures. */
export interface KeyTable {
  readonly provider: string;
  /** By target. */
  readonly targets: Readonly<Record<string, TargetKeys>>;
}

/** Takes values for stats that are described somewhere else. */
export class Described {
  readonly #stats: ReadonlyMap<string, StatDescriptor>;

  constructor(stats: readonly StatDescriptor[]) {
    this.#stats = new Map(stats.map((stat) => [stat.name, stat]));
  }

  /** None where there is no value, none that a sample can hold, or no such stat. */
  value(name: string, value: StatValue | undefined): readonly DescribedValue[] {
    const stat = this.#stats.get(name);
    if (stat === undefined || value === undefined) return [];
    return typeof value === 'bigint' && value > U64_MAX ? [] : [{ stat, value }];
  }
}

/** The entries of a sample. */
export function entriesOf({ values }: Measured): readonly StatEntry[] {
  return values.map(({ stat: { name }, value }) => ({ name, value }));
}

/** The same groups whatever the names. */
export function always(groups: number): TargetKeys['groups'] {
  return () => groups;
}
