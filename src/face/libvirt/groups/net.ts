import type { Sample } from '../../../model/sample.ts';
import { NET_KEYS } from '../../../protocol/libvirt/stats-keys.ts';
import { type DomainFacts, type Need, numberIn } from '../facts.ts';
import { type Parameters, text, uint, ullong } from '../parameters.ts';

/** What `net.*` is made of. */
export const NET_NEEDS: readonly Need[] = [{ provider: 'interface', target: 'interface' }];

/**
 * `net.count`, and of each NIC that has a device on the host its name and counters, as the guest sees them. libvirt counts all
 * NICs of its definition: where it made them, their own names tell the numbers, and those without a device are counted up to the
 * last one with.
 */
export function netParameters(facts: DomainFacts): Parameters {
  const nics = facts.samples('interface', 'interface');
  // Of a VM whose process is not known, nobody can tell.
  const isKnown = nics.length > 0 || facts.domain.pid !== undefined;
  const numbers = numbersOf(nics);
  const count = nics.length === 0 ? facts.count('interface', 'interface') : BigInt(Math.max(...numbers) + 1);
  return [
    ...uint('net.count', isKnown ? count : undefined),
    ...nics.flatMap((nic, index) => {
      const prefix = `net.${numbers[index]}`;
      return [
        ...text(`${prefix}.name`, nic.device),
        ...NET_KEYS.flatMap(([key, name]) => ullong(`${prefix}.${key}`, numberIn(nic, name))),
      ];
    }),
  ];
}

/** Those in libvirt's names for NICs, `net0`; where any has another name, or two the same number, all are counted. */
function numbersOf(nics: readonly Sample[]): readonly number[] {
  const named = nics.flatMap(({ path = '' }) => {
    const [, digits] = /^\/machine\/peripheral\/net(\d{1,4})(?:\/|$)/.exec(path) ?? [];
    return digits === undefined ? [] : Number(digits);
  });
  const areAll = new Set(named).size === nics.length;
  return areAll ? named : nics.map((_, index) => index);
}
