import { UNSCALED } from '../protocol/openmetrics/decimal.ts';
import type { MetricFamily, NumberPoint } from '../protocol/openmetrics/family.ts';
import { type Label, LabelSet } from '../protocol/openmetrics/labels.ts';
import type { PushState } from './push.ts';

/**
 * What pushes say of themselves:
 *
 * | series | says |
 * | --- | --- |
 * | `virtstat_export_pending` | samples that wait to be sent |
 * | `virtstat_export_queue_bytes` | bytes that they take |
 * | `virtstat_export_sent_total` | samples that an engine took |
 * | `virtstat_export_dropped_total` | samples that none will get, by `reason`: `refused` by the engine, the queue `full`, no room on the `disk`, `damaged` |
 * | `virtstat_export_failing` | 1 while nothing gets through |
 */
export function pushFamilies(states: readonly PushState[]): readonly MetricFamily[] {
  if (states.length === 0) return [];
  const family = (
    head: Pick<MetricFamily, 'name' | 'help' | 'unit'> & { readonly type: 'gauge' | 'counter' },
    pointsOf: (state: PushState) => readonly NumberPoint[],
  ): MetricFamily => ({ ...head, points: states.flatMap(pointsOf) });
  return [
    family(
      { name: 'virtstat_export_pending', type: 'gauge', help: 'Samples that wait to be sent to an engine' },
      (s) => [point(s, s.waiting.samples)],
    ),
    family(
      { name: 'virtstat_export_queue_bytes', type: 'gauge', unit: 'bytes', help: 'Size of what waits to be sent' },
      (s) => [point(s, s.waiting.bytes)],
    ),
    family({ name: 'virtstat_export_sent', type: 'counter', help: 'Samples that an engine took' }, (s) => [
      point(s, s.sent),
    ]),
    family({ name: 'virtstat_export_dropped', type: 'counter', help: 'Samples that no engine will get' }, (s) =>
      [...s.dropped].map(([reason, samples]) => point(s, samples, ['reason', reason])),
    ),
    family(
      { name: 'virtstat_export_failing', type: 'gauge', help: '1 while nothing gets through to an engine' },
      (s) => [point(s, s.isFailing ? 1 : 0)],
    ),
  ];
}

function point({ name, protocol }: PushState, value: number, ...more: readonly Label[]): NumberPoint {
  return {
    labels: new LabelSet([['push', name], ['protocol', protocol], ...more]),
    steps: BigInt(value),
    scale: UNSCALED,
  };
}
