import { totalCount } from './histogram.ts';
import type { Sample, StatValue } from './sample.ts';
import { isMonotonic, type StatDescriptor } from './stat.ts';
import { increase, ratePerSecond } from './u64.ts';

/** How a cumulative stat or a histogram grew between two samples of one object. */
export interface Growth {
  /** By how much, exactly; bucket by bucket for a histogram. After a reset: what it counted since then. */
  readonly delta: bigint | readonly bigint[];
  /** Per second, in raw steps of the stat's unit; what all buckets counted together for a histogram. */
  readonly rate: number;
  /** True where the value decreased: whoever counts began anew. */
  readonly reset: boolean;
}

/** The growth of each stat of a sample by its name; a stat that does not only grow, or was not there before, is missing. */
export type GrowthByName = ReadonlyMap<string, Growth>;

/**
 * What the stats of `current` grew by since `previous`, an earlier sample of the same object. Empty where no time passed
 * between the two, as when the values are stale.
 */
export function growthSince(
  current: Sample,
  previous: Sample,
  descriptors: ReadonlyMap<string, Pick<StatDescriptor, 'type'>>,
): GrowthByName {
  const intervalNs = current.collectedAtNs - previous.collectedAtNs;
  const before = new Map(previous.stats.map(({ name, value }) => [name, value]));
  const growths = new Map<string, Growth>();
  for (const { name, value } of current.stats) {
    const descriptor = descriptors.get(name);
    const earlier = before.get(name);
    if (descriptor === undefined || earlier === undefined || !isMonotonic(descriptor)) continue;
    const growth = growthOf(value, earlier, intervalNs);
    if (growth !== undefined) growths.set(name, growth);
  }
  return growths;
}

/** The growth of one value; undefined where the two are not alike, are booleans, or no time passed between them. */
export function growthOf(current: StatValue, previous: StatValue, intervalNs: bigint): Growth | undefined {
  if (typeof current === 'bigint' && typeof previous === 'bigint') {
    const { delta, reset } = increase(current, previous);
    const rate = ratePerSecond(delta, intervalNs);
    return rate === undefined ? undefined : { delta, rate, reset };
  }
  if (typeof current !== 'object' || typeof previous !== 'object' || current.length !== previous.length) {
    return undefined;
  }
  // One bucket that shrank means that all began anew: the others may have overtaken what they showed before.
  const reset = current.some((count, index) => count < (previous[index] ?? 0n));
  const delta = reset ? current : current.map((count, index) => count - (previous[index] ?? 0n));
  const rate = ratePerSecond(totalCount(delta), intervalNs);
  return rate === undefined ? undefined : { delta, rate, reset };
}
