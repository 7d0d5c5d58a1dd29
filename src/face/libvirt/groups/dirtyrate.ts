import type { DomainFacts, Need } from '../facts.ts';
import { int, llong, type Parameters } from '../parameters.ts';

/** What `dirtyrate.*` is made of. */
export const DIRTYRATE_NEEDS: readonly Need[] = [
  { provider: 'state', target: 'vm', names: ['dirty_rate', 'dirty_rate_start_time', 'dirty_rate_calc_time'] },
];

/** VIR_DOMAIN_DIRTYRATE_MEASURED */
const MEASURED = 2n;

/** `dirtyrate.*` where somebody has measured it; nothing where nobody did. */
export function dirtyrateParameters(facts: DomainFacts): Parameters {
  const rate = facts.number('state', 'dirty_rate');
  if (rate === undefined) return [];
  return [
    ...int('dirtyrate.calc_status', MEASURED),
    ...llong('dirtyrate.calc_start_time', facts.number('state', 'dirty_rate_start_time')),
    ...int('dirtyrate.calc_period', facts.number('state', 'dirty_rate_calc_time')),
    ...llong('dirtyrate.megabytes_per_second', rate),
  ];
}
