import type { Domain } from '../model/domain.ts';
import type { Schema } from '../model/stat.ts';
import type { SegmentDomain } from './segment-info.ts';
import type { Segment } from './segments.ts';
import { joinedAll, overlap, type Span } from './span.ts';

/**
 * A domain through the whole of a recording: under all its names, and all times that it was started with the same uuid. Spans
 * `collected-at` of its samples.
 */
export interface Life extends Span {
  /** As it was last. */
  readonly domain: Domain;
  /** As it was at any time. */
  readonly known: readonly Domain[];
  /** Every `id` that it had. */
  readonly ids: ReadonlySet<string>;
  readonly objects: readonly LifeObjects[];
}

/** The objects of one provider and target. */
export interface LifeObjects {
  readonly schema: Schema;
  /** Undefined: the target has one object. */
  readonly paths: readonly (string | undefined)[];
}

/** What one segment says of one domain, with the schemas that it means. */
interface Piece extends Omit<SegmentDomain, 'objects'> {
  readonly objects: readonly LifeObjects[];
}

/**
 * The domains of all segments. The same `id` is the same domain, and so is the same uuid, unless two VMs of one uuid ran at the
 * same time.
 */
export function livesOf(segments: readonly Segment[]): readonly Life[] {
  const pieces = segments.flatMap(({ info }) =>
    info.domains.map(({ objects, ...others }): Piece => {
      return { ...others, objects: objects.map(({ schema, paths }) => ({ schema: info.schemas[schema]!, paths })) };
    }),
  );
  const byId = [...Map.groupBy(pieces, ({ domain }) => domain.id).values()];
  const byUuid = Map.groupBy(byId, ([first]) => first!.domain.uuid?.toLowerCase() ?? first!.domain.id);
  return [...byUuid.values()].flatMap((runs) =>
    overlap(runs.map(joinedAll)) ? runs.map(lifeOf) : [lifeOf(runs.flat())],
  );
}

/** Schemas put together by provider and target: all their descriptors by name, each as it stands last. */
export function mergeSchemas(schemas: readonly Schema[]): readonly Schema[] {
  const groups = Map.groupBy(new Set(schemas), ({ provider, target }) => JSON.stringify([provider, target]));
  return [...groups.values()].map((group) => {
    const [first] = group;
    if (group.length === 1) return first!;
    const stats = new Map(group.flatMap((schema) => schema.stats.map((stat) => [stat.name, stat] as const)));
    return { provider: first!.provider, target: first!.target, stats: [...stats.values()] };
  });
}

function lifeOf(pieces: readonly Piece[]): Life {
  const ordered = pieces.toSorted((a, b) => Number(a.endNs - b.endNs));
  const all = ordered.flatMap(({ objects }) => objects);
  return {
    domain: ordered.at(-1)!.domain,
    known: ordered.map(({ domain }) => domain),
    ids: new Set(ordered.map(({ domain }) => domain.id)),
    ...joinedAll(pieces),
    objects: mergeSchemas(all.map(({ schema }) => schema)).map((schema) => ({
      schema,
      paths: [...new Set(all.filter((objects) => isOf(objects.schema, schema)).flatMap(({ paths }) => paths))],
    })),
  };
}

function isOf(a: Schema, b: Schema): boolean {
  return a.provider === b.provider && a.target === b.target;
}
