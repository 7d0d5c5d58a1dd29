import type { PackedStats, Reading, Sample, Staleness, StatEntry } from '../model/sample.ts';
import type { SampleAnswer } from './answer.ts';

/**
 * A sample whose values are decoded when they are first looked at. It is no plain data: to copy, print or send it on as a whole
 * takes {@link plainSample}.
 */
export class PackedSample implements Sample {
  declare readonly path?: string;
  declare readonly device?: string;
  declare readonly stale?: Staleness;
  readonly domain: string;
  readonly provider: string;
  readonly target: string;
  readonly via: string;
  readonly collectedAtNs: bigint;
  readonly packed: PackedStats;
  readonly #reading: Reading;

  constructor(about: Pick<Sample, 'domain' | 'provider' | 'target'>, reading: Reading, packed: PackedStats) {
    const { path, device, via, collectedAtNs, stale } = reading;
    this.domain = about.domain;
    this.provider = about.provider;
    this.target = about.target;
    if (path !== undefined) this.path = path;
    if (device !== undefined) this.device = device;
    if (stale !== undefined) this.stale = stale;
    this.via = via;
    this.collectedAtNs = collectedAtNs;
    this.packed = packed;
    this.#reading = reading;
  }

  get stats(): readonly StatEntry[] {
    return this.#reading.stats;
  }
}

/** A reading as plain data, with these of its values. */
export function sampleOf(
  { domain, provider, target }: Pick<Sample, 'domain' | 'provider' | 'target'>,
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
