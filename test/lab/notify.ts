import { closeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import koffi from 'koffi';
import { openDatagramSocket } from '../../src/host/syscalls.ts';

const AF_UNIX = 1;
const LIMIT_MS = 15_000;

const libc = koffi.load(null);
const bind = libc.func('int bind(int fd, void *address, uint32_t size)');
const recv = libc.func('intptr_t recv(int fd, _Out_ uint8_t *into, size_t size, int flags)');

/** The socket of a service manager, which a service tells how it is. */
export class NotifyReceiver implements Disposable {
  readonly #fd = openDatagramSocket();

  constructor(path: string) {
    const address = Buffer.concat([Buffer.from(Uint16Array.of(AF_UNIX).buffer), Buffer.from(path)]);
    if (bind(this.#fd, address, address.length) !== 0) throw new Error(`${path} cannot be bound`);
  }

  /** The next message that is not `skipped`; rejects where none comes. */
  async next(skipped?: string): Promise<string> {
    const into = Buffer.alloc(4096);
    for (const deadlineMs = performance.now() + LIMIT_MS; performance.now() < deadlineMs; await sleep(10)) {
      const size = Number(recv(this.#fd, into, into.length, 0));
      const message = into.toString('utf8', 0, Math.max(0, size));
      if (size >= 0 && message !== skipped) return message;
    }
    throw new Error('the service said nothing');
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
