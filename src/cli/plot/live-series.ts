import type { Domain } from '../../model/domain.ts';
import { boundariesOf, HISTOGRAM } from '../../model/histogram.ts';
import type { Sample } from '../../model/sample.ts';
import type { SampleAnswer } from '../../registry/answer.ts';
import type { SchemaBook } from '../schema-book.ts';
import type { StatAbout } from './meant.ts';
import type { PlotPoint, PlotSeries } from './series.ts';

/** The most values that are kept of one stat of one object: the oldest ones go. An hour at one a second. */
export const MAX_POINTS = 3600;

interface Growing {
  readonly about: Omit<PlotSeries, 'points' | 'domain' | 'boundaries'> & { readonly domain: Domain };
  boundaries: readonly bigint[] | undefined;
  readonly points: PlotPoint[];
}

/** Samples as they come, as series. */
export class LiveSeries {
  readonly #isMeant: (about: StatAbout) => boolean;
  readonly #series = new Map<string, Growing>();

  /** Keeps the stats that are meant. */
  constructor(isMeant: (about: StatAbout) => boolean) {
    this.#isMeant = isMeant;
  }

  /** Takes up the samples of a sweep; old values again are no new ones. */
  add(answers: readonly SampleAnswer[], book: SchemaBook): void {
    for (const { domain, items } of answers) {
      for (const sample of items) {
        if (sample.stale === undefined) this.#addSample(domain, sample, book);
      }
    }
  }

  /** What there is so far; `nameOf` says what a domain is called. */
  series(nameOf: (domain: Domain) => string): readonly PlotSeries[] {
    return [...this.#series.values()].map(({ about: { domain, ...about }, boundaries, points }) => ({
      ...about,
      domain: nameOf(domain),
      ...(boundaries && { boundaries }),
      points,
    }));
  }

  #addSample(domain: Domain, sample: Sample, book: SchemaBook): void {
    const { provider, target, path, collectedAtNs: atNs, stats } = sample;
    const descriptors = book.of(domain, sample);
    for (const { name, value } of stats) {
      const stat = descriptors.get(name);
      if (stat === undefined || !this.#isMeant({ provider, target, name })) continue;
      const key = JSON.stringify([domain.id, provider, target, path ?? null, name]);
      let growing = this.#series.get(key);
      if (growing === undefined) {
        const about = { domain, provider, target, ...(path !== undefined && { path }), stat };
        this.#series.set(key, (growing = { about, boundaries: undefined, points: [] }));
      }
      if (stat.type === HISTOGRAM) growing.boundaries = boundariesOf(name, stats);
      const last = growing.points.at(-1);
      if (last !== undefined && last.atNs >= atNs) continue;
      growing.points.push({ atNs, value });
      if (growing.points.length > MAX_POINTS) growing.points.shift();
    }
  }
}
