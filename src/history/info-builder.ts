import type { Domain } from '../model/domain.ts';
import type { Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import type { Column } from './columns.ts';
import { recordable } from './open-minute.ts';
import type { SegmentDomain, SegmentInfo } from './segment-info.ts';
import { joined, joinedAll, type Span } from './span.ts';

/** Collects what a segment will say of itself, sample by sample. */
export class InfoBuilder {
  readonly #schemas: Schema[] = [];
  /** Places by schema object, then by text: many domains have the same schema, each in a copy of its own. */
  readonly #placeBySchema = new Map<Schema, number>();
  readonly #placeByText = new Map<string, number>();
  readonly #domains = new Map<string, Gathering>();
  #span: Span | undefined;

  /** Takes note of a sample and of the schema that describes it. */
  note(domain: Domain, { path, collectedAtNs }: Sample, schema: Schema): void {
    const now: Span = { startNs: collectedAtNs, endNs: collectedAtNs };
    this.#span = joined(this.#span, now);
    const key = `${domain.id}\0${domain.name}`;
    let known = this.#domains.get(key);
    if (known === undefined) {
      this.#domains.set(key, (known = { domain: recordableDomain(domain), span: now, objects: new Map() }));
    }
    known.span = joined(known.span, now);
    const place = this.#placeOf(schema);
    let paths = known.objects.get(place);
    if (paths === undefined) known.objects.set(place, (paths = new Set()));
    paths.add(recordable(path) ?? undefined);
  }

  /** What was collected. */
  info(everyMs: number, columns: readonly Column[]): SegmentInfo {
    return {
      everyMs,
      ...joinedAll(this.#span === undefined ? [{ startNs: 0n, endNs: 0n }] : [this.#span]),
      schemas: this.#schemas,
      domains: [...this.#domains.values()].map(gathered),
      columns,
      merges: [],
    };
  }

  #placeOf(schema: Schema): number {
    const known = this.#placeBySchema.get(schema);
    if (known !== undefined) return known;
    const text = JSON.stringify(schema);
    let place = this.#placeByText.get(text);
    if (place === undefined) {
      place = this.#schemas.push(recordableSchema(schema)) - 1;
      this.#placeByText.set(text, place);
    }
    this.#placeBySchema.set(schema, place);
    return place;
  }
}

interface Gathering {
  readonly domain: Domain;
  span: Span;
  readonly objects: Map<number, Set<string | undefined>>;
}

/** What several segments say of themselves, as one. */
export function mergeInfos(infos: readonly SegmentInfo[], merges: readonly string[]): SegmentInfo {
  const schemas = new Map<string, { readonly schema: Schema; readonly place: number }>();
  const domains = new Map<string, Gathering>();
  for (const info of infos) {
    const places = info.schemas.map((schema) => {
      const text = JSON.stringify(schema);
      const found = schemas.get(text) ?? { schema, place: schemas.size };
      schemas.set(text, found);
      return found.place;
    });
    for (const item of info.domains) mergeDomain(domains, item, places);
  }
  return {
    everyMs: infos.at(-1)!.everyMs,
    ...joinedAll(infos),
    schemas: [...schemas.values()].map(({ schema }) => schema),
    domains: [...domains.values()].map(gathered),
    columns: [...new Map(infos.flatMap(({ columns }) => columns).map((column) => [column.column, column])).values()],
    merges,
  };
}

function mergeDomain(all: Map<string, Gathering>, item: SegmentDomain, places: readonly number[]): void {
  const key = `${item.domain.id}\0${item.domain.name}`;
  const known = all.get(key);
  const merged = { domain: item.domain, span: joined(known?.span, item), objects: known?.objects ?? new Map() };
  for (const { schema, paths } of item.objects) {
    const place = places[schema]!;
    merged.objects.set(place, new Set([...(merged.objects.get(place) ?? []), ...paths]));
  }
  all.set(key, merged);
}

function gathered({ domain, span, objects }: Gathering): SegmentDomain {
  return { domain, ...span, objects: [...objects].map(([schema, paths]) => ({ schema, paths: [...paths] })) };
}

function recordableDomain({ id, name, uuid, source, vcpus, pid }: Domain): Domain {
  const text = (value: string): string => recordable(value) ?? '';
  return {
    id: text(id),
    name: text(name),
    ...(uuid !== undefined && { uuid: text(uuid) }),
    source: text(source),
    ...(vcpus !== undefined && { vcpus }),
    ...(pid !== undefined && { pid }),
  };
}

function recordableSchema({ provider, target, stats }: Schema): Schema {
  return { provider: recordable(provider) ?? '', target: recordable(target) ?? '', stats };
}
