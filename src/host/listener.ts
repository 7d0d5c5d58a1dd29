import { chmodSync, chownSync, existsSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import { type PeerCredentials, peerCredentials } from './peer-credentials.ts';
import { MAX_UNIX_PATH_BYTES } from './stream.ts';

/** Most connections that one socket serves at once. */
export const MAX_CONNECTIONS = 1024;

/** Connections that may wait in the system to be accepted. */
const BACKLOG = 511;

/** How a listening socket is to be. */
export interface ListenOptions {
  /** Path of the unix socket. Whatever is there is taken away: the caller knows that it is stale. */
  readonly path: string;
  /** Permission bits; connecting takes the right to write. */
  readonly mode: number;
  /** Absent: this process's own. */
  readonly uid?: number;
  readonly gid?: number;
  /** {@link MAX_CONNECTIONS} if absent; one more is closed at once. */
  readonly maxConnections?: number;
  /** Takes a connection; must not throw. */
  readonly onConnection: (connection: ServedConnection) => void;
  /** Hears of connections that were closed at once, because there were too many. */
  readonly onRefused?: () => void;
}

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

/** Listens on a unix socket. @throws USAGE for a path that is too long, ACCESS_DENIED, PATH_NOT_FOUND, ADDRESS_IN_USE, CONNECT_FAILED */
export async function listenUnix(options: ListenOptions): Promise<SocketListener> {
  const { path, mode, uid, gid } = options;
  const sizeBytes = Buffer.byteLength(path);
  if (sizeBytes > MAX_UNIX_PATH_BYTES) {
    const limit = `the system takes at most ${MAX_UNIX_PATH_BYTES}; choose a shorter directory`;
    throw new VirtstatError('USAGE', `the path of a socket would be ${sizeBytes} bytes long, ${limit}: ${path}`);
  }
  const listener = new SocketListener(options);
  try {
    rmSync(path, { force: true });
    await listener.open();
    chmodSync(path, mode);
    if (uid !== undefined || gid !== undefined) chownSync(path, uid ?? -1, gid ?? -1);
    return listener;
  } catch (error) {
    await listener.close();
    throw listenError(error, path);
  }
}

/** A listening unix socket with the connections that came of it. */
export class SocketListener {
  readonly #options: ListenOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: ListenOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.#accept(socket));
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Resolves when it listens; rejects with the system's error. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ path: this.#options.path, backlog: BACKLOG }, () => {
        this.#server.off('error', reject);
        // What goes wrong later is one connection's: too many open files, for one.
        this.#server.on('error', () => undefined);
        resolve();
      });
    });
  }

  /** Stops listening, ends every connection and removes the socket. Harmless when repeated. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    if (this.#sockets.size >= (this.#options.maxConnections ?? MAX_CONNECTIONS)) {
      socket.destroy();
      this.#options.onRefused?.();
      return;
    }
    let peer: PeerCredentials;
    try {
      peer = peerCredentials(socket);
    } catch {
      // It has gone already.
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#options.onConnection(new ServedConnection(socket, peer));
  }
}

/** One client of a {@link SocketListener}. */
export class ServedConnection {
  /** Who it is. */
  readonly peer: PeerCredentials;
  readonly #socket: Socket;

  constructor(socket: Socket, peer: PeerCredentials) {
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

  /** Sends bytes, in order. How many may wait is the caller's to bound. */
  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed && !this.#socket.writableEnded) this.#socket.write(bytes);
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

  /** Ends the connection at once. */
  close(): void {
    this.#socket.destroy();
  }
}

function listenError(error: unknown, path: string): VirtstatError {
  const code = systemErrorCode(error);
  const cause = { cause: error };
  // The platform says EACCES also for a directory that is missing.
  if (code === 'ENOTDIR' || !existsSync(dirname(path))) {
    return new VirtstatError(
      'PATH_NOT_FOUND',
      `a socket cannot be made at ${path}: its directory does not exist`,
      cause,
    );
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new VirtstatError(
      'ACCESS_DENIED',
      `a socket cannot be made at ${path} (${code}); choose another directory`,
      cause,
    );
  }
  if (code === 'EADDRINUSE' || code === 'EISDIR' || code === 'ERR_FS_EISDIR') {
    return new VirtstatError('ADDRESS_IN_USE', `a socket cannot be made at ${path}: something else is there`, cause);
  }
  return VirtstatError.from(error, 'CONNECT_FAILED', `listening at ${path} failed`);
}
