import type { Domain } from '../model/domain.ts';
import { type GrowthByName, growthSince } from '../model/growth.ts';
import type { Sample } from '../model/sample.ts';
import type { StatDescriptor } from '../model/stat.ts';
import type { SampleAnswer, SchemaAnswer } from '../registry/answer.ts';

/** The descriptors of the stats of one provider and target by their name. */
export type DescriptorsByName = ReadonlyMap<string, StatDescriptor>;

const NONE: DescriptorsByName = new Map();

/** Finds the schema of a sample. Schemas travel once, samples often. */
export class SchemaBook {
  #byKey = new Map<string, DescriptorsByName>();

  constructor(answers: readonly SchemaAnswer[] = []) {
    this.add(answers);
  }

  /** Takes up the schemas of an answer. */
  add(answers: readonly SchemaAnswer[]): void {
    for (const { domain, items } of answers) {
      for (const { provider, target, stats } of items) {
        this.#byKey.set(JSON.stringify([domain.id, provider, target]), new Map(stats.map((stat) => [stat.name, stat])));
      }
    }
  }

  /** True where every value has its descriptor. */
  covers(answers: readonly SampleAnswer[]): boolean {
    return answers.every(({ domain, items }) =>
      items.every((sample) => {
        const descriptors = this.#byKey.get(keyOf(domain, sample));
        return descriptors !== undefined && sample.stats.every(({ name }) => descriptors.has(name));
      }),
    );
  }

  /** The descriptors of the sample's stats; empty where no schema is known. */
  of(domain: Domain, sample: Sample): DescriptorsByName {
    return this.#byKey.get(keyOf(domain, sample)) ?? NONE;
  }
}

/** Remembers the samples of one sweep, to say what those of the next have grown by. */
export class GrowthTracker {
  #previous = new Map<string, Sample>();

  /** The growth of each sample since the sweep before; a sample that was not there then has none. */
  update(answers: readonly SampleAnswer[], book: SchemaBook): ReadonlyMap<Sample, GrowthByName> {
    const growths = new Map<Sample, GrowthByName>();
    const current = new Map<string, Sample>();
    for (const { domain, items } of answers) {
      for (const [index, sample] of items.entries()) {
        // A provider that is asked twice gives two samples of one object, with other stats.
        const key = JSON.stringify([domain.id, sample.provider, sample.target, sample.path ?? index]);
        const previous = this.#previous.get(key);
        if (previous !== undefined) growths.set(sample, growthSince(sample, previous, book.of(domain, sample)));
        current.set(key, sample);
      }
    }
    this.#previous = current;
    return growths;
  }
}

function keyOf(domain: Domain, { provider, target }: Sample): string {
  return JSON.stringify([domain.id, provider, target]);
}
