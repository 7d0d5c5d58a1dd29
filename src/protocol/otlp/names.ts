import type { StatDescriptor } from '../../model/stat.ts';

/** The namespace of all metrics and attributes. */
export const NAMESPACE = 'virtstat';

/** The longest name of an instrument, in characters (OpenTelemetry's Metrics API). */
export const MAX_NAME_LENGTH = 255;

/** Ends of names that say what the unit of the metric says. */
const UNIT_ENDS: ReadonlyMap<string, string> = new Map([
  ['seconds 10^-9', '_ns'],
  ['seconds 10^-6', '_us'],
  ['seconds 10^-3', '_ms'],
  ['seconds', '_seconds'],
  ['bytes', '_bytes'],
]);

/**
 * The name of a metric: `virtstat.kvm.vcpu.halt_wait` for `halt_wait_ns` of target `vcpu` of provider `kvm`. OpenTelemetry's own
 * namespace `system` is for what is measured inside of the system that it is about, and none is there for VMs seen from their host,
 * so the namespace is virtstat's. Letters outside of `[A-Za-z0-9_]` become `_`, and an end that only names the unit is left out,
 * as the guide for names wants: the unit is a field of its own.
 */
export function metricName(provider: string, target: string, stat: StatDescriptor): string {
  const name = [NAMESPACE, provider, target, withoutUnit(stat)].map((part) => part.replaceAll(/\W/g, '_')).join('.');
  return name.slice(0, MAX_NAME_LENGTH);
}

function withoutUnit({ name, unit, base, exponent }: StatDescriptor): string {
  const end = UNIT_ENDS.get(exponent === 0 ? `${unit}` : `${unit} ${base}^${exponent}`);
  return end !== undefined && name.endsWith(end) && name.length > end.length ? name.slice(0, -end.length) : name;
}
