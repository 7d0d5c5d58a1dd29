import { access } from 'node:fs/promises';
import { homedir } from 'node:os';

/** Where the files of the user of this process are. */
export interface UserFolders {
  /** Whether they are the superuser. */
  readonly isRoot: boolean;
  readonly home: string;
  /** For sockets. */
  readonly runtime: string;
}

/** The folders of the user of this process, as `env` says. */
export function userFolders(env: NodeJS.ProcessEnv = process.env): UserFolders {
  const userId = process.getuid?.() ?? 0;
  return { isRoot: userId === 0, home: homedir(), runtime: env['XDG_RUNTIME_DIR'] || `/run/user/${userId}` };
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
