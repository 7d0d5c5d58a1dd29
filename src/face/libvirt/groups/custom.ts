import type { Sample } from '../../../model/sample.ts';
import { KVM_SUFFIXES } from '../../../protocol/libvirt/stats-keys.ts';
import type { DomainFacts } from '../facts.ts';
import { type Parameters, ullong } from '../parameters.ts';

/**
 * Statistics of KVM as libvirt passes them on: `PREFIX.NAME.(sum|cur|max)` by their type, the name as it is, without base,
 * exponent and unit. What is no number or boolean, and what no schema describes, is left out.
 */
export function customParameters(facts: DomainFacts, sample: Sample, prefix: string): Parameters {
  return sample.stats.flatMap(({ name, value }): Parameters => {
    const stat = facts.describe(sample, name);
    const suffix = stat && KVM_SUFFIXES.get(stat.type);
    if (suffix === undefined) return [];
    const field = `${prefix}.${name}.${suffix}`;
    if (typeof value === 'boolean') return [{ field, type: 'boolean', value }];
    if (typeof value !== 'bigint') return [];
    // The kernel's files have numbers where QEMU says true and false.
    return stat?.unit === 'boolean' ? [{ field, type: 'boolean', value: value !== 0n }] : ullong(field, value);
  });
}
