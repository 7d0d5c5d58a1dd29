import type { ServedConnection } from '../../host/served-connection.ts';
import { type QmpBackend, QmpServerSession } from '../../protocol/qmp/server/session.ts';
import { LONG_CHUNK_BYTES, readOnAfterOthers } from '../turns.ts';
import { MAX_STALL_MS, MAX_UNREAD_BYTES } from '../unread-room.ts';

/**
 * Longest request of a client, in bytes of its tokens. QEMU takes 64 MiB; a request for statistics has a few hundred bytes,
 * and a daemon that any user may talk to must not hold more for each of them.
 */
export const MAX_REQUEST_BYTES: number = 256 * 1024;

/** Most tokens of one request; QEMU takes 2 Mi. */
export const MAX_REQUEST_TOKENS = 16_384;

/** What a {@link QmpClient} needs from outside. */
export interface QmpClientOptions {
  readonly backend: QmpBackend;
  /** {@link MAX_STALL_MS} if absent. */
  readonly maxStallMs?: number;
  /** Hears that the client was dropped because it did not read. */
  readonly onDropped: (unreadBytes: number) => void;
}

/**
 * One client of a domain's socket: a session on a connection. What it sends waits in the system while it has questions
 * open, and questions wait while it does not read, so that it costs a bounded amount of memory whatever it does.
 */
export class QmpClient {
  readonly #connection: ServedConnection;
  readonly #options: QmpClientOptions;
  readonly #session: QmpServerSession;
  #stall: NodeJS.Timeout | undefined;
  #isHalfClosed = false;

  constructor(connection: ServedConnection, options: QmpClientOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#session = new QmpServerSession({
      backend: options.backend,
      maxTokenBytes: MAX_REQUEST_BYTES,
      maxTokens: MAX_REQUEST_TOKENS,
      send: (message) => this.#send(message),
      onHungry: () => this.#hunger(),
    });
    connection.listen({
      onData: (chunk) => this.#receive(chunk),
      onDrained: () => this.#drained(),
      onHalfClosed: () => {
        this.#isHalfClosed = true;
        this.#hunger();
      },
      onClosed: () => this.#closed(),
    });
  }

  /** Ends the connection at once. */
  close(): void {
    this.#connection.close();
  }

  #receive(chunk: Uint8Array): void {
    this.#session.receive(chunk);
    if (!this.#session.isHungry) this.#connection.pause();
    else if (chunk.length >= LONG_CHUNK_BYTES) readOnAfterOthers(this.#connection, () => this.#session.isHungry);
    this.#finishIfDone();
  }

  #hunger(): void {
    this.#connection.resume();
    this.#finishIfDone();
  }

  /** A client that sends nothing more still gets what it asked for. */
  #finishIfDone(): void {
    if (this.#isHalfClosed && this.#session.isIdle) this.#connection.finish();
  }

  #send(message: readonly Uint8Array[]): void {
    this.#connection.writeAll(message);
    if (this.#connection.unsentBytes <= MAX_UNREAD_BYTES || this.#stall !== undefined) return;
    this.#stall = setTimeout(() => {
      this.#options.onDropped(this.#connection.unsentBytes);
      this.#connection.close();
    }, this.#options.maxStallMs ?? MAX_STALL_MS).unref();
    this.#session.setOutputOpen(false);
  }

  #drained(): void {
    if (this.#stall === undefined) return;
    clearTimeout(this.#stall);
    this.#stall = undefined;
    this.#session.setOutputOpen(true);
  }

  #closed(): void {
    clearTimeout(this.#stall);
    this.#session.end();
  }
}
