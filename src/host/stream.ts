import { createConnection, type Socket } from 'node:net';
import { type ErrorCode, systemErrorCode, VirtstatError } from '../model/errors.ts';
import { withDeadline } from './deadline.ts';
import { UNTRUSTED_CODES } from './untrusted-codes.ts';

/** Where a peer listens. */
export type StreamAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | ({ readonly kind: 'tls'; readonly host: string; readonly port: number } & TlsFiles);

/** Files in PEM form for a TLS connection. */
export interface TlsFiles {
  /** Who may have signed the peer's certificate; the system's own list if absent. */
  readonly caFile?: string;
  /** What we show to the peer; nothing if absent. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** Most bytes that may wait to be sent to a peer that does not read, in bytes. */
export const MAX_UNSENT_BYTES: number = 4 * 2 ** 20;

/** Who hears of what a stream brings. */
export interface StreamListener {
  /** The next bytes; the chunk is the listener's to keep. */
  onData(chunk: Uint8Array): void;
  /** Called once, last: CONNECTION_LOST, QUEUE_FULL, or what {@link ByteStream.close} was given. */
  onEnd(error: VirtstatError): void;
}

/** A connection to a peer, whatever carries it. */
export interface ByteStream {
  /** Begins to read; until then bytes wait in the system. */
  listen(listener: StreamListener): void;
  /** Sends bytes, in order. A peer that leaves more than {@link MAX_UNSENT_BYTES} unread loses the connection. */
  write(bytes: Uint8Array): void;
  /** Ends the connection at once and gives back its descriptor. Harmless when repeated. */
  close(reason?: VirtstatError): void;
  /** Whether an open stream keeps the process from exiting; true at first. */
  keepAlive(isWanted: boolean): void;
}

/** What bounds a connection attempt. */
export interface ConnectOptions {
  readonly signal: AbortSignal;
  /** For the whole attempt, TLS included, in milliseconds. */
  readonly timeoutMs: number;
}

/** The address in the words of a person: `/run/vm.qmp`, `tcp host:4444`. */
export function addressText(address: StreamAddress): string {
  return address.kind === 'unix' ? address.path : `${address.kind} ${address.host}:${address.port}`;
}

/**
 * Connects to a peer.
 * @throws PATH_NOT_FOUND, ACCESS_DENIED, CONNECT_REFUSED, CONNECT_FAILED, TLS_FAILED, TIMEOUT, CANCELLED
 */
export function connectStream(address: StreamAddress, options: ConnectOptions): Promise<ByteStream> {
  const what = `connecting to ${addressText(address)}`;
  return withDeadline(async (signal) => new SocketStream(await connect(address, signal), addressText(address)), {
    ...options,
    what,
  });
}

/** How long to wait before a listener whose queue is full is tried again, in milliseconds. */
const QUEUE_RETRY_MS = 20;

/** Longest path of a unix socket, in bytes (unix(7): sun_path, less its NUL). */
export const MAX_UNIX_PATH_BYTES = 107;

async function connect(address: StreamAddress, signal: AbortSignal): Promise<Socket> {
  if (address.kind === 'unix') return connectUnix(address, signal);
  if (address.kind === 'tcp') return established(() => createConnection(address), 'connect', address, signal);
  const { connectTls } = await import('./tls.ts');
  const start = await connectTls(address);
  return established(start, 'secureConnect', address, signal);
}

/** TCP waits by itself for a listener that has too many connections to accept; a unix socket says EAGAIN. */
async function connectUnix(address: StreamAddress & { kind: 'unix' }, signal: AbortSignal): Promise<Socket> {
  // Some versions of the platform would cut the path and try another socket.
  const sizeBytes = Buffer.byteLength(address.path);
  if (sizeBytes > MAX_UNIX_PATH_BYTES) {
    const limit = `the system takes at most ${MAX_UNIX_PATH_BYTES}; use a shorter path to it, a symbolic link for one`;
    throw new VirtstatError('CONNECT_FAILED', `the path of a socket is ${sizeBytes} bytes long, ${limit}`);
  }
  for (;;) {
    try {
      return await established(() => createConnection(address), 'connect', address, signal);
    } catch (error) {
      if (!(error instanceof VirtstatError) || systemErrorCode(error.cause) !== 'EAGAIN') throw error;
      await new Promise((resolve) => setTimeout(resolve, QUEUE_RETRY_MS));
    }
  }
}

/** Waits for `event`; what fails after TCP has connected is the fault of TLS. */
function established(
  start: () => Socket,
  event: 'connect' | 'secureConnect',
  address: StreamAddress,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = start();
    let isConnected = false;
    const onAbort = (): void => void socket.destroy();
    const onError = (error: Error): void => {
      socket.destroy();
      reject(connectError(error, address, isConnected));
    };
    const onConnect = (): void => {
      isConnected = true;
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', onConnect).once('error', onError);
    socket.once('close', () => signal.removeEventListener('abort', onAbort));
    socket.once(event, () => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      resolve(socket);
    });
  });
}

