import { NANO, UNSCALED } from '../protocol/openmetrics/decimal.ts';
import type { MetricFamily, NumberPoint } from '../protocol/openmetrics/family.ts';
import { type Label, LabelSet } from '../protocol/openmetrics/labels.ts';
import type { DomainValues } from './collect.ts';

/** Most errors that are told of one domain. */
const MAX_ERRORS = 8;

/** Longest reason that is told, in characters. */
const MAX_REASON_LENGTH = 300;

/**
 * What is said of domains themselves:
 *
 * | family | says |
 * | --- | --- |
 * | `virtstat_domain_info` | uuid, source and VMM of every domain that was found |
 * | `virtstat_domain_stale_seconds` | 0 where all values are fresh, else how old the oldest of those are that are not |
 * | `virtstat_domain_error_info` | what could not be read, and why; a source that cannot be searched stands there by its URI |
 */
export function domainFamilies(domains: readonly DomainValues[]): readonly MetricFamily[] {
  const found = domains.filter(({ domain }) => domain.id !== domain.source);
  return [
    {
      name: 'virtstat_domain',
      type: 'info',
      help: 'A virtual machine, and where it was found',
      points: found.map(infoPoint),
    },
    {
      name: 'virtstat_domain_stale_seconds',
      type: 'gauge',
      unit: 'seconds',
      help: 'Age of values that could not be read anew; 0 where all are fresh, absent where there are none',
      points: found.flatMap(stalePoint),
    },
    {
      name: 'virtstat_domain_error',
      type: 'info',
      help: 'What could not be read of a virtual machine, and why',
      points: domains.flatMap(errorPoints),
    },
  ];
}

function infoPoint({ label, domain: { uuid, source, vmm } }: DomainValues): NumberPoint {
  const labels: Label[] = [
    ['domain', label],
    ...(uuid === undefined ? [] : [['uuid', uuid] as const]),
    ['source', source],
    ...(vmm === undefined
      ? []
      : ([
          ['vmm', vmm.name],
          ['vmm_version', vmm.version],
        ] as const)),
  ];
  return { labels: new LabelSet(labels), steps: 1n, scale: UNSCALED };
}

function stalePoint({ label, samples }: DomainValues): readonly NumberPoint[] {
  if (samples.length === 0) return [];
  const ageNs = samples.reduce(
    (oldest, { stale }) => (stale !== undefined && stale.ageNs > oldest ? stale.ageNs : oldest),
    0n,
  );
  return [{ labels: new LabelSet([['domain', label]]), steps: ageNs, scale: NANO }];
}

function errorPoints({ label, errors }: DomainValues): readonly NumberPoint[] {
  return errors.slice(0, MAX_ERRORS).map(({ code, message }) => ({
    labels: new LabelSet([
      ['domain', label],
      ['code', code],
      ['reason', message.slice(0, MAX_REASON_LENGTH)],
    ]),
    steps: 1n,
    scale: UNSCALED,
  }));
}
