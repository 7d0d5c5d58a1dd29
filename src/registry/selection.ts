import { VirtstatError } from '../model/errors.ts';
import type { ProviderFilter, StatsFilter } from '../model/filter.ts';
import type { Schema } from '../model/stat.ts';
import { checkWord, doubtOf, selectSchemas } from './check.ts';

/**
 * Stats of any target, as a person names them: `[PROVIDER:][TARGET/]NAME`, where NAME may be `*`. A name alone means every
 * target that has it: `halt_poll_fail_ns`, `vcpu/exits`, `kvm:vcpu/*`, `block:*`, `*`.
 */
export interface StatWord {
  readonly text: string;
  readonly provider?: string;
  readonly target?: string;
  /** Absent: all. */
  readonly name?: string;
}

/** What words select of schemas. */
export interface Selection {
  /** One for each target. */
  readonly filters: readonly StatsFilter[];
  /** Why the others select nothing: UNKNOWN_TARGET, UNKNOWN_PROVIDER, UNKNOWN_STAT. */
  readonly unknown: readonly VirtstatError[];
}

const ALL = '*';

/** The parts of a word. @throws USAGE where it has no name */
export function parseStatWord(text: string): StatWord {
  const [, provider, target, name = ''] = /^(?:([^:/]+):)?(?:([^:/]+)\/)?([^:/]+)$/.exec(text) ?? [];
  if (name === '') {
    const right = 'write NAME, TARGET/NAME or PROVIDER:TARGET/NAME, with * for all names';
    throw new VirtstatError('USAGE', `${JSON.stringify(text)} names no stat; ${right}`);
  }
  return {
    text,
    ...(provider !== undefined && { provider }),
    ...(target !== undefined && { target }),
    ...(name !== ALL && { name }),
  };
}

/**
 * What the words select: the filters to ask with, and what no schema knows. `unseen` is why there may be more schemas than these:
 * what is said of a stat that none of them has, says it too.
 */
export function selectStats(words: readonly StatWord[], schemas: readonly Schema[], unseen?: VirtstatError): Selection {
  const unknown: VirtstatError[] = [];
  const chosen = new Map<string, Map<string, Set<string> | typeof ALL>>();
  for (const word of words) {
    try {
      for (const { provider, target } of schemasOf(word, schemas, unseen)) {
        const providers = chosen.get(target) ?? new Map<string, Set<string> | typeof ALL>();
        chosen.set(target, providers);
        const names = providers.get(provider) ?? new Set<string>();
        if (word.name === undefined || names === ALL) providers.set(provider, ALL);
        else providers.set(provider, names.add(word.name));
      }
    } catch (error) {
      unknown.push(VirtstatError.from(error, 'INTERNAL', `${word.text} could not be looked up`));
    }
  }
  // What everything is wanted of may measure more tomorrow.
  const wholeTargets = words.filter(({ provider, name }) => provider === undefined && name === undefined);
  const isWhole = (target: string): boolean => wholeTargets.some((word) => (word.target ?? target) === target);
  const filters = [...chosen].map(([target, providers]): StatsFilter => {
    return isWhole(target) ? { target } : { target, providers: [...providers].map(providerFilter) };
  });
  return { filters, unknown };
}

/** @throws UNKNOWN_TARGET, UNKNOWN_PROVIDER, UNKNOWN_STAT with the nearest right ones */
function schemasOf(
  { target, provider, name }: StatWord,
  schemas: readonly Schema[],
  unseen: VirtstatError | undefined,
): readonly Schema[] {
  const asked = selectSchemas(schemas, { ...(target !== undefined && { target }), ...(provider && { provider }) });
  if (name === undefined) return asked;
  const kind = target === undefined ? 'stat' : `stat of target ${target}`;
  const known = asked.flatMap(({ stats }) => stats.map((stat) => stat.name));
  checkWord('UNKNOWN_STAT', kind, name, known, { doubt: doubtOf(unseen) });
  return asked.filter(({ stats }) => stats.some((stat) => stat.name === name));
}

function providerFilter([provider, names]: readonly [string, Set<string> | typeof ALL]): ProviderFilter {
  return names === ALL ? { provider } : { provider, names: [...names] };
}
