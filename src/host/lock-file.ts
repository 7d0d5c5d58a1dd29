import { constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { VirtstatError } from '../model/errors.ts';
import { OwnedFd } from './owned-fd.ts';
import { lockFile } from './syscalls.ts';

/**
 * Makes a file where it is missing, and locks it until what is returned is closed or the process ends, however it ends. It is not
 * reached through a link, which somebody else may have put there. `heldBy` makes the message where a process holds it, which is
 * given as its number, or as `unknown`. Throws the system's error where the file cannot be made.
 * @throws ADDRESS_IN_USE where another process has it locked
 */
export function holdLock(path: string, heldBy: (holder: string) => string): Disposable {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  const lock = new OwnedFd(openSync(path, flags, 0o644));
  if (lockFile(lock.fd)) {
    ftruncateSync(lock.fd);
    writeSync(lock.fd, `${process.pid}\n`);
    return { [Symbol.dispose]: () => lock.close() };
  }
  const holder = readFileSync(lock.fd, 'utf8').trim();
  lock.close();
  throw new VirtstatError('ADDRESS_IN_USE', heldBy(holder || 'unknown'));
}
