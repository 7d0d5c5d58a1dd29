import type { GuestMemory } from '../../model/guest-memory.ts';
import type { DomainAnswer } from '../../registry/answer.ts';
import { integer } from './json.ts';
import { errorElement } from './list-document.ts';

/** The JSON of `guest-memory`: an element for each domain, and one for each that could not be asked. */
export function guestMemoryDocument(answers: readonly DomainAnswer<GuestMemory>[]): unknown[] {
  return answers.flatMap(({ domain, items, errors }) => [
    ...items.map((memory) => element(domain.name, memory)),
    ...errors.map((error) => errorElement(domain, error)),
  ]);
}

function element(domain: string, memory: GuestMemory): unknown {
  const { status, reason, balloonSizeBytes, pollingIntervalSeconds, lastUpdateSeconds, stats } = memory;
  return {
    domain,
    status,
    ...(reason !== undefined && { reason }),
    ...(balloonSizeBytes !== undefined && { 'balloon-size': integer(balloonSizeBytes) }),
    ...(pollingIntervalSeconds !== undefined && { 'polling-interval': integer(pollingIntervalSeconds) }),
    'last-update': integer(lastUpdateSeconds),
    stats: stats.map(({ name, value }) => ({ name, value: typeof value === 'bigint' ? integer(value) : value })),
  };
}