const CODES: Readonly<Record<string, readonly [code: ErrorCode, hint: string]>> = {
  ENOENT: ['PATH_NOT_FOUND', 'it does not exist'],
  EACCES: ['ACCESS_DENIED', 'this user may not connect to it; it takes write permission on the socket'],
  EPERM: ['ACCESS_DENIED', 'this user may not connect to it'],
  ECONNREFUSED: ['CONNECT_REFUSED', 'nobody listens there'],
};

/** Node's code for an answer that is no TLS; what OpenSSL says of it is a line of its source. */
const NO_TLS = 'ERR_SSL_WRONG_VERSION_NUMBER';

/** What a handshake that fails says to a person. */
function handshakeReason(error: Error): string {
  const code = systemErrorCode(error) ?? '';
  if (code === NO_TLS) return 'what answers there speaks no TLS';
  const reason = firstLine(error);
  return UNTRUSTED_CODES.has(code) ? `${reason}; name the authority whose certificates are to be trusted` : reason;
}

function connectError(error: Error, address: StreamAddress, isConnected: boolean): VirtstatError {
  const name = addressText(address);
  const cause = { cause: error };
  if (isConnected) return new VirtstatError('TLS_FAILED', `TLS with ${name} failed: ${handshakeReason(error)}`, cause);
  const known = CODES[systemErrorCode(error) ?? ''];
  if (known !== undefined) return new VirtstatError(known[0], `cannot connect to ${name}: ${known[1]}`, cause);
  return new VirtstatError('CONNECT_FAILED', `cannot connect to ${name}: ${firstLine(error)}`, cause);
}

function firstLine(error: Error): string {
  return (error.message || error.name).split('\n', 1)[0] as string;
}

/** A socket of Node as a {@link ByteStream}. */
class SocketStream implements ByteStream {
  readonly #socket: Socket;
  readonly #name: string;
  #listener: StreamListener | undefined;
  #reason: VirtstatError | undefined;

  constructor(socket: Socket, name: string) {
    this.#socket = socket;
    this.#name = name;
    socket.on('error', (error) => {
      this.#reason ??= new VirtstatError('CONNECTION_LOST', `the connection to ${name} broke: ${firstLine(error)}`, {
        cause: error,
      });
    });
    socket.on('close', () => this.#listener?.onEnd(this.#endReason()));
  }

  listen(listener: StreamListener): void {
    this.#listener = listener;
    if (this.#socket.closed) queueMicrotask(() => listener.onEnd(this.#endReason()));
    else this.#socket.on('data', (chunk: Uint8Array) => listener.onData(chunk));
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.destroyed) return;
    if (this.#socket.writableLength + bytes.length > MAX_UNSENT_BYTES) {
      this.close(
        new VirtstatError('QUEUE_FULL', `${this.#name} does not read: ${MAX_UNSENT_BYTES} bytes wait to be sent`),
      );
      return;
    }
    this.#socket.write(bytes);
  }

  close(reason?: VirtstatError): void {
    this.#reason ??= reason;
    this.#socket.destroy();
  }

  keepAlive(isWanted: boolean): void {
    // A socket without a descriptor would wait for one, with a listener more for each call.
    if (this.#socket.destroyed) return;
    if (isWanted) this.#socket.ref();
    else this.#socket.unref();
  }

  #endReason(): VirtstatError {
    return this.#reason ?? new VirtstatError('CONNECTION_LOST', `${this.#name} closed the connection`);
  }
}
