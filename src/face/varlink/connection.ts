import type { ServedConnection } from '../../host/served-connection.ts';
import { VirtstatError } from '../../model/errors.ts';
import { VarlinkServer } from '../../protocol/varlink/server.ts';
import type { VarlinkService } from '../../protocol/varlink/service.ts';
import { LONG_CHUNK_BYTES, readOnAfterOthers } from '../turns.ts';
import { UnreadRoom } from '../unread-room.ts';

/**
 * Longest call of a client, and most bytes of calls that wait while one is answered: a call has a few hundred bytes, and a
 * daemon that any user may talk to must not hold more for each of them.
 */
export const MAX_CALL_BYTES: number = 128 * 1024;
/** See {@link MAX_CALL_BYTES}. */
export const MAX_WAITING_BYTES: number = 256 * 1024;

/** How long a client may be connected before it says who it is, in milliseconds. */
export const AUTHENTICATION_LIMIT_MS = 10_000;

/** Most bytes that it may send until then: a token, and the first calls. */
export const MAX_UNKNOWN_BYTES: number = 64 * 1024;

/** What a {@link VarlinkConnection} needs from outside. */
export interface VarlinkConnectionOptions {
  readonly service: VarlinkService;
  /** Whether it is known who the client is. */
  readonly isKnown: () => boolean;
  /** How long that may not be known, in milliseconds. */
  readonly authenticationLimitMs: number;
  /** See {@link UnreadRoom}. */
  readonly maxStallMs?: number;
  /** Hears that the client was dropped, and why. */
  readonly onDropped: (reason: VirtstatError) => void;
}

/** One client of the varlink socket: a session on a connection. A client that does not read costs what it did not read. */
export class VarlinkConnection {
  readonly #connection: ServedConnection<unknown>;
  readonly #options: VarlinkConnectionOptions;
  readonly #session: VarlinkServer;
  readonly #room: UnreadRoom;
  #isHalfClosed = false;
  #unknownBytes = 0;
  #unknownTimer: NodeJS.Timeout | undefined;

  constructor(connection: ServedConnection<unknown>, options: VarlinkConnectionOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#room = new UnreadRoom(connection, {
      maxStallMs: options.maxStallMs,
      who: 'a client',
      drop: (reason) => this.#drop(reason),
    });
    this.#session = new VarlinkServer({
      service: options.service,
      maxCallBytes: MAX_CALL_BYTES,
      maxWaitingBytes: MAX_WAITING_BYTES,
      send: (bytes, onSent) => connection.write(bytes, onSent),
      drained: () => this.#room.wait(),
      onIdle: () => this.#finishIfDone(),
      close: (reason) => this.#drop(reason),
    });
    connection.listen({
      onData: (chunk) => this.#receive(chunk),
      onDrained: () => this.#room.open(),
      onHalfClosed: () => {
        this.#isHalfClosed = true;
        this.#finishIfDone();
      },
      onClosed: () => this.#end(new VirtstatError('CONNECTION_LOST', 'the client is gone')),
    });
    if (options.isKnown()) return;
    this.#unknownTimer = setTimeout(() => {
      if (!options.isKnown()) this.#drop(unknown(`was connected for ${options.authenticationLimitMs} ms`));
    }, options.authenticationLimitMs).unref();
  }

  /** Listens to the client no more, and ends the connection when it has read what it was sent. */
  closeSoon(): void {
    // What is being answered now still goes out.
    setImmediate(() => {
      this.#end(new VirtstatError('CLOSED', 'the client was closed'));
      this.#connection.closeSoon();
    });
  }

  #receive(chunk: Uint8Array): void {
    if (!this.#options.isKnown()) {
      this.#unknownBytes += chunk.length;
      if (this.#unknownBytes > MAX_UNKNOWN_BYTES) this.#drop(unknown(`sent ${this.#unknownBytes} bytes`));
    }
    this.#session.receive(chunk);
    if (chunk.length >= LONG_CHUNK_BYTES) readOnAfterOthers(this.#connection, () => true);
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
    clearTimeout(this.#unknownTimer);
    this.#session.end(reason);
    this.#room.open();
  }
}

function unknown(what: string): VirtstatError {
  return new VirtstatError('AUTHENTICATION_FAILED', `it ${what} and did not say who it is`);
}
