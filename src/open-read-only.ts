import { connectRegistry, type RegistryConnectionOptions } from './face/libvirt/registry-link.ts';
import type { StatsConnection } from './protocol/libvirt/stats-connection.ts';
import { Registry } from './registry/registry.ts';
import { LibvirtConnection, type LibvirtConnectionOptions } from './source/libvirt/connection.ts';
import { isLibvirtUri } from './source/libvirt/uri.ts';
import { openSources } from './source/open.ts';

/** Choices of {@link openReadOnly}. */
export interface OpenReadOnlyOptions
  extends LibvirtConnectionOptions,
    Pick<RegistryConnectionOptions, 'maxAgeMs' | 'onError'> {
  /** Of virtstat's own sources: how long one domain may take to answer, in milliseconds; 3000 if absent. */
  readonly deadlineMs?: number;
  /** Ends the wait for a libvirt daemon. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a connection for libvirt's statistics by its URI:
 *
 * | URI                                                          | who answers                              |
 * | ------------------------------------------------------------ | ---------------------------------------- |
 * | one of libvirt's: `qemu:///system`, `qemu+ssh://HOST/system` | that libvirt daemon                      |
 * | any other, or several: `local:`, `qmp+unix:PATH`             | virtstat itself, from these sources      |
 * | `virtstat+unix:PATH`, `virtstat+tls://HOST:PORT`             | the virtstatd there, by way of the same  |
 *
 * A libvirt daemon is connected to at once, anything else with the first call.
 * @throws URI_INVALID, URI_UNSUPPORTED; for a libvirt daemon what {@link LibvirtConnection.open} raises
 */
export async function openReadOnly(
  uris: string | readonly string[] = 'local:',
  options: OpenReadOnlyOptions = {},
): Promise<StatsConnection> {
  const list = typeof uris === 'string' ? [uris] : uris;
  const [uri = ''] = list;
  if (list.length === 1 && isLibvirtUri(uri)) return LibvirtConnection.open(uri, options);
  const { deadlineMs, ...others } = options;
  const registry = new Registry(await openSources(list), deadlineMs === undefined ? {} : { deadlineMs });
  return connectRegistry(registry, { ...others, uri: list.join(' '), onClose: () => registry.close() });
}
