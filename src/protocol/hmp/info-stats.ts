import type { Sample, StatValue } from '../../model/sample.ts';
import { isUnknownCode, type Schema, type StatDescriptor } from '../../model/stat.ts';
import { unitText } from './unit-text.ts';

/**
 * The text of `info stats`, as QEMU prints it (stats/stats-hmp-cmds.c). Each result is
 *
 * ```
 * provider: NAME
 *     NAME (TYPE[, UNIT][, bucket size=N]): VALUE
 * ```
 *
 * | value   | text                                                                           |
 * | ------- | ------------------------------------------------------------------------------ |
 * | number  | decimal, as a signed number of 64 bits                                         |
 * | boolean | `yes` or `no`                                                                  |
 * | list    | `[1]=N [2]=N `: counted from 1, the kernel's last bucket first, a blank at end |
 */
export interface InfoStatsOptions {
  /** Whether a provider was asked for: the line that names it is then left out. */
  readonly providerAsked: boolean;
  /** How lines end; `\n` if absent. */
  readonly lineEnd?: '\n' | '\r\n';
}

/**
 * The text for samples in our order (the kernel's); QEMU's is the reverse, of results and of stats. A stat that QEMU would
 * not report, because its type, unit or base is a code without a name, is left out; what has no schema is said in QEMU's
 * words. Empty where there is nothing to show.
 */
export function formatInfoStats(
  samples: readonly Sample[],
  schemas: readonly Schema[],
  options: InfoStatsOptions,
): string {
  const lineEnd = options.lineEnd ?? '\n';
  return samples
    .toReversed()
    .flatMap((sample) => resultLines(sample, schemas, options.providerAsked))
    .map((line) => line + lineEnd)
    .join('');
}

function resultLines(sample: Sample, schemas: readonly Schema[], providerAsked: boolean): string[] {
  const { provider, target } = sample;
  const schema = schemas.find((candidate) => candidate.provider === provider && candidate.target === target);
  if (schema === undefined) return [`failed to find schema list for ${provider}`];
  const lines = statLines(sample, schema);
  // A result of which nothing is left does not exist in QEMU; one that was empty from the start does.
  if (lines.length === 0 && sample.stats.length > 0) return [];
  return providerAsked ? lines : [`provider: ${provider}`, ...lines];
}

/** QEMU walks the schema only forwards: a stat that stands before its predecessor there is not found. */
function statLines({ stats }: Sample, schema: Schema): string[] {
  const lines: string[] = [];
  const descriptors = schema.stats.toReversed();
  let next = 0;
  for (const { name, value } of stats.toReversed()) {
    const found = descriptors.findIndex((descriptor, index) => index >= next && descriptor.name === name);
    const descriptor = descriptors[found];
    if (descriptor === undefined) return [...lines, `failed to find schema entry for ${name}`];
    next = found + 1;
    if (isReported(descriptor)) lines.push(`    ${describe(descriptor)}: ${valueText(value, descriptor)}`);
  }
  return lines;
}

function isReported({ type, unit, base }: StatDescriptor): boolean {
  return !isUnknownCode(type) && !isUnknownCode(unit) && !isUnknownCode(base);
}

/** What stands before the colon: name, type, unit and, for a linear histogram, the bucket size (as a signed `int`). */
export function describe(stat: StatDescriptor): string {
  const bucketSize = stat.bucketSize === undefined ? '' : `bucket size=${stat.bucketSize | 0}`;
  const details = [stat.type, unitText(stat), bucketSize].filter((text) => text !== '');
  return `${stat.name} (${details.join(', ')})`;
}

/** A list of one is a number, and a boolean is what the kernel's first element says. */
function valueText(value: StatValue, { unit }: StatDescriptor): string {
  const first = typeof value === 'object' ? value[0] : value;
  if (typeof first === 'boolean' || unit === 'boolean') return first ? 'yes' : 'no';
  if (typeof value === 'object' && value.length !== 1) return listText(value);
  return signed(first ?? 0n);
}

function listText(values: readonly bigint[]): string {
  return values
    .toReversed()
    .map((value, index) => `[${index + 1}]=${signed(value)} `)
    .join('');
}

function signed(value: bigint): string {
  return BigInt.asIntN(64, value).toString();
}
