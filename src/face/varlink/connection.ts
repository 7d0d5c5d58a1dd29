import type { ServedConnection } from '../../host/listener.ts';
import { VirtstatError } from '../../model/errors.ts';
import { VarlinkServer } from '../../protocol/varlink/server.ts';
import type { VarlinkService } from '../../protocol/varlink/service.ts';
import { LONG_CHUNK_BYTES, readOnAfterOthers } from '../turns.ts';

/** Unread output from which on nothing more is made for a client, in bytes. */
export const MAX_UNREAD_BYTES: number = 256 * 1024;

/** How long that may last until the client is dropped, in milliseconds. */
export const MAX_STALL_MS = 30_000;

/** What a {@link VarlinkConnection} needs from outside. */
export interface VarlinkConnectionOptions {
  readonly service: VarlinkService;
  /** {@link MAX_STALL_MS} if absent. */
  readonly maxStallMs?: number;
  /** Hears that the client was dropped, and why. */
  readonly onDropped: (reason: VirtstatError) => void;
}

/** One client of the varlink socket: a session on a connection. A client that does not read costs what it did not read. */
export class VarlinkConnection {
  readonly #connection: ServedConnection;
  readonly #options: VarlinkConnectionOptions;
  readonly #session: VarlinkServer;
  #room: PromiseWithResolvers<void> | undefined;
  #isHalfClosed = false;

  constructor(connection: ServedConnection, options: VarlinkConnectionOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#session = new VarlinkServer({
      service: options.service,
      send: (bytes) => connection.write(bytes),
      drained: () => this.#hasRoom(),
      onIdle: () => this.#finishIfDone(),
      close: (reason) => this.#drop(reason),
    });
    connection.listen({
      onData: (chunk) => this.#receive(chunk),
      onDrained: () => this.#room?.resolve(),
      onHalfClosed: () => {
        this.#isHalfClosed = true;
        this.#finishIfDone();
      },
      onClosed: () => this.#end(new VirtstatError('CONNECTION_LOST', 'the client is gone')),
    });
  }

  /** Ends the connection at once. */
  close(): void {
    this.#end(new VirtstatError('CLOSED', 'the service was closed'));
    this.#connection.close();
  }

  #receive(chunk: Uint8Array): void {
    this.#session.receive(chunk);
    if (chunk.length >= LONG_CHUNK_BYTES) readOnAfterOthers(this.#connection, () => true);
  }

  async #hasRoom(): Promise<void> {
    if (this.#connection.unsentBytes <= MAX_UNREAD_BYTES) return;
    this.#room = Promise.withResolvers();
    const limitMs = this.#options.maxStallMs ?? MAX_STALL_MS;
    const timer = setTimeout(() => {
      const unread = `${this.#connection.unsentBytes} bytes wait to be sent`;
      this.#drop(new VirtstatError('QUEUE_FULL', `a client did not read for ${limitMs} ms: ${unread}`));
    }, limitMs).unref();
    await this.#room.promise;
    clearTimeout(timer);
    this.#room = undefined;
  }

  /** A client that sends nothing more still gets what it asked for. */
  #finishIfDone(): void {
    if (this.#isHalfClosed && !this.#session.isAnswering) this.#connection.finish();
  }

  #drop(reason: VirtstatError): void {
    this.#options.onDropped(reason);
    this.#end(reason);
    this.#connection.close();
  }

  #end(reason: VirtstatError): void {
    this.#session.end(reason);
    this.#room?.resolve();
  }
}
