import { OWN_PROVIDERS } from '../model/own-providers.ts';
import type { Schema, StatDescriptor } from '../model/stat.ts';
import { CURATED_STATS, type Shown } from './curated-stats.ts';

/** Which stats are shown, and how: a question to their schema. */
export interface Profile {
  readonly name: string;
  /** Undefined: not at all. */
  shows(schema: Pick<Schema, 'provider' | 'target'>, stat: StatDescriptor): Shown | undefined;
}

/** Everything that is measured, of every object. */
export const FULL: Profile = { name: 'full', shows: () => 'each' };

/**
 * About 70 series for each VM. Of providers that are not virtstat's own nothing is known but the schema, and that decides: what counts
 * up is shown, summed over the objects of a domain, and what does not, or is a histogram, is left out. So a counter that a later
 * kernel adds is there by itself. Of virtstat's own providers a list decides.
 */
export const CURATED: Profile = {
  name: 'curated',
  shows: ({ provider, target }, { name, type }) => {
    if (!OWN_PROVIDERS.has(provider)) return type === 'cumulative' ? 'sum' : undefined;
    return CURATED_STATS.get(`${provider}/${target}`)?.get(name);
  },
};
