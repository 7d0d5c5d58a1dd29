import { access, constants } from 'node:fs/promises';
import { homedir } from 'node:os';

/** Where the files of the user of this process are. */
export interface UserFolders {
  /** Whether they are the superuser. */
  readonly isRoot: boolean;
  readonly home: string;
  /** For sockets. */
  readonly runtime: string;
  /** For what the user chose. */
  readonly config: string;
}

/** The folders of the user of this process, as `env` says. */
export function userFolders(env: NodeJS.ProcessEnv = process.env): UserFolders {
  const userId = process.getuid?.() ?? 0;
  const home = homedir();
  return {
    isRoot: userId === 0,
    home,
    runtime: env['XDG_RUNTIME_DIR'] || `/run/user/${userId}`,
    config: env['XDG_CONFIG_HOME'] || `${home}/.config`,
  };
}

/** Whether there is a file that this user may see. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether there is a file that this user may read. */
export async function isReadable(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
