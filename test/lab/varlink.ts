import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { connectStream } from '../../src/host/stream.ts';
import { VirtstatError } from '../../src/model/errors.ts';
import { VarlinkClient } from '../../src/protocol/varlink/client.ts';
import type { VarlinkInterface } from '../../src/protocol/varlink/interface.ts';
import { VarlinkServer } from '../../src/protocol/varlink/server.ts';
import type { VarlinkService } from '../../src/protocol/varlink/service.ts';

const LOST = new VirtstatError('CONNECTION_LOST', 'the peer is gone');

/** A service on a unix socket. */
export class VarlinkListener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Why sessions ended by themselves. */
  readonly closed: VirtstatError[] = [];

  private constructor(service: VarlinkService, splitBytes: number) {
    this.#server = createServer((socket) => this.#serve(socket, service, splitBytes));
  }

  /** `splitBytes`: a session is given no more bytes at once. */
  static async listen(
    path: string,
    service: VarlinkService,
    splitBytes: number = Number.POSITIVE_INFINITY,
  ): Promise<VarlinkListener> {
    const listener = new VarlinkListener(service, splitBytes);
    listener.#server.listen(path);
    await once(listener.#server, 'listening');
    return listener;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket, service: VarlinkService, splitBytes: number): void {
    this.#sockets.add(socket);
    const session = new VarlinkServer({
      service,
      send: (bytes) => void socket.write(bytes),
      drained: () => drained(socket),
      close: (reason) => {
        this.closed.push(reason);
        socket.destroy();
      },
    });
    socket.on('data', (chunk: Uint8Array) => {
      for (let at = 0; at < chunk.length; at += splitBytes) session.receive(chunk.subarray(at, at + splitBytes));
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      session.end(LOST);
    });
  }
}

async function drained(socket: Socket): Promise<void> {
  if (!socket.writableNeedDrain || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.once('drain', done).once('close', done);
  });
}

/** A client on a unix socket, which closes with the block that uses it. */
export interface ConnectedClient extends AsyncDisposable {
  readonly client: VarlinkClient;
}

/** Connects to a service; what is called and replied is checked against the interfaces. */
export async function connectVarlink(
  path: string,
  interfaces: readonly VarlinkInterface[] = [],
): Promise<ConnectedClient> {
  const signal = AbortSignal.timeout(10_000);
  const stream = await connectStream({ kind: 'unix', path }, { signal, timeoutMs: 5000 });
  const client = new VarlinkClient({
    interfaces,
    send: (bytes) => stream.write(bytes),
    close: (reason) => stream.close(reason),
  });
  stream.listen({ onData: (chunk) => client.receive(chunk), onEnd: (error) => client.end(error) });
  return { client, [Symbol.asyncDispose]: async () => stream.close() };
}
