import type { Domain } from '../../model/domain.ts';
import { type GrowthByName, growthSince } from '../../model/growth.ts';
import type { Sample } from '../../model/sample.ts';
import type { SampleAnswer } from '../../registry/answer.ts';
import type { DescriptorsByName, SchemaBook } from '../schema-book.ts';

/** One object of a domain as one provider measures it, from look to look. */
export interface Track {
  readonly domain: Domain;
  /** Its newest sample. */
  readonly sample: Sample;
  readonly descriptors: DescriptorsByName;
  /**
   * What its stats grew by between the two newest samples that differ; what began anew in between, and what has only one
   * sample so far, is missing.
   */
  readonly growths: GrowthByName;
  /** The sample that totals are counted from, where somebody asked for that. */
  readonly base: Sample | undefined;
}

/** Path of an object that has none. */
const NO_PATH = '';

/** What is known of objects: their samples, and what these grew by, each by its own time of collection. */
export class Tracks {
  readonly #byDomain = new Map<string, Map<string, readonly Track[]>>();

  /** Takes up what a domain answered about one target; an object that is not in the answer is gone. */
  update(target: string, { domain, items }: SampleAnswer, book: SchemaBook): void {
    const before = new Map(
      (this.#byDomain.get(domain.id)?.get(target) ?? []).map((track) => [keyOf(track.sample), track]),
    );
    const tracks = items.map((sample) => trackOf(domain, sample, before.get(keyOf(sample)), book));
    let targets = this.#byDomain.get(domain.id);
    if (targets === undefined) this.#byDomain.set(domain.id, (targets = new Map()));
    targets.set(target, tracks);
  }

  /** Everything known of a domain, target by target. */
  of(domainId: string): readonly Track[] {
    return [...(this.#byDomain.get(domainId)?.values() ?? [])].flat();
  }

  /** Everything known of everybody. */
  get all(): readonly Track[] {
    return [...this.#byDomain.keys()].flatMap((id) => this.of(id));
  }

  /** Forgets every domain that is not among `ids`. */
  retain(ids: ReadonlySet<string>): void {
    for (const id of this.#byDomain.keys()) if (!ids.has(id)) this.#byDomain.delete(id);
  }

  /** Counts totals from here on. */
  rebase(): void {
    for (const targets of this.#byDomain.values()) {
      for (const [target, tracks] of targets) {
        targets.set(
          target,
          tracks.map((track) => ({ ...track, base: track.sample })),
        );
      }
    }
  }
}

/** The objects of one domain's target, by their paths, in the order of the providers; one without a path is `''`. */
export function pathsOf(tracks: readonly Track[]): readonly string[] {
  return [...new Set(tracks.map(({ sample }) => sample.path ?? NO_PATH))];
}

function trackOf(domain: Domain, sample: Sample, before: Track | undefined, book: SchemaBook): Track {
  const descriptors = book.of(domain, sample);
  const base = before?.base;
  if (before === undefined) return { domain, sample, descriptors, growths: new Map(), base };
  // The same sample once more, from a cache or because it is stale: what it grew by is what was known.
  if (before.sample.collectedAtNs === sample.collectedAtNs) {
    return { domain, sample, descriptors, growths: before.growths, base };
  }
  const growths = [...growthSince(sample, before.sample, descriptors)].filter(([, { reset }]) => !reset);
  return { domain, sample, descriptors, growths: new Map(growths), base };
}

function keyOf({ provider, path }: Sample): string {
  return `${provider}\n${path ?? NO_PATH}`;
}
