import type { FaceContext, Reader } from '../../src/face/face.ts';
import type { Registry } from '../../src/registry/registry.ts';

/** What a daemon gives to a face whose readers may read all that a registry has; sockets are this user's alone. */
export function faceContext(runtimeDir: string, registry: Registry): FaceContext {
  return {
    runtimeDir,
    sockets: { mode: 0o600 },
    domains: { current: [], subscribe: () => () => undefined },
    log: { info: () => undefined, warn: () => undefined },
    activated: () => undefined,
    isToken: () => false,
    readerFor: () => readerOf(registry),
  };
}

function readerOf(registry: Registry): Reader {
  return {
    domains: async (options) => (await registry.present(options)).map(({ domain }) => domain),
    list: (options) => registry.list(options),
    schemas: (options) => registry.schemas(options),
    query: (filter, options) => registry.query(filter, options),
    readsAllOf: () => true,
  };
}
