import { VIR_ERR_NO_DOMAIN } from '../../protocol/libvirt/constants.ts';
import { LibvirtError } from '../../protocol/libvirt/error.ts';
import type { LibvirtCallOptions, LibvirtDomain, StatsConnection } from '../../protocol/libvirt/stats-connection.ts';

const MAX_ID = 2 ** 31 - 1;

/**
 * The domain that a person means, by virsh's rules: a number is first an id, a uuid with its dashes is first a uuid, and
 * everything may be a name. Undefined where there is none.
 * @throws what a lookup raises, but for a domain that is not there
 */
export async function findDomain(
  connection: StatsConnection,
  word: string,
  options: LibvirtCallOptions = {},
): Promise<LibvirtDomain | undefined> {
  const id = /^\d{1,10}$/.test(word) ? Number(word) : Number.NaN;
  const byId = id <= MAX_ID ? await orUndefined(connection.lookupByID(id, options)) : undefined;
  if (byId !== undefined) return byId;
  const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(word);
  const byUuid = isUuid ? await orUndefined(connection.lookupByUUIDString(word, options)) : undefined;
  return byUuid ?? (await orUndefined(connection.lookupByName(word, options)));
}

async function orUndefined(lookup: Promise<LibvirtDomain>): Promise<LibvirtDomain | undefined> {
  try {
    return await lookup;
  } catch (error) {
    if (error instanceof LibvirtError && error.errorCode === VIR_ERR_NO_DOMAIN) return undefined;
    throw error;
  }
}
