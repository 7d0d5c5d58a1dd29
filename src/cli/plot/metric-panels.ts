import { type FloatSeries, queryRange, type Range } from '../../history/prometheus/range.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';
import { humanize, type Scale } from '../../model/scale.ts';
import type { HeatColumn, HeatPanel, LinePanel, Panel } from './panel.ts';

/** A metric by its name, with labels that choose among its series: what is no other PromQL. */
const METRIC = /^([a-zA-Z_:][\w:]*)\s*(\{.*\})?$/s;

/** Both ends of a range have a value, and a server may round them outwards. */
const MORE_TIMES = 3;

/** How many times the step growth is taken over, so that a missed scrape leaves no gap. */
const WINDOW_STEPS = 4;

/** The shortest time that growth is taken over, in milliseconds: four scrapes at the usual 15 s. */
const MIN_WINDOW_MS = 60_000;

/**
 * A panel of what a Prometheus-compatible server has. A plain metric is shown as such a one should be: a counter (`_total`) as its
 * growth per second, a histogram (`_bucket`) by its buckets; anything else is PromQL, and shown as it comes.
 */
export async function metricPanel(base: URL, query: string, range: Range, options: CallOptions): Promise<Panel> {
  const [, name, labels = ''] = METRIC.exec(query) ?? [];
  const windowMs = Math.max(MIN_WINDOW_MS, range.stepMs * WINDOW_STEPS);
  if (name?.endsWith('_bucket')) {
    // Over a step alone there may be no two scrapes, and nothing would have grown: what a step had is its share of the window.
    const overMs = Math.max(MIN_WINDOW_MS, range.stepMs);
    const promql = `sum by (le) (rate(${name}${labels}[${Math.round(overMs / 1000)}s])) * ${range.stepMs / 1000}`;
    return heatPanel(query, name, await queryRange(base, promql, range, options), range);
  }
  const isCounter = name?.endsWith('_total') === true;
  const promql = isCounter ? `rate(${query}[${Math.round(windowMs / 1000)}s])` : query;
  return linePanel(query, name ?? '', isCounter, await queryRange(base, promql, range, options), range);
}

function linePanel(
  title: string,
  name: string,
  isCounter: boolean,
  series: readonly FloatSeries[],
  { stepMs }: Range,
): LinePanel {
  return {
    kind: 'lines',
    title: isCounter ? `${title}, growth per second` : title,
    scale: scaleOf(name),
    suffix: isCounter ? '/s' : '',
    lines: series.map(({ labels, points }) => ({
      label: labelOf(labels),
      points: points.flatMap(({ atMs, value }, index) => {
        const before = points[index - 1];
        const isGap = before !== undefined && atMs - before.atMs > stepMs * 1.5;
        return isGap
          ? [
              { atMs, value: undefined },
              { atMs, value },
            ]
          : [{ atMs, value }];
      }),
    })),
  };
}

/**
 * Prometheus's buckets count all that is below their bound: each less the one before.
 * @throws JSON_INVALID where a server gives more times than it was asked for: each takes room for every bucket
 */
export function heatPanel(
  title: string,
  name: string,
  series: readonly FloatSeries[],
  { startMs, endMs, stepMs }: Range,
): HeatPanel {
  const scale = scaleOf(name.replace(/_bucket$/, ''));
  const buckets = series
    .map((one) => ({ ...one, bound: Number((one.labels['le'] ?? '').replace('+Inf', 'Infinity')) }))
    .filter(({ bound }) => !Number.isNaN(bound))
    .sort((a, b) => a.bound - b.bound);
  const byTime = new Map<number, number[]>();
  const maxTimes = Math.floor((endMs - startMs) / stepMs) + MORE_TIMES;
  for (const [index, { points }] of buckets.entries()) {
    for (const { atMs, value } of points) {
      const counts = byTime.get(atMs) ?? buckets.map(() => 0);
      counts[index] = value;
      byTime.set(atMs, counts);
      if (byTime.size <= maxTimes) continue;
      throw new VirtstatError('JSON_INVALID', `a server gave more than the ${maxTimes} times that it was asked for`);
    }
  }
  const columns: HeatColumn[] = [...byTime]
    .sort(([a], [b]) => a - b)
    .map(([atMs, counts]) => ({
      startMs: atMs - stepMs,
      endMs: atMs,
      counts: counts.map((count, index) => counted(count - (counts[index - 1] ?? 0))),
    }));
  return {
    kind: 'heat',
    title,
    scale,
    buckets: buckets.map(({ bound }) => `≤ ${Number.isFinite(bound) ? humanize(bound, scale) : '∞'}`),
    columns,
  };
}

/** A share of what was counted, without what is only left over from calculating. */
function counted(share: number): number {
  return Math.max(0, Number(share.toFixed(6)));
}

/** By OpenMetrics, the unit is the last word of the name. */
function scaleOf(name: string): Scale {
  const unit = /_(seconds|bytes)(?:_total)?$/.exec(name)?.[1];
  return unit === undefined ? { exponent: 0 } : { unit, exponent: 0 };
}

function labelOf({ __name__: _name, ...labels }: Readonly<Record<string, string>>): string {
  const text = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return text.length === 0 ? 'all' : text.join(' ');
}
