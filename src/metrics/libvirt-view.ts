import type { Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import { nameDisks } from '../protocol/libvirt/disk-names.ts';
import { type DecimalScale, decimalScaleOf, UNSCALED } from '../protocol/openmetrics/decimal.ts';
import type { MetricFamily, NumberPoint, NumberType } from '../protocol/openmetrics/family.ts';
import { type Label, LabelSet, NO_LABELS } from '../protocol/openmetrics/labels.ts';
import type { QueryOptions } from '../registry/options.ts';
import { collect, type DomainValues, isSource, type MetricsReader } from './collect.ts';
import { LIBVIRT_FAMILIES, type LibvirtFamily } from './libvirt-families.ts';
import { ObjectLabels } from './object-labels.ts';
import { type MetricsReading, type MetricsView, withinBudget } from './view.ts';

/** VIR_VCPU_RUNNING: libvirt's QEMU driver says so of every vCPU that is plugged in. */
const RUNNING = 1n;

/** Millionths: how exact a percentage is. */
const PERCENT: DecimalScale = { multiplier: 1n, exponent: -6 };
const WHOLE_IN_PERCENT_STEPS = 100_000_000n;

/** The names that exporters of libvirt's statistics share, for dashboards that were made for them. */
export class LibvirtView implements MetricsView {
  readonly #maxSeries: number;

  constructor(maxSeries: number) {
    this.#maxSeries = maxSeries;
  }

  async read(reader: MetricsReader, options: QueryOptions): Promise<MetricsReading> {
    const found = await collect(reader, namesOf, options);
    const domains = found.filter(({ domain }) => !isSource(domain));
    const isUp = found.every(({ domain, errors }) => !isSource(domain) || errors.length === 0);
    const { families, dropped } = withinBudget(
      [
        family('libvirt_up', 'gauge', 'Whether every source could be searched', [
          { labels: NO_LABELS, steps: isUp ? 1n : 0n, scale: UNSCALED },
        ]),
        ...LIBVIRT_FAMILIES.map((each) =>
          family(
            each.name,
            each.type,
            each.help,
            domains.flatMap((values) => pointsOf(values, each)),
          ),
        ),
        family('libvirt_domain_vcpu_state', 'gauge', 'State of a vCPU', domains.flatMap(vcpuStates)),
        family(
          'libvirt_domain_memory_stats_used_percent',
          'gauge',
          'Memory that the guest uses, in percent',
          domains.flatMap(usedPercent),
        ),
      ],
      this.#maxSeries,
    );
    return { families, domains: domains.length, dropped: { budget: dropped, name: 0 } };
  }
}

function namesOf({ provider, target }: Schema): readonly string[] | undefined {
  const names = LIBVIRT_FAMILIES.filter((each) => each.provider === provider && each.target === target);
  return names.length === 0 ? undefined : names.map(({ stat }) => stat);
}

function family(name: string, type: NumberType, help: string, points: readonly NumberPoint[]): MetricFamily {
  return { name, type, help, points };
}

function pointsOf(values: DomainValues, { provider, target, stat }: LibvirtFamily): readonly NumberPoint[] {
  const schema = values.schemas.find((each) => each.provider === provider && each.target === target);
  const descriptor = schema?.stats.find(({ name }) => name === stat);
  const scale = descriptor && decimalScaleOf(descriptor);
  if (scale === undefined) return [];
  const samples = samplesOf(values, target).filter((sample) => sample.provider === provider);
  const labelsOf = labelling(values, target);
  return samples.flatMap((sample) => {
    const value = sample.stats.find(({ name }) => name === stat)?.value;
    if (value === undefined || typeof value === 'object') return [];
    const labels = new LabelSet([['domain', values.label], ...labelsOf(sample)]);
    return [{ labels, steps: BigInt(value), scale, collectedAtNs: sample.collectedAtNs }];
  });
}

function samplesOf({ samples }: DomainValues, target: string): readonly Sample[] {
  return samples.filter((sample) => sample.target === target);
}

/** The labels of those exporters: `vcpu`, and `target_device` of disks and NICs. */
function labelling(values: DomainValues, target: string): (sample: Sample) => readonly Label[] {
  const samples = samplesOf(values, target);
  const objects = new ObjectLabels(target, samples);
  const disks = nameDisks(samples.flatMap(({ path }) => (path === undefined ? [] : [{ path, type: undefined }])));
  return (sample) => {
    if (target === 'vm' || target === 'vcpu') return objects.of(sample);
    const name = target === 'block' ? disks.get(sample.path ?? '')?.target : sample.device;
    return [['target_device', name ?? sample.path ?? '']];
  };
}

function vcpuStates(values: DomainValues): readonly NumberPoint[] {
  const labelsOf = labelling(values, 'vcpu');
  return samplesOf(values, 'vcpu').map((sample) => ({
    labels: new LabelSet([['domain', values.label], ...labelsOf(sample)]),
    steps: RUNNING,
    scale: UNSCALED,
  }));
}

function usedPercent(values: DomainValues): readonly NumberPoint[] {
  const number = (name: string): bigint | undefined => {
    const stats = values.samples.flatMap((sample) => (sample.provider === 'balloon' ? sample.stats : []));
    const value = stats.find((stat) => stat.name === name)?.value;
    return typeof value === 'bigint' ? value : undefined;
  };
  const [total, usable] = [number('stat-total-memory'), number('stat-available-memory')];
  if (total === undefined || usable === undefined || total === 0n || usable > total) return [];
  const steps = ((total - usable) * WHOLE_IN_PERCENT_STEPS) / total;
  return [{ labels: new LabelSet([['domain', values.label]]), steps, scale: PERCENT }];
}
