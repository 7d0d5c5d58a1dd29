import {
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE as ACTIVE,
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE as INACTIVE,
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_OTHER as OTHER,
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED as PAUSED,
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_PERSISTENT as PERSISTENT,
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING as RUNNING,
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_SHUTOFF as SHUTOFF,
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_TRANSIENT as TRANSIENT,
} from '../../protocol/libvirt/constants.ts';
import type { DomainFacts } from './facts.ts';
import { stateOf } from './groups/state.ts';

/** By whether it runs at all, by whether its definition stays, by state. */
const FAMILIES = [ACTIVE | INACTIVE, PERSISTENT | TRANSIENT, RUNNING | PAUSED | SHUTOFF | OTHER] as const;

/** All filters. */
export const FILTERS: number = FAMILIES.reduce((all, family) => all | family, 0);

/** By virDomainState; any other is {@link OTHER}. */
const STATES: ReadonlyMap<bigint, number> = new Map([
  [1n, RUNNING],
  [3n, PAUSED],
  [5n, SHUTOFF],
]);

/** True where the flags have a filter that a domain's state decides. */
export function needsState(flags: number): boolean {
  return (flags & FAMILIES[2]) !== 0;
}

/**
 * True where a domain fits: of each family of filters one that is given, or none is. What is seen here runs, and has no
 * definition that stays: libvirt's word for that is transient.
 */
export function isFitting(facts: DomainFacts, flags: number): boolean {
  const has = ACTIVE | TRANSIENT | (STATES.get(stateOf(facts).state) ?? OTHER);
  return FAMILIES.every((family) => (flags & family) === 0 || (flags & family & has) !== 0);
}
