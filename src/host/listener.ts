import { chmodSync, chownSync, existsSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import { requireListening } from './activation.ts';
import { type ConnectionLimits, ConnectionPool } from './connection-pool.ts';
import { startListening, stopListening } from './listening.ts';
import { type PeerCredentials, peerCredentials } from './peer-credentials.ts';
import { ServedConnection } from './served-connection.ts';
import { MAX_UNIX_PATH_BYTES } from './stream.ts';

/** How a listening socket is to be. */
export interface ListenOptions extends ConnectionLimits {
  /** Path of the unix socket. Whatever is there is taken away: the caller knows that it is stale. */
  readonly path: string;
  /**
   * A socket that listens already, as a descriptor: it is taken over as it is, and its file is left alone, also at the end.
   * Absent: one is made.
   */
  readonly fd?: number;
  /** Permission bits; connecting takes the right to write. */
  readonly mode: number;
  /** Absent: this process's own. */
  readonly uid?: number;
  readonly gid?: number;
  /** Takes a connection; must not throw. */
  readonly onConnection: (connection: ServedConnection) => void;
  /** Hears of each connection that was closed because there were too many, with the uid of its user. */
  readonly onCrowded?: (uid: number) => void;
}

/**
 * Listens on a unix socket.
 * @throws USAGE for a path that is too long, ACCESS_DENIED, PATH_NOT_FOUND, ADDRESS_IN_USE, CONNECT_FAILED
 */
export async function listenUnix(options: ListenOptions): Promise<SocketListener> {
  const { path, fd } = options;
  const listener = new SocketListener(options);
  try {
    if (fd === undefined) await makeSocket(listener, options);
    else {
      requireListening(fd, 'unix');
      await listener.open({ fd });
    }
    return listener;
  } catch (error) {
    await listener.close();
    throw listenError(error, path);
  }
}

async function makeSocket(listener: SocketListener, { path, mode, uid, gid }: ListenOptions): Promise<void> {
  const sizeBytes = Buffer.byteLength(path);
  if (sizeBytes > MAX_UNIX_PATH_BYTES) {
    const limit = `the system takes at most ${MAX_UNIX_PATH_BYTES}; choose a shorter directory`;
    throw new VirtstatError('USAGE', `the path of a socket would be ${sizeBytes} bytes long, ${limit}: ${path}`);
  }
  rmSync(path, { force: true });
  await listener.open({ path });
  chmodSync(path, mode);
  if (uid !== undefined || gid !== undefined) chownSync(path, uid ?? -1, gid ?? -1);
}

/** A listening unix socket with the connections that came of it. */
export class SocketListener {
  readonly #options: ListenOptions;
  readonly #server: Server;
  readonly #pool: ConnectionPool<number>;

  constructor(options: ListenOptions) {
    this.#options = options;
    this.#pool = new ConnectionPool(options, (uid) => options.onCrowded?.(uid));
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.#accept(socket));
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#pool.size;
  }

  /** Resolves when it listens; rejects with the system's error. */
  open(where: { readonly path: string } | { readonly fd: number }): Promise<void> {
    return startListening(this.#server, where);
  }

  /** Stops listening, ends every connection and removes the socket, unless it was taken over. Harmless when repeated. */
  close(): Promise<void> {
    return stopListening(this.#server, () => this.#pool.closeAll());
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    let peer: PeerCredentials;
    try {
      peer = peerCredentials(socket);
    } catch {
      // It has gone already.
      socket.destroy();
      return;
    }
    const release = this.#pool.take(peer.uid, {
      hasSpoken: () => socket.bytesRead > 0,
      close: () => void socket.destroy(),
    });
    if (release === undefined) {
      socket.destroy();
      return;
    }
    socket.once('close', release);
    this.#options.onConnection(new ServedConnection(socket, peer));
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
