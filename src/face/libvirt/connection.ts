import type { ServedConnection } from '../../host/served-connection.ts';
import { VirtstatError } from '../../model/errors.ts';
import { LibvirtServer, type LibvirtService } from '../../protocol/libvirt/server.ts';
import { LONG_CHUNK_BYTES, readOnAfterOthers } from '../turns.ts';
import { UnreadRoom } from '../unread-room.ts';

/** Calls of one client that are answered in one go; then others have their turn. */
const CALLS_IN_A_TURN = 50;

/** What a {@link LibvirtClient} needs from outside. */
export interface LibvirtClientOptions {
  readonly service: LibvirtService;
  /** See {@link UnreadRoom}. */
  readonly maxStallMs?: number;
  /** From one ping to the next, in milliseconds; libvirt's own if absent. */
  readonly pingIntervalMs?: number;
  /** Hears that the client was dropped, and why. */
  readonly onDropped: (reason: VirtstatError) => void;
  /** Hears of procedures that nobody serves. */
  readonly onUnknown: (procedure: number) => void;
}

/**
 * One client of the libvirt socket: a session on a connection. What it sends waits in the system while enough of its calls are
 * under way, and a client that does not read costs what it did not read.
 */
export class LibvirtClient {
  readonly #connection: ServedConnection<unknown>;
  readonly #options: LibvirtClientOptions;
  readonly #session: LibvirtServer;
  readonly #room: UnreadRoom;
  #isHalfClosed = false;
  #answered = 0;
  #othersTurn: Promise<void> | undefined;

  constructor(connection: ServedConnection<unknown>, options: LibvirtClientOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#room = new UnreadRoom(connection, {
      maxStallMs: options.maxStallMs,
      who: 'it',
      drop: (reason) => this.#drop(reason),
    });
    this.#session = new LibvirtServer({
      service: options.service,
      send: (bytes) => connection.write(bytes),
      drained: async () => {
        await this.#turnOfOthers();
        await this.#room.wait();
      },
      onFull: () => connection.pause(),
      onHungry: () => connection.resume(),
      onIdle: () => this.#finishIfDone(),
      onGoodbye: () => connection.closeSoon(),
      close: (reason) => this.#drop(reason),
      onUnknown: options.onUnknown,
      ...(options.pingIntervalMs !== undefined && { pingIntervalMs: options.pingIntervalMs }),
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
  }

  #receive(chunk: Uint8Array): void {
    this.#session.receive(chunk);
    if (chunk.length >= LONG_CHUNK_BYTES) readOnAfterOthers(this.#connection, () => !this.#session.isFull);
  }

  /** One who sends thousands of calls at once would else have them all answered before anybody else is looked at. */
  async #turnOfOthers(): Promise<void> {
    if (++this.#answered < CALLS_IN_A_TURN) return;
    this.#othersTurn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#answered = 0;
        this.#othersTurn = undefined;
        resolve();
      });
    });
    await this.#othersTurn;
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
    this.#room.open();
  }
}
