import type { Domain } from '../../model/domain.ts';
import type { Sample } from '../../model/sample.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import type { Disk } from './disks.ts';

/** Samples that a group is made of. */
export interface Need {
  /** Absent: every provider of the target. */
  readonly provider?: string | undefined;
  readonly target: string;
  /** Absent: all statistics. */
  readonly names?: readonly string[] | undefined;
}

/** What is known of one domain, as far as the caller may read it. */
export class DomainFacts {
  readonly domain: Domain;
  /** By the paths of their samples. */
  readonly disks: ReadonlyMap<string, Disk>;
  /** All that they were made of beside the domain: the same objects make the same facts. Empty where that is not known. */
  readonly parts: readonly unknown[];
  readonly #samples: readonly Sample[];
  /** Targets that could not be asked about, as `PROVIDER TARGET`. */
  readonly #failed: ReadonlySet<string>;
  readonly #describe: (provider: string, target: string, name: string) => StatDescriptor | undefined;

  constructor(
    domain: Domain,
    samples: readonly Sample[],
    disks: ReadonlyMap<string, Disk> = new Map(),
    describe: (provider: string, target: string, name: string) => StatDescriptor | undefined = () => undefined,
    failed: ReadonlySet<string> = new Set(),
    parts: readonly unknown[] = [],
  ) {
    this.domain = domain;
    this.disks = disks;
    this.parts = parts;
    this.#samples = samples;
    this.#failed = failed;
    this.#describe = describe;
  }

  /** Everything there is, in the order in which it was asked for. */
  get all(): readonly Sample[] {
    return this.#samples;
  }

  /** The objects of a target as one provider measures them, in its order. */
  samples(provider: string, target: string): readonly Sample[] {
    return this.#samples.filter((sample) => sample.provider === provider && sample.target === target);
  }

  /** How many objects of a target there are; undefined where that could not be asked. */
  count(provider: string, target: string): bigint | undefined {
    const { length } = this.samples(provider, target);
    return length === 0 && this.#failed.has(keyOf(provider, target)) ? undefined : BigInt(length);
  }

  /** What a statistic is; undefined where no schema says so. */
  describe({ provider, target }: Pick<Sample, 'provider' | 'target'>, name: string): StatDescriptor | undefined {
    return this.#describe(provider, target, name);
  }

  /** A number of the whole VM; undefined where it cannot be had. */
  number(provider: string, name: string): bigint | undefined {
    for (const sample of this.samples(provider, 'vm')) {
      const value = numberIn(sample, name);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** Like {@link number}, in steps of base^exponent of its unit. */
  numberIn(provider: string, name: string, base: number, exponent: number): bigint | undefined {
    const [sample] = this.samples(provider, 'vm');
    return sample && this.scaled(sample, name, base, exponent);
  }

  /** A number of a sample, in steps of base^exponent of its unit; undefined where no schema says what its steps are. */
  scaled(sample: Sample, name: string, base: number, exponent: number): bigint | undefined {
    const value = numberIn(sample, name);
    const stat = this.describe(sample, name);
    if (value === undefined || stat === undefined || Math.abs(stat.exponent) > MAX_EXPONENT) return undefined;
    if (stat.exponent !== 0 && typeof stat.base !== 'number') return undefined;
    const [has, wants] = [ratio(Number(stat.base ?? 1), stat.exponent), ratio(base, exponent)];
    return (value * has.up * wants.down) / (has.down * wants.up);
  }
}

/** One word for what a provider measures of a target. */
export function keyOf(provider: string, target: string): string {
  return `${provider} ${target}`;
}

/** No statistic of ours counts in smaller or larger steps. */
const MAX_EXPONENT = 30;

/** base^exponent as a fraction. */
function ratio(base: number, exponent: number): { readonly up: bigint; readonly down: bigint } {
  const power = BigInt(base) ** BigInt(Math.abs(exponent));
  return exponent < 0 ? { up: 1n, down: power } : { up: power, down: 1n };
}

/** A number of a sample by its name. */
export function numberIn({ stats }: Pick<Sample, 'stats'>, name: string): bigint | undefined {
  const value = stats.find((stat) => stat.name === name)?.value;
  return typeof value === 'bigint' ? value : undefined;
}
