import { NET_KEYS } from '../../../protocol/libvirt/stats-keys.ts';
import { type DomainFacts, type Need, numberIn } from '../facts.ts';
import { type Parameters, text, uint, ullong } from '../parameters.ts';

/** What `net.*` is made of. */
export const NET_NEEDS: readonly Need[] = [{ provider: 'interface', target: 'interface' }];

/** `net.count`, and of each NIC that has a device on the host its name and counters, as the guest sees them. */
export function netParameters(facts: DomainFacts): Parameters {
  const nics = facts.samples('interface', 'interface');
  return [
    ...uint('net.count', BigInt(nics.length)),
    ...nics.flatMap((nic, index) => [
      ...text(`net.${index}.name`, nic.device),
      ...NET_KEYS.flatMap(([key, name]) => ullong(`net.${index}.${key}`, numberIn(nic, name))),
    ]),
  ];
}
