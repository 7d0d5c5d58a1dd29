import type { DomainFacts, Need } from '../facts.ts';
import type { Parameters } from '../parameters.ts';
import { customParameters } from './custom.ts';

/** What `vm.*` is made of. */
export const VM_NEEDS: readonly Need[] = [{ provider: 'kvm', target: 'vm' }];

/** `vm.NAME.(sum|cur|max)`: what KVM counts of the whole VM. */
export function vmParameters(facts: DomainFacts): Parameters {
  return facts.samples('kvm', 'vm').flatMap((sample) => customParameters(facts, sample, 'vm'));
}
