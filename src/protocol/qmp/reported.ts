import type { StatEntry } from '../../model/sample.ts';
import { isUnknownCode, type Schema, type StatDescriptor } from '../../model/stat.ts';

/**
 * What QEMU reports of what the kernel's file has (accel/kvm/kvm-all.c). Statistics that came from QEMU itself stay as they
 * are.
 *
 * | in the file                             | in `query-stats-schemas` | in `query-stats`         |
 * | --------------------------------------- | ------------------------ | ------------------------ |
 * | a type or unit that has no name         | left out                 | left out                 |
 * | a base that has no name, exponent not 0 | left out                 | left out                 |
 * | the same, exponent 0                    | there, without a base    | left out                 |
 * | several booleans                        | there                    | the first of them        |
 */
export function reportedSchema(schema: Schema): Schema {
  const isReported = ({ type, unit, base, exponent }: StatDescriptor): boolean =>
    !isUnknownCode(type) && !isUnknownCode(unit) && (exponent === 0 || !isUnknownCode(base));
  const stats = schema.stats.filter(isReported).map((stat): StatDescriptor => {
    if (stat.exponent !== 0) return stat;
    const { base: _, ...others } = stat;
    return others;
  });
  return { ...schema, stats };
}

/** The values that QEMU would report, by what describes them; a value that nothing describes is reported. */
export function reportedEntries(
  entries: readonly StatEntry[],
  descriptors: ReadonlyMap<string, StatDescriptor>,
): readonly StatEntry[] {
  return entries.flatMap((entry): StatEntry[] => {
    const descriptor = descriptors.get(entry.name);
    if (descriptor === undefined) return [entry];
    const { type, unit, base } = descriptor;
    if (isUnknownCode(type) || isUnknownCode(unit) || isUnknownCode(base)) return [];
    const isSeveral = unit === 'boolean' && typeof entry.value === 'object';
    return [isSeveral ? { name: entry.name, value: (entry.value as readonly bigint[])[0] !== 0n } : entry];
  });
}
