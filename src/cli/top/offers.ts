import type { StatsFilter } from '../../model/filter.ts';
import type { StatDescriptor } from '../../model/stat.ts';
import type { SchemaAnswer } from '../../registry/answer.ts';

/** A stat and who measures it about what. */
export interface Offer {
  readonly target: string;
  readonly provider: string;
  readonly stat: StatDescriptor;
}

/** Where a stat is looked for: what is absent may be anything. */
export interface OfferWanted {
  readonly target?: string;
  readonly provider?: string;
  readonly name: string;
}

/** Those of several targets that come first: a whole VM, then its vCPUs. */
const FIRST_TARGETS: readonly string[] = ['vm', 'vcpu'];

/** Every stat that any domain was ever seen to have. */
export class Offers {
  readonly #byKey = new Map<string, Offer>();

  /** Takes up the schemas of an answer. */
  add(answers: readonly SchemaAnswer[]): void {
    for (const { target, provider, stats } of answers.flatMap(({ items }) => items)) {
      for (const stat of stats) this.#byKey.set(`${target}\n${provider}\n${stat.name}`, { target, provider, stat });
    }
  }

  /** The targets that there are, the first ones first. */
  get targets(): readonly string[] {
    return [...new Set([...this.#byKey.values()].map(({ target }) => target))].sort(byTarget);
  }

  /** All names. */
  get names(): readonly string[] {
    return [...new Set([...this.#byKey.values()].map(({ stat }) => stat.name))];
  }

  /** Where a stat can be had, the first targets first. */
  find({ target, provider, name }: OfferWanted): readonly Offer[] {
    if (target !== undefined && provider !== undefined) {
      const offer = this.#byKey.get(`${target}\n${provider}\n${name}`);
      return offer === undefined ? [] : [offer];
    }
    const fitting = [...this.#byKey.values()].filter(
      (offer) => offer.stat.name === name && isFitting(offer.target, target) && isFitting(offer.provider, provider),
    );
    return fitting.sort((a, b) => byTarget(a.target, b.target));
  }
}

/** One filter for each target that has any of the stats. What nobody offers is asked for nowhere. */
export function filtersFor(wanted: readonly OfferWanted[], offers: Offers): readonly StatsFilter[] {
  const targets = new Map<string, Map<string, Set<string>>>();
  for (const { target, provider, stat } of wanted.flatMap((each) => offers.find(each))) {
    let providers = targets.get(target);
    if (providers === undefined) targets.set(target, (providers = new Map()));
    providers.set(provider, (providers.get(provider) ?? new Set()).add(stat.name));
  }
  return [...targets].map(([target, providers]) => ({
    target,
    providers: [...providers].map(([provider, names]) => ({ provider, names: [...names] })),
  }));
}

/** The order of targets: `vm`, `vcpu`, then the others by name. */
export function byTarget(a: string, b: string): number {
  const rank = (target: string): number => FIRST_TARGETS.indexOf(target) + 1 || FIRST_TARGETS.length + 1;
  return rank(a) - rank(b) || (a < b ? -1 : Number(a > b));
}

function isFitting(word: string, wanted: string | undefined): boolean {
  return wanted === undefined || word === wanted;
}
