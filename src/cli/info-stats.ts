import { VirtstatError } from '../model/errors.ts';
import type { StatsFilter } from '../model/filter.ts';
import { OWN_PROVIDERS } from '../model/own-providers.ts';
import type { Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import { INVALID_CPU_INDEX, QEMU_WORDS } from '../protocol/hmp/command-line.ts';
import { formatInfoStats } from '../protocol/hmp/info-stats.ts';

/** The target of which QEMU's monitor shows one object at a time. */
const ONE_AT_A_TIME = 'vcpu';

/** What the text shows besides the samples themselves. */
export interface InfoStatsView {
  readonly filter: StatsFilter;
  readonly schemas: readonly Schema[];
  /** Whether a provider was asked for. */
  readonly providerAsked: boolean;
  /** Which vCPU, counted from 0 in ascending order. */
  readonly cpu: number;
}

/**
 * The text of `info stats` for the samples of one domain: of the vCPUs only the chosen one, and of a target of QEMU's own,
 * unless a provider was asked for, what QEMU itself would show.
 * @throws USAGE for a vCPU that is not there
 */
export function infoStatsText(all: readonly Sample[], view: InfoStatsView): string {
  const isOurs = view.providerAsked || !QEMU_WORDS.targets.includes(view.filter.target);
  const samples = isOurs ? all : all.filter(({ provider }) => QEMU_WORDS.providers.includes(provider));
  const shown = view.filter.target === ONE_AT_A_TIME ? samplesOfCpu(samples, view.cpu) : samples;
  return formatInfoStats(shown, view.schemas, { providerAsked: view.providerAsked });
}

/**
 * The providers that are asked where none is named: of a target that QEMU has only QEMU's, so that the text is QEMU's, of a
 * target of ours all.
 */
export function providersAsked(target: string, schemas: readonly Schema[]): readonly string[] {
  const providers = schemas.filter((schema) => schema.target === target).map(({ provider }) => provider);
  const isQemus = QEMU_WORDS.targets.includes(target);
  return [...new Set(providers)].filter((provider) => !isQemus || !OWN_PROVIDERS.has(provider));
}

/** The paths of the vCPUs in ascending order, as the samples of any provider show them. */
export function cpuPaths(samples: readonly Sample[]): readonly string[] {
  return [...new Set(samples.flatMap(({ path }) => path ?? []))];
}

function samplesOfCpu(samples: readonly Sample[], cpu: number): readonly Sample[] {
  const paths = cpuPaths(samples);
  const path = paths[cpu];
  if (path === undefined && paths.length > 0) throw new VirtstatError('USAGE', INVALID_CPU_INDEX);
  return samples.filter((sample) => sample.path === path);
}
