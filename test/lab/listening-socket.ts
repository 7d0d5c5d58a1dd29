import { closeSync } from 'node:fs';
import { createServer } from 'node:net';
import koffi from 'koffi';

const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const LOOPBACK = [127, 0, 0, 1];

const libc = koffi.load(null);
const socket = libc.func('int socket(int domain, int type, int protocol)');
const bind = libc.func('int bind(int fd, void *address, uint32_t size)');
const listen = libc.func('int listen(int fd, int backlog)');

/** A socket that listens and accepts nobody, as a service manager holds it until it starts the service. */
export class ListeningSocket implements Disposable {
  readonly fd: number;

  private constructor(domain: number, type: number, address: Uint8Array, listens: boolean) {
    this.fd = socket(domain, type | SOCK_CLOEXEC, 0);
    if (bind(this.fd, address, address.length) !== 0) throw new Error(`a socket cannot be bound: ${koffi.errno()}`);
    if (listens && listen(this.fd, 100) !== 0) throw new Error(`a socket cannot listen: ${koffi.errno()}`);
  }

  /** `listens: false` makes one of the wrong kind: it is bound, and does not listen. */
  static unix(path: string, { listens }: { readonly listens: boolean } = { listens: true }): ListeningSocket {
    return new ListeningSocket(
      AF_UNIX,
      SOCK_STREAM,
      Buffer.concat([family(AF_UNIX), Buffer.from(`${path}\0`)]),
      listens,
    );
  }

  /** On the loopback. */
  static tcp(port: number): ListeningSocket {
    const address = Uint8Array.of(...family(AF_INET), port >> 8, port & 0xff, ...LOOPBACK, ...new Uint8Array(8));
    return new ListeningSocket(AF_INET, SOCK_STREAM, address, true);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

function family(number: number): Uint8Array {
  return new Uint8Array(Uint16Array.of(number).buffer);
}

/** A port of the loopback at which nobody listens now. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as { readonly port: number };
      server.close(() => resolve(free));
    });
  });
}
