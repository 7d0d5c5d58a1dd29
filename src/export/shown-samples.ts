import type { DomainValues } from '../metrics/collect.ts';
import type { Selection, ShownStat } from '../metrics/selection.ts';
import type { Sample } from '../model/sample.ts';
import type { StatDescriptor } from '../model/stat.ts';
import { U64_MAX } from '../model/u64.ts';

/** A sample, and what of it is shown. */
export interface ShownSample {
  readonly sample: Sample;
  readonly descriptors: Descriptors;
  /** Of histograms: the name of the stat that adds up what each counts. */
  readonly sums: ReadonlyMap<string, string>;
  /** True for the sum over all objects of its target. */
  readonly isSum: boolean;
}

type Descriptors = ReadonlyMap<string, StatDescriptor>;

/**
 * What a selection shows of a domain: the samples of its objects and, for what is summed over those, one sample more, which has no
 * path. Old values are left out.
 */
export function* shownSamples(values: DomainValues, selection: Selection): Generator<ShownSample, void> {
  for (const schema of values.schemas) {
    const { each, sum, sums } = descriptorsOf(selection.of(schema));
    const samples = values.samples.filter(
      ({ provider, target, stale }) => provider === schema.provider && target === schema.target && stale === undefined,
    );
    if (each.size > 0) for (const sample of samples) yield { sample, descriptors: each, sums, isSum: false };
    const whole = sum.size > 0 ? summed(samples, sum) : undefined;
    if (whole !== undefined) yield { sample: whole, descriptors: sum, sums, isSum: true };
  }
}

interface ByShown {
  readonly each: Descriptors;
  readonly sum: Descriptors;
  readonly sums: ReadonlyMap<string, string>;
}

const known = new WeakMap<readonly ShownStat[], ByShown>();

function descriptorsOf(stats: readonly ShownStat[]): ByShown {
  let found = known.get(stats);
  if (found === undefined) {
    const of = (wanted: ShownStat['shown']): Descriptors =>
      new Map(stats.filter(({ shown }) => shown === wanted).map(({ stat }) => [stat.name, stat]));
    const sums = new Map(
      stats.flatMap(({ stat: { name }, sumName }) => (sumName === undefined ? [] : [[name, sumName] as const])),
    );
    known.set(stats, (found = { each: of('each'), sum: of('sum'), sums }));
  }
  return found;
}

/** As old as the newest of them; a sum that no u64 holds is left out. */
function summed(samples: readonly Sample[], descriptors: Descriptors): Sample | undefined {
  const [first] = samples;
  if (first === undefined) return undefined;
  const sums = new Map<string, bigint>();
  let collectedAtNs = 0n;
  for (const sample of samples) {
    if (sample.collectedAtNs > collectedAtNs) collectedAtNs = sample.collectedAtNs;
    for (const { name, value } of sample.stats) {
      if (descriptors.has(name) && typeof value !== 'object') sums.set(name, (sums.get(name) ?? 0n) + BigInt(value));
    }
  }
  const stats = [...sums].filter(([, value]) => value <= U64_MAX).map(([name, value]) => ({ name, value }));
  const { domain, provider, target, via } = first;
  return { domain, provider, target, via, collectedAtNs, stats };
}
