import type { Availability, Domain } from '../../../model/domain.ts';
import type { Sample, StatEntry, StatValue } from '../../../model/sample.ts';
import { isUnknownCode, type Schema, type StatDescriptor } from '../../../model/stat.ts';
import { U64_MAX } from '../../../model/u64.ts';
import type { JsonObject, JsonValue } from '../../json/json.ts';
import { invalid } from '../messages.ts';

/**
 * The reverse of encode.ts, for objects that were checked against the definition of `org.virtstat.Stats`: what it says of
 * types holds, what it says in words is checked here. Null is the same as absent.
 */

/** `Domain` */
export function decodeDomain(json: JsonValue): Domain {
  return present(json) as unknown as Domain;
}

/** `Availability` */
export function decodeAvailability(json: JsonValue): Availability {
  return present(json) as unknown as Availability;
}

/** `StatsSchema`. @throws VARLINK_MESSAGE_INVALID */
export function decodeSchema(json: JsonValue): Schema {
  const { provider, target, stats } = json as unknown as Schema;
  return { provider, target, stats: (stats as unknown as JsonObject[]).map(decodeDescriptor) };
}

function decodeDescriptor(json: JsonObject): StatDescriptor {
  const { name, kind, scale, count, ...rest } = present(json);
  const { base, exponent } = (scale ?? { exponent: 0 }) as JsonObject;
  return {
    ...(rest as { unit?: string; bucketSize?: number }),
    name: name as string,
    type: kind as string,
    ...(base !== undefined && { base: decodeBase(base as string) }),
    exponent: exponent as number,
    ...(count !== undefined && { size: count as number }),
  };
}

function decodeBase(base: string): Exclude<StatDescriptor['base'], undefined> {
  if (isUnknownCode(base)) return base;
  const [, digits] = /^pow([1-9]\d{0,8})$/.exec(base) ?? [];
  if (digits === undefined) throw invalid('the base of a scale', 'pow2, pow10 or the like');
  return Number(digits);
}

/** `StatsSample` of a domain. @throws VARLINK_MESSAGE_INVALID */
export function decodeSample(json: JsonValue, domain: string): Sample {
  const { collectedAtNs, stale, stats, ...rest } = present(json);
  return {
    ...(rest as { provider: string; target: string; path?: string; device?: string; via: string }),
    domain,
    collectedAtNs: BigInt(collectedAtNs as number),
    ...(stale !== undefined && { stale: decodeStaleness(stale as JsonObject) }),
    stats: (stats as JsonObject[]).map(decodeEntry),
  };
}

function decodeStaleness({ ageNs, code, reason }: JsonObject): Exclude<Sample['stale'], undefined> {
  return { ageNs: BigInt(ageNs as number), code: code as string, reason: reason as string };
}

function decodeEntry(json: JsonObject): StatEntry {
  const { name, ...values } = present(json);
  const [[kind, value] = [], another] = Object.entries(values);
  const decoded = kind === undefined || another !== undefined ? undefined : decodeValue(kind, value as JsonValue);
  if (decoded === undefined) throw invalid(`the value of ${JSON.stringify(name)}`, 'one number, boolean or list');
  return { name: name as string, value: decoded };
}

function decodeValue(kind: string, value: JsonValue): StatValue | undefined {
  if (kind === 'boolean') return value as boolean;
  if (kind === 'number' || kind === 'bigNumber') return decodeU64(value);
  if (kind !== 'numbers' && kind !== 'bigNumbers') return undefined;
  const counts = (value as JsonValue[]).flatMap((count) => decodeU64(count) ?? []);
  return counts.length === (value as JsonValue[]).length ? counts : undefined;
}

function decodeU64(value: JsonValue): bigint | undefined {
  if (typeof value === 'string' && !/^\d{1,20}$/.test(value)) return undefined;
  const number = BigInt(value as string | number | bigint);
  return number >= 0n && number <= U64_MAX ? number : undefined;
}

function present(json: JsonValue): JsonObject {
  return Object.fromEntries(Object.entries(json as JsonObject).filter(([, value]) => value !== null));
}
