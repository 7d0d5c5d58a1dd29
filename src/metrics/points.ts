import { boundariesOf } from '../model/histogram.ts';
import type { Sample, StatValue } from '../model/sample.ts';
import type { HistogramPoint, NumberPoint } from '../protocol/openmetrics/family.ts';
import { type HistogramBounds, histogramBounds } from '../protocol/openmetrics/histogram.ts';
import type { ShownStat } from './selection.ts';
import type { LabelledSample, ObjectGroup, StatSource } from './stat-source.ts';

/** The label that numbers the values of a stat that has several and is no histogram. */
const INDEX = 'index';

/** A number for each object; of a stat that has several values, one for each of them. */
export function* numberPoints({ shown, groups }: StatSource): Generator<NumberPoint, void> {
  const { scale } = shown.family;
  for (const { objects } of groups) {
    for (const { sample, labels } of objects) {
      const value = valueIn(sample, shown);
      if (value === undefined) continue;
      const { collectedAtNs } = sample;
      if (typeof value !== 'object') {
        yield { labels, steps: BigInt(value), scale, collectedAtNs };
        continue;
      }
      for (const [index, steps] of value.entries()) {
        yield { labels: labels.with([INDEX, String(index)]), steps, scale, collectedAtNs };
      }
    }
  }
}

/** One number for all objects of a domain. */
export function* summedPoints({ shown, groups }: StatSource): Generator<NumberPoint, void> {
  const { scale } = shown.family;
  for (const { domainLabels, objects } of groups) {
    let steps: bigint | undefined;
    let collectedAtNs = 0n;
    for (const { sample } of objects) {
      const value = valueIn(sample, shown);
      if (value === undefined || typeof value === 'object') continue;
      steps = (steps ?? 0n) + BigInt(value);
      if (sample.collectedAtNs > collectedAtNs) collectedAtNs = sample.collectedAtNs;
    }
    if (steps !== undefined) yield { labels: domainLabels, steps, scale, collectedAtNs };
  }
}

/** A histogram for each object. Bounds are made once for all that have the same. */
export function* histogramPoints(sources: readonly StatSource[]): Generator<HistogramPoint, void> {
  const made = new Map<string, HistogramBounds | undefined>();
  for (const { shown, groups } of sources) {
    for (const { objects } of groups) {
      for (const { sample, labels } of objects) {
        const counts = valueIn(sample, shown);
        if (typeof counts !== 'object') continue;
        const bounds = boundsOf(sample, shown, counts.length, made);
        if (bounds === undefined) continue;
        const sum = sumIn(sample, shown);
        yield { labels, bounds, counts, ...(sum !== undefined && { sum }), collectedAtNs: sample.collectedAtNs };
      }
    }
  }
}

/** How many lines of text a stat makes of the objects of one domain, at most. */
export function linesOf({ objects }: ObjectGroup, shown: ShownStat): number {
  if (shown.shown === 'sum') return hasNumber(objects, shown) ? 1 : 0;
  let lines = 0;
  for (const { sample } of objects) {
    const value = valueIn(sample, shown);
    if (value === undefined) continue;
    if (typeof value !== 'object') lines += shown.family.type === 'histogram' ? 0 : 1;
    else lines += value.length + (shown.family.type === 'histogram' ? COUNT_AND_SUM : 0);
  }
  return lines;
}

/** Lines of a histogram beside those of its buckets. */
const COUNT_AND_SUM = 2;

function hasNumber(objects: readonly LabelledSample[], shown: ShownStat): boolean {
  return objects.some(({ sample }) => {
    const value = valueIn(sample, shown);
    return value !== undefined && typeof value !== 'object';
  });
}

/** Most samples have all stats, in the schema's order; of the others the name is looked for. */
function valueIn({ stats }: Sample, { index, stat: { name } }: ShownStat): StatValue | undefined {
  const there = stats[index];
  return there?.name === name ? there.value : stats.find((entry) => entry.name === name)?.value;
}

function boundsOf(
  sample: Sample,
  { stat, family: { scale } }: ShownStat,
  size: number,
  made: Map<string, HistogramBounds | undefined>,
): HistogramBounds | undefined {
  const boundaries = stat.type === 'histogram' ? boundariesOf(stat.name, sample.stats) : undefined;
  const key = `${stat.type} ${stat.bucketSize} ${size} ${scale.multiplier} ${scale.exponent} ${boundaries}`;
  let bounds = made.get(key);
  if (bounds === undefined) made.set(key, (bounds = histogramBounds(stat, size, scale, boundaries)));
  return bounds;
}

function sumIn(sample: Sample, { sumName }: ShownStat): bigint | undefined {
  const value = sumName === undefined ? undefined : sample.stats.find(({ name }) => name === sumName)?.value;
  return typeof value === 'bigint' ? value : undefined;
}
