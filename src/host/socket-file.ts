import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Those of the names that are sockets in a folder, in their order. A link to a socket elsewhere is somebody else's. */
export function socketsIn(folder: string, names: readonly string[]): readonly string[] {
  return names.map((name) => join(folder, name)).filter((path) => isSocketIn(folder, path));
}

function isSocketIn(folder: string, path: string): boolean {
  try {
    return statSync(path).isSocket() && realpathSync(path).startsWith(`${realpathSync(folder)}/`);
  } catch {
    return false;
  }
}
