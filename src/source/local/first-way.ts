import type { OfferedProvider } from '../../model/provider.ts';

/** A provider by the first way that has anything to tell of a target; what it then says of itself is that way's word. */
export function firstWay(first: OfferedProvider, second: OfferedProvider): OfferedProvider {
  return {
    name: first.name,
    targets: first.targets,
    schemas: async (...asked) => orElse(await first.schemas(...asked), () => second.schemas(...asked)),
    stats: async (...asked) => orElse(await first.stats(...asked), () => second.stats(...asked)),
    availability: async (...asked) => {
      const offers = await first.availability(...asked);
      if (offers.some(({ available }) => available)) return offers;
      const others = await second.availability(...asked);
      return others.some(({ available }) => available) ? others : offers;
    },
  };
}

function orElse<T>(items: readonly T[], otherwise: () => Promise<readonly T[]>): Promise<readonly T[]> | readonly T[] {
  return items.length > 0 ? items : otherwise();
}
