import type { GrowthByName } from '../../model/growth.ts';
import type { Sample, StatEntry, StatValue } from '../../model/sample.ts';
import type { SampleAnswer } from '../../registry/answer.ts';
import { integer, timestamp } from './json.ts';
import { errorElement } from './list-document.ts';

/** The growth of samples; empty where no rates are asked for, or there was no earlier sample. */
export type Growths = ReadonlyMap<Sample, GrowthByName>;

/**
 * The JSON of `query`: an element for each sample, its stats in the schema's order with exact values, and one for each
 * error. A path of QEMU's object model is `qom-path`, any other `path`.
 *
 * With growths, a stat that only grows has `rate` beside its value: a number, what the value grew by each second in raw
 * steps of its unit (scale it with the schema's base and exponent), for a histogram how many values it counted each second;
 * and `"reset": true` where the counter began anew in between.
 */
export function queryDocument(answers: readonly SampleAnswer[], growths: Growths = new Map()): unknown[] {
  return answers.flatMap(({ domain, items, errors }) => [
    ...items.map((sample) => sampleElement(sample, growths.get(sample))),
    // Stale values say themselves why they are stale.
    ...errors
      .filter(({ message }) => !items.some(({ stale }) => stale?.reason === message))
      .map((error) => errorElement(domain, error)),
  ]);
}

function sampleElement(sample: Sample, growths: GrowthByName | undefined): unknown {
  const { domain, provider, target, path, via, collectedAtNs, stale } = sample;
  return {
    domain,
    provider,
    target,
    ...(path !== undefined && { [path.startsWith('/') ? 'qom-path' : 'path']: path }),
    'collected-at': timestamp(collectedAtNs),
    via,
    ...(stale !== undefined && {
      stale: { 'age-ns': integer(stale.ageNs), code: stale.code, reason: stale.reason },
    }),
    stats: sample.stats.map((entry) => statElement(entry, growths)),
  };
}

function statElement({ name, value }: StatEntry, growths: GrowthByName | undefined): unknown {
  const growth = growths?.get(name);
  return {
    name,
    value: literal(value),
    ...(growth !== undefined && { rate: growth.rate, ...(growth.reset && { reset: true }) }),
  };
}

function literal(value: StatValue): unknown {
  if (typeof value === 'boolean') return value;
  return typeof value === 'bigint' ? integer(value) : value.map(integer);
}
