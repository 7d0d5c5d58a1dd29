import { type DomainFacts, type Need, numberIn } from '../facts.ts';
import { type Parameters, uint, uintOrUllong, ullong } from '../parameters.ts';

/** What `iothread.*` is made of. */
export const IOTHREAD_NEEDS: readonly Need[] = [{ provider: 'iothread', target: 'iothread' }];

/** `iothread.count`, and of each I/O thread how it polls; nothing where there are none. */
export function iothreadParameters(facts: DomainFacts): Parameters {
  const threads = facts.samples('iothread', 'iothread');
  if (threads.length === 0) return [];
  return [
    ...uint('iothread.count', BigInt(threads.length)),
    ...threads.flatMap((thread, index) => {
      const prefix = `iothread.${numberOf(thread.path) ?? index + 1}`;
      return [
        ...ullong(`${prefix}.poll-max-ns`, numberIn(thread, 'poll-max-ns')),
        ...['poll-grow', 'poll-shrink', 'poll-weight'].flatMap((name) =>
          uintOrUllong(`${prefix}.${name}`, numberIn(thread, name)),
        ),
      ];
    }),
  ];
}

/** libvirt names its I/O threads `iothreadN`; others are counted. */
function numberOf(path: string | undefined): number | undefined {
  const [, digits] = /\/iothread([1-9]\d{0,8})$/.exec(path ?? '') ?? [];
  return digits === undefined ? undefined : Number(digits);
}
