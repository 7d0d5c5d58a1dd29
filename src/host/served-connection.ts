import type { Socket } from 'node:net';
import type { PeerCredentials } from './peer-credentials.ts';

/** Who hears of what a client does. */
export interface ServedListener {
  /** The next bytes; the chunk is the listener's to keep. */
  onData(chunk: Uint8Array): void;
  /** The client has read everything that was waiting. */
  onDrained(): void;
  /** The client will send nothing more, but may still read. */
  onHalfClosed(): void;
  /** Called once, last. */
  onClosed(): void;
}

/** How long {@link ServedConnection.closeSoon} waits for a client to take the rest, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1000;

/** One client of a listening socket. */
export class ServedConnection<Peer = PeerCredentials> {
  /** Who it is. */
  readonly peer: Peer;
  readonly #socket: Socket;

  constructor(socket: Socket, peer: Peer) {
    this.#socket = socket;
    this.peer = peer;
  }

  /** Bytes that the client has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** Begins to read; until then bytes wait in the system. */
  listen(listener: ServedListener): void {
    this.#socket.on('data', (chunk: Uint8Array) => listener.onData(chunk));
    this.#socket.on('drain', () => listener.onDrained());
    this.#socket.on('end', () => listener.onHalfClosed());
    this.#socket.on('close', () => listener.onClosed());
    this.#socket.resume();
  }

  /**
   * Sends bytes, in order. How many may wait is the caller's to bound. They must not change until `onSent` is told, which is never
   * where the connection ends before.
   */
  write(bytes: Uint8Array, onSent?: () => void): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#socket.write(bytes, onSent && ((error) => void (error ?? onSent())));
  }

  /** Sends pieces of memory one behind the other, as one message. They must not change any more. */
  writeAll(pieces: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const piece of pieces) this.write(piece);
    this.#socket.uncork();
  }

  /** Leaves what the client sends in the system, until {@link resume}. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends the connection when everything has been sent. */
  finish(): void {
    this.#socket.end();
  }

  /** Ends the connection when the client has taken what was sent, or leaves it; it is not listened to any more. */
  closeSoon(): void {
    this.#socket.end(() => this.#socket.destroy());
    setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS).unref();
  }

  /** Ends the connection at once. */
  close(): void {
    this.#socket.destroy();
  }
}
