import type { RegistryOptions } from './registry/options.ts';
import { Registry } from './registry/registry.ts';
import { openSources } from './source/open.ts';

/**
 * Opens one or several sources by URI and gives the registry through which they are read. Nothing is connected before the
 * first call on it; `close()` it when done.
 * @throws URI_INVALID, URI_UNSUPPORTED
 */
export async function open(uris: string | readonly string[] = 'local:', options?: RegistryOptions): Promise<Registry> {
  return new Registry(await openSources(typeof uris === 'string' ? [uris] : uris), options);
}
