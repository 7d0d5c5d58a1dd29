import type { DomainFacts, Need } from '../facts.ts';
import { int, type Parameters } from '../parameters.ts';

/** What `state.*` is made of. */
export const STATE_NEEDS: readonly Need[] = [{ provider: 'state', target: 'vm', names: ['state', 'reason'] }];

/** `state.state`, `state.reason`: always; 0, no state, where nobody could be asked. */
export function stateParameters(facts: DomainFacts): Parameters {
  const { state, reason } = stateOf(facts);
  return [...int('state.state', state), ...int('state.reason', reason)];
}

/** virDomainState and its reason. */
export function stateOf(facts: DomainFacts): { readonly state: bigint; readonly reason: bigint } {
  const [state, reason] = [facts.number('state', 'state'), facts.number('state', 'reason')];
  return state === undefined ? { state: 0n, reason: 0n } : { state, reason: reason ?? 0n };
}
