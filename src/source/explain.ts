import type { Availability, Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { CallOptions, OfferedProvider } from '../model/provider.ts';

/**
 * What a provider says of itself; one that cannot find out says why, so that it costs the others of its domain nothing.
 * @throws DOMAIN_GONE, CANCELLED
 */
export async function explained(
  provider: OfferedProvider,
  via: string,
  domain: Domain,
  options: CallOptions,
): Promise<readonly Availability[]> {
  const { name, targets } = provider;
  try {
    return await provider.availability(domain, options);
  } catch (error) {
    const { code, message } = VirtstatError.from(error, 'PROVIDER_FAILED', `provider ${name} failed`);
    if (code === 'DOMAIN_GONE' || code === 'CANCELLED') throw error;
    return targets.map((target) => ({ provider: name, target, via, available: false, reason: message }));
  }
}
