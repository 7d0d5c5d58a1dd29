import { U64_MAX } from '../../model/u64.ts';
import type { DomainReference } from '../../protocol/libvirt/domain.ts';
import type { DomainStatsRecord } from '../../protocol/libvirt/domain-stats.ts';
import type { TypedParameter } from '../../protocol/libvirt/typed-parameter.ts';

/** Parameters by what is left of their keys. */
export type Fields = ReadonlyMap<string, TypedParameter>;

const NO_FIELDS: Fields = new Map();

/** `vcpu.0.time`: a group, which object of it, and what of that. */
const OF_OBJECT = /^([a-z]+)\.(\d{1,9})\.(.+)$/s;

/** What is there only where libvirt got to a domain's monitor: for every domain that runs it has its memory in that case. */
const MONITOR_ANSWERED = 'balloon.rss';

/** What libvirt said of one domain at one time, by its keys. */
export class StatsRecord {
  readonly domain: DomainReference;
  /** When the reply was there: nanoseconds since 1970. */
  readonly collectedAtNs: bigint;
  readonly #fields: Fields;
  /** By group, then by object. */
  #objects: ReadonlyMap<string, ReadonlyMap<number, Fields>> | undefined;

  constructor({ domain, params }: DomainStatsRecord, collectedAtNs: bigint) {
    this.domain = domain;
    this.collectedAtNs = collectedAtNs;
    this.#fields = new Map(params.map((param) => [param.field, param]));
  }

  /** Everything there is. */
  get fields(): Fields {
    return this.#fields;
  }

  /** False where libvirt left out what takes the monitor: it hangs, or somebody else's job holds it. */
  get hasMonitor(): boolean {
    return this.#fields.has(MONITOR_ANSWERED);
  }

  /** The objects of a group that have keys, ascending by libvirt's number. */
  objects(group: string): ReadonlyMap<number, Fields> {
    this.#objects ??= objectsOf(this.#fields);
    return this.#objects.get(group) ?? new Map();
  }

  /** Keys of a group that has no numbers in them: `vm.NAME` by `NAME`. */
  group(name: string): Fields {
    const start = `${name}.`;
    const own = [...this.#fields].filter(([key]) => key.startsWith(start));
    return own.length === 0 ? NO_FIELDS : new Map(own.map(([key, param]) => [key.slice(start.length), param]));
  }

  /** A number by its whole key; undefined where there is none. */
  number(key: string): bigint | undefined {
    return numberOf(this.#fields.get(key));
  }
}

/** The value as a whole number of 0 to 2^64-1, of whichever of libvirt's types; undefined where it is none. */
export function numberOf(param: TypedParameter | undefined): bigint | undefined {
  if (param === undefined || param.type === 'string' || param.type === 'boolean' || param.type === 'double') {
    return undefined;
  }
  const value = BigInt(param.value);
  return value >= 0n && value <= U64_MAX ? value : undefined;
}

/** The value as a text; undefined where it is none. */
export function textOf(param: TypedParameter | undefined): string | undefined {
  return param?.type === 'string' ? param.value : undefined;
}

function objectsOf(fields: Fields): ReadonlyMap<string, ReadonlyMap<number, Fields>> {
  const groups = new Map<string, Map<number, Map<string, TypedParameter>>>();
  for (const [key, param] of fields) {
    const [, group, index, rest] = OF_OBJECT.exec(key) ?? [];
    if (group === undefined || rest === undefined) continue;
    const objects = entryOf(groups, group, () => new Map());
    entryOf(objects, Number(index), () => new Map()).set(rest, param);
  }
  return new Map(
    [...groups].map(([group, objects]) => [group, new Map([...objects].sort(([one], [other]) => one - other))]),
  );
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
