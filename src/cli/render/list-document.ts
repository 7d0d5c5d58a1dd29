import type { Availability, Domain } from '../../model/domain.ts';
import type { VirtstatError } from '../../model/errors.ts';
import type { ListAnswer } from '../../registry/answer.ts';

/**
 * The JSON of `list`: an element for each domain with what is known of it, and one for each domain that failed, beside it
 * where it failed only in part.
 */
export function listDocument(answers: readonly ListAnswer[]): unknown[] {
  return answers.flatMap(({ domain, items, errors }) => [
    ...(items.length > 0 || errors.length === 0 ? [domainElement(domain, items)] : []),
    ...errors.map((error) => errorElement(domain, error)),
  ]);
}

/** The element of a domain that failed. */
export function errorElement({ name }: Domain, { code, message }: VirtstatError): unknown {
  return { domain: name, error: { code, message } };
}

/** What could not be found out is left out: `JSON.stringify` drops what is undefined. */
function domainElement({ name, uuid, state, vcpus, source, pid }: Domain, items: readonly Availability[]): unknown {
  const providers = items.map(({ provider, target, via, available, reason }) => ({
    provider,
    target,
    via,
    available,
    reason,
  }));
  return { name, uuid, state, vcpus, source, pid, providers };
}
