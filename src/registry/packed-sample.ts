import type { PackedStats, Reading, Sample, Staleness, StatEntry } from '../model/sample.ts';
import type { SampleAnswer } from './answer.ts';

/** What a reading is about: one object for all readings of one answer. */
export type About = Pick<Sample, 'domain' | 'provider' | 'target'>;

/**
 * A reading that came undecoded, and what it is about. Hundreds of thousands of them are made and forgotten each second, so that
 * it has little of its own. It is no plain data: to copy, print or send it on as a whole takes {@link plainSample}.
 */
export class PackedSample implements Sample {
  declare readonly path?: string;
  declare readonly device?: string;
  declare readonly stale?: Staleness;
  readonly #about: About;
  readonly #reading: Reading;

  constructor(about: About, reading: Reading) {
    const { path, device, stale } = reading;
    if (path !== undefined) this.path = path;
    if (device !== undefined) this.device = device;
    if (stale !== undefined) this.stale = stale;
    this.#about = about;
    this.#reading = reading;
  }

  get domain(): string {
    return this.#about.domain;
  }

  get provider(): string {
    return this.#about.provider;
  }

  get target(): string {
    return this.#about.target;
  }

  get via(): string {
    return this.#reading.via;
  }

  get collectedAtNs(): bigint {
    return this.#reading.collectedAtNs;
  }

  get stats(): readonly StatEntry[] {
    return this.#reading.stats;
  }

  get packed(): PackedStats | undefined {
    return this.#reading.packed;
  }
}

/** A reading as plain data, with these of its values. */
export function sampleOf(
  { domain, provider, target }: About,
  { path, device, via, collectedAtNs, stale }: Reading,
  stats: readonly StatEntry[],
): Sample {
  return {
    domain,
    provider,
    target,
    ...(path !== undefined && { path }),
    ...(device !== undefined && { device }),
    via,
    collectedAtNs,
    ...(stale && { stale }),
    stats,
  };
}

/** The sample as plain data: what a reader copies, prints or sends on is whole. */
export function plainSample(sample: Sample): Sample {
  return sample instanceof PackedSample ? sampleOf(sample, sample, sample.stats) : sample;
}

const plainOf = new WeakMap<SampleAnswer, SampleAnswer>();

/** The answer with plain data only; always the same for the same answer. */
export function plainAnswer(answer: SampleAnswer): SampleAnswer {
  if (!answer.items.some((sample) => sample instanceof PackedSample)) return answer;
  let plain = plainOf.get(answer);
  if (plain === undefined) plainOf.set(answer, (plain = { ...answer, items: answer.items.map(plainSample) }));
  return plain;
}
