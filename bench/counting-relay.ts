import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A port of the loopback that passes everything on to another one, and counts it. Where nobody listens there, it closes the
 * connection.
 */
export class CountingRelay implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** From clients to the other port. */
  sentBytes = 0;

  private constructor(port: number) {
    this.#server = createServer((client) => this.#relay(client, connect({ port, host: '127.0.0.1' })));
  }

  /** Resolves when it listens. */
  static async listen(port: number): Promise<CountingRelay> {
    const relay = new CountingRelay(port);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  /** Where it listens. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #relay(client: Socket, server: Socket): void {
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.end();
      });
    }
    client.on('data', (chunk: Buffer) => (this.sentBytes += chunk.length));
    client.pipe(server);
    server.pipe(client);
  }
}
