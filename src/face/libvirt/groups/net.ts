import { type DomainFacts, type Need, numberIn } from '../facts.ts';
import { type Parameters, text, uint, ullong } from '../parameters.ts';

/** What `net.*` is made of. */
export const NET_NEEDS: readonly Need[] = [{ provider: 'interface', target: 'interface' }];

const COUNTERS: readonly (readonly [key: string, name: string])[] = ['rx', 'tx'].flatMap((direction) => [
  [`${direction}.bytes`, `${direction}_bytes`] as const,
  [`${direction}.pkts`, `${direction}_packets`] as const,
  [`${direction}.errs`, `${direction}_errors`] as const,
  [`${direction}.drop`, `${direction}_dropped`] as const,
]);

/** `net.count`, and of each NIC that has a device on the host its name and counters, as the guest sees them. */
export function netParameters(facts: DomainFacts): Parameters {
  const nics = facts.samples('interface', 'interface');
  // Of a VM whose process is not known, nobody can tell.
  const isKnown = nics.length > 0 || facts.domain.pid !== undefined;
  return [
    ...uint('net.count', isKnown ? facts.count('interface', 'interface') : undefined),
    ...nics.flatMap((nic, index) => [
      ...text(`net.${index}.name`, nic.device),
      ...COUNTERS.flatMap(([key, name]) => ullong(`net.${index}.${key}`, numberIn(nic, name))),
    ]),
  ];
}
