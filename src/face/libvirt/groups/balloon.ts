import { GUEST_MEMORY_KEYS } from '../../../protocol/libvirt/stats-keys.ts';
import type { DomainFacts, Need } from '../facts.ts';
import { type Parameters, ullong } from '../parameters.ts';

const KIB = 1024n;

/** What `balloon.*` is made of: of the balloon all but how often the guest is asked, which would be a question of its own. */
export const BALLOON_NEEDS: readonly Need[] = [
  { provider: 'balloon', target: 'vm', names: ['balloon-size', ...GUEST_MEMORY_KEYS.map(([, name]) => name)] },
  { provider: 'state', target: 'vm', names: ['memory_current', 'memory_maximum'] },
  { provider: 'process', target: 'vm' },
];

/** `balloon.*`: KiB, counts, and `last-update` in seconds since 1970. */
export function balloonParameters(facts: DomainFacts): Parameters {
  return [
    ...ullong('balloon.current', memoryKib(facts)),
    ...ullong('balloon.maximum', maxMemoryKib(facts)),
    ...GUEST_MEMORY_KEYS.flatMap(([key, name, isBytes]) => {
      const value = facts.number('balloon', name);
      return ullong(`balloon.${key}`, isBytes ? kib(value) : value);
    }),
    ...ullong('balloon.rss', rssKib(facts)),
  ];
}

/** What the guest has now. */
export function memoryKib(facts: DomainFacts): bigint | undefined {
  return kib(facts.number('balloon', 'balloon-size') ?? facts.number('state', 'memory_current'));
}

/** What it may have. */
export function maxMemoryKib(facts: DomainFacts): bigint | undefined {
  return kib(facts.number('state', 'memory_maximum') ?? facts.number('state', 'memory_current'));
}

/** What of it is in the host's memory. */
export function rssKib(facts: DomainFacts): bigint | undefined {
  return facts.numberIn('process', 'rss', 2, 10);
}

function kib(bytes: bigint | undefined): bigint | undefined {
  return bytes === undefined ? undefined : bytes / KIB;
}
