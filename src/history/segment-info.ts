import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { Schema, StatDescriptor } from '../model/stat.ts';
import type { Column, ValueKind } from './columns.ts';
import type { Span } from './span.ts';

/**
 * What a segment says of itself: a JSON document under the key `virtstat` of the Parquet file's own metadata.
 *
 * | member     | is                                                                                           |
 * | ---------- | -------------------------------------------------------------------------------------------- |
 * | `version`  | 1                                                                                            |
 * | `every-ms` | from sweep to sweep, as it was asked for                                                     |
 * | `start`, `end` | `collected-at` of the first and of the last row: nanoseconds since 1970, as a text       |
 * | `schemas`  | a list of `provider`, `target` and `stats`: descriptors with the names of the model          |
 * | `domains`  | `id`, `name`, `uuid`, `source`, `vcpus`, `pid`, first and last row, and `objects`: for each schema that the domain has its place in `schemas`, and the paths that were sampled (null: the target has one object) |
 * | `columns`  | the columns of values: name of the stat, kind of its values, name of the column             |
 * | `merges`   | names of the files that were put together to this one, and count no more                     |
 */
export interface SegmentInfo extends Span {
  readonly everyMs: number;
  readonly schemas: readonly Schema[];
  readonly domains: readonly SegmentDomain[];
  readonly columns: readonly Column[];
  readonly merges: readonly string[];
}

/** A domain in a segment. One that was renamed is there once for each name. */
export interface SegmentDomain extends Span {
  readonly domain: Domain;
  readonly objects: readonly SegmentObjects[];
}

/** The objects of one provider and target of a domain. */
export interface SegmentObjects {
  /** Place of its schema in {@link SegmentInfo.schemas}. */
  readonly schema: number;
  /** Undefined: the target has one object. */
  readonly paths: readonly (string | undefined)[];
}

/** The key of the document in the metadata of a Parquet file. */
export const INFO_KEY = 'virtstat';

/** The last time that a row can have: nanoseconds within 63 bits, less what DuckDB takes for infinity. The first is 0. */
export const LAST_NS = 0x7fff_ffff_ffff_fffen;

const VERSION = 1;

/** The document as text. */
export function encodeInfo({ everyMs, startNs, endNs, schemas, domains, columns, merges }: SegmentInfo): string {
  return JSON.stringify({
    version: VERSION,
    'every-ms': everyMs,
    start: String(startNs),
    end: String(endNs),
    schemas,
    domains: domains.map(({ domain: { id, name, uuid, source, vcpus, pid }, startNs, endNs, objects }) => ({
      id,
      name,
      ...(uuid !== undefined && { uuid }),
      source,
      ...(vcpus !== undefined && { vcpus }),
      ...(pid !== undefined && { pid }),
      start: String(startNs),
      end: String(endNs),
      objects: objects.map(({ schema, paths }) => ({ schema, paths: paths.map((path) => path ?? null) })),
    })),
    columns: columns.map(({ stat, kind, column }) => [stat, kind, column]),
    merges,
  });
}

/**
 * The document that a text has.
 * @throws RECORDING_INVALID where it is not one, or one of another version
 */
export function decodeInfo(text: string): SegmentInfo {
  const whole = objectOf(parse(text));
  if (whole['version'] !== VERSION) {
    const version = JSON.stringify(whole['version']) ?? 'none';
    throw invalid(`its version is ${version}, and this virtstat reads ${VERSION}; read it with the one that wrote it`);
  }
  const schemas = listOf(whole['schemas']).map(schemaOf);
  return {
    everyMs: numberOf(whole['every-ms']),
    startNs: timeOf(whole['start']),
    endNs: timeOf(whole['end']),
    schemas,
    domains: listOf(whole['domains']).map((item) => domainOf(item, schemas.length)),
    columns: listOf(whole['columns']).map(columnOf),
    merges: listOf(whole['merges']).map(textOf),
  };
}

function schemaOf(value: unknown): Schema {
  const { provider, target, stats } = objectOf(value);
  return { provider: textOf(provider), target: textOf(target), stats: listOf(stats).map(statOf) };
}

function statOf(value: unknown): StatDescriptor {
  const stat = objectOf(value);
  const optional = {
    ...('unit' in stat && { unit: textOf(stat['unit']) }),
    ...('base' in stat && { base: typeof stat['base'] === 'string' ? stat['base'] : numberOf(stat['base']) }),
    ...('bucketSize' in stat && { bucketSize: numberOf(stat['bucketSize']) }),
    ...('size' in stat && { size: numberOf(stat['size']) }),
  };
  return {
    name: textOf(stat['name']),
    type: textOf(stat['type']),
    exponent: numberOf(stat['exponent']),
    ...optional,
  } as StatDescriptor;
}

function domainOf(value: unknown, schemaCount: number): SegmentDomain {
  const found = objectOf(value);
  const domain: Domain = {
    id: textOf(found['id']),
    name: textOf(found['name']),
    source: textOf(found['source']),
    ...('uuid' in found && { uuid: textOf(found['uuid']) }),
    ...('vcpus' in found && { vcpus: numberOf(found['vcpus']) }),
    ...('pid' in found && { pid: numberOf(found['pid']) }),
  };
  const objects = listOf(found['objects']).map((item) => {
    const { schema, paths } = objectOf(item);
    const place = numberOf(schema);
    if (!Number.isInteger(place) || place < 0 || place >= schemaCount) throw invalid('a domain names no schema of it');
    return { schema: place, paths: listOf(paths).map((path) => (path === null ? undefined : textOf(path))) };
  });
  return { domain, startNs: timeOf(found['start']), endNs: timeOf(found['end']), objects };
}

const KINDS: ReadonlySet<unknown> = new Set<ValueKind>(['number', 'boolean', 'list']);

function columnOf(value: unknown): Column {
  const [stat, kind, column] = listOf(value);
  if (!KINDS.has(kind)) throw invalid('a column has values of no known kind');
  return { stat: textOf(stat), kind: kind as ValueKind, column: textOf(column) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid('what it says of itself is no JSON', error);
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid('what it says of itself has no object where one belongs');
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid('what it says of itself has no list where one belongs');
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw invalid('what it says of itself has no text where one belongs');
}

function numberOf(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw invalid('what it says of itself has no number where one belongs');
}

function timeOf(value: unknown): bigint {
  if (typeof value === 'string' && /^\d{1,19}$/.test(value)) {
    const ns = BigInt(value);
    if (ns <= LAST_NS) return ns;
  }
  throw invalid('what it says of itself has no time where one belongs');
}

function invalid(reason: string, cause?: unknown): VirtstatError {
  return new VirtstatError('RECORDING_INVALID', reason, { cause });
}
