import type { StatEntry, StatValue } from '../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../model/stat.ts';
import { U64_MAX } from '../../model/u64.ts';
import type { JsonObject, JsonValue } from '../json/json.ts';
import { asArray, asObject, asSmallInteger, asString, invalidReply } from './shape.ts';

/**
 * Replies of `query-stats` and `query-stats-schemas`, turned into the model's order.
 *
 * | in QEMU's reply           | here                                        |
 * | ------------------------- | ------------------------------------------- |
 * | results, last CPU first   | ascending CPUs                              |
 * | schemas, `vcpu` then `vm` | as registered: `vm` then `vcpu`             |
 * | stats, last first         | the kernel's order of descriptors           |
 * | array, last bucket first  | the kernel's order, smallest bucket first   |
 * | integer                   | `bigint`                                    |
 *
 * QEMU builds every one of these lists by prepending; turning each is therefore exact, not a guess.
 * Spec: qapi/stats.json in QEMU. Enumerations are open: unknown words pass through.
 */

/** Most statistics of one object, values of one statistic, and objects of one reply: as many as a stats file may have. */
export const MAX_REPLY_ITEMS = 65_536;

/** The values of one object by one provider. */
export interface StatsResult {
  readonly provider: string;
  /** QOM path of the object; absent for the VM itself. */
  readonly path?: string;
  readonly stats: readonly StatEntry[];
}

/** @throws QMP_REPLY_INVALID, saying which place is wrong */
export function decodeStats(reply: JsonValue): readonly StatsResult[] {
  const results = bounded(asArray(reply, 'query-stats'), 'query-stats');
  return results.map((result, index) => decodeResult(result, index)).reverse();
}

function decodeResult(json: JsonValue, index: number): StatsResult {
  const where = `query-stats[${index}]`;
  const result = asObject(json, where);
  const path = result['qom-path'];
  return {
    provider: asString(result['provider'], `${where}.provider`),
    ...(path !== undefined && { path: asString(path, `${where}.qom-path`) }),
    stats: decodeEntries(bounded(asArray(result['stats'], `${where}.stats`), `${where}.stats`), where),
  };
}

function bounded(items: readonly JsonValue[], where: string): readonly JsonValue[] {
  if (items.length > MAX_REPLY_ITEMS) throw invalidReply(where, `a list of at most ${MAX_REPLY_ITEMS} items`);
  return items;
}

/** Thousands of entries come at once: places are put into words only when one is wrong. */
function decodeEntries(items: readonly JsonValue[], where: string): readonly StatEntry[] {
  const last = items.length - 1;
  const entries: StatEntry[] = new Array(items.length);
  for (let index = 0; index <= last; index++) {
    const item = items[index] as JsonObject | null;
    const name = item?.['name'];
    const value = decodeValue(item?.['value']);
    if (typeof name !== 'string') throw invalidReply(`${where}.stats[${index}].name`, 'a string');
    if (value === undefined) {
      throw invalidReply(
        `${where}.stats[${index}].value`,
        'an unsigned 64-bit integer, a boolean or a list of integers',
      );
    }
    entries[last - index] = { name, value };
  }
  return entries;
}

function decodeValue(json: JsonValue | undefined): StatValue | undefined {
  if (typeof json === 'boolean') return json;
  if (!Array.isArray(json)) return toU64(json);
  if (json.length > MAX_REPLY_ITEMS) return undefined;
  const last = json.length - 1;
  const counts: bigint[] = new Array(json.length);
  for (let index = 0; index <= last; index++) {
    const count = toU64(json[index]);
    if (count === undefined) return undefined;
    counts[last - index] = count;
  }
  return counts;
}

/** Most counters of a quiet VM are small: these exist once instead of once for each reading. */
const SMALL: readonly bigint[] = Array.from({ length: 1024 }, (_, value) => BigInt(value));

function toU64(json: JsonValue | undefined): bigint | undefined {
  if (typeof json === 'number') {
    if (!Number.isSafeInteger(json) || json < 0) return undefined;
    return json < SMALL.length ? SMALL[json] : BigInt(json);
  }
  return typeof json === 'bigint' && json >= 0n && json <= U64_MAX ? json : undefined;
}

/** @throws QMP_REPLY_INVALID, saying which place is wrong */
export function decodeSchemas(reply: JsonValue): readonly Schema[] {
  return asArray(reply, 'query-stats-schemas')
    .map((schema, index) => decodeSchema(schema, index))
    .reverse();
}

function decodeSchema(json: JsonValue, index: number): Schema {
  const where = `query-stats-schemas[${index}]`;
  const schema = asObject(json, where);
  const stats = asArray(schema['stats'], `${where}.stats`);
  return {
    provider: asString(schema['provider'], `${where}.provider`),
    target: asString(schema['target'], `${where}.target`),
    stats: stats.map((stat, at) => decodeDescriptor(stat, `${where}.stats[${at}]`)).reverse(),
  };
}

function decodeDescriptor(json: JsonValue, where: string): StatDescriptor {
  const stat = asObject(json, where);
  const { unit, base } = stat;
  const bucketSize = stat['bucket-size'];
  return {
    name: asString(stat['name'], `${where}.name`),
    type: asString(stat['type'], `${where}.type`),
    ...(unit !== undefined && { unit: asString(unit, `${where}.unit`) }),
    ...(base !== undefined && { base: asSmallInteger(base, `${where}.base`) }),
    exponent: asSmallInteger(stat['exponent'], `${where}.exponent`),
    ...(bucketSize !== undefined && { bucketSize: asSmallInteger(bucketSize, `${where}.bucket-size`) }),
  };
}
