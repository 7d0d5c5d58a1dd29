import { OwnedFd } from './owned-fd.ts';
import { hasExited, pidfdGetfd, pidfdOpen } from './syscalls.ts';

/** Another process, held by a pidfd: it never means a later process of the same pid. */
export class ProcessHandle implements Disposable {
  readonly pid: number;
  readonly #pidfd: OwnedFd;

  /** @throws DOMAIN_GONE where there is no such process, PLATFORM_UNSUPPORTED */
  constructor(pid: number) {
    this.pid = pid;
    this.#pidfd = new OwnedFd(pidfdOpen(pid));
  }

  /** Number of the pidfd; -1 once it is closed. */
  get pidfd(): number {
    return this.#pidfd.fd;
  }

  /** False once the process has exited, and after {@link close}. */
  isAlive(): boolean {
    return this.pidfd >= 0 && !hasExited(this.pidfd);
  }

  /**
   * A duplicate of one of its descriptors; undefined where it has none of this number.
   * @throws ACCESS_DENIED without the right to trace it, DOMAIN_GONE
   */
  take(targetFd: number): OwnedFd | undefined {
    const fd = pidfdGetfd(this.pidfd, targetFd);
    return fd === undefined ? undefined : new OwnedFd(fd);
  }

  close(): void {
    this.#pidfd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
