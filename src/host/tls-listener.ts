import { constants, createHash } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import { type ConnectionLimits, ConnectionPool } from './connection-pool.ts';
import { startListening, stopListening } from './listening.ts';
import { ServedConnection } from './served-connection.ts';
import { type HostPort, networkOf, openAt } from './tcp-listening.ts';
import type { TlsMaterial } from './tls-material.ts';

/** How long a client may take for the TLS handshake, in milliseconds. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Idle time from which on the system asks whether a client is still there, in milliseconds. */
const KEEP_ALIVE_MS = 60_000;

/** The certificate of a client, signed by one of the authorities in {@link TlsMaterial}. */
export interface ClientCertificate {
  /** Empty where it has none, or several. */
  readonly commonName: string;
  /** SHA-256 of its DER form, lower-case hex. */
  readonly sha256: string;
}

/** The client at the other end of a TLS connection. */
export interface TlsPeer {
  readonly address: string;
  readonly port: number;
  /** Absent where it showed none, or one that was not accepted. */
  readonly certificate?: ClientCertificate;
  /** Why the certificate that it showed was not accepted. */
  readonly refusal?: string;
}

/** How to listen for TLS. */
export interface TlsListenOptions extends ConnectionLimits {
  /** Where, or a TCP socket that listens already, as a descriptor. */
  readonly at: HostPort | { readonly fd: number };
  readonly material: TlsMaterial;
  /** {@link HANDSHAKE_TIMEOUT_MS} if absent. */
  readonly handshakeTimeoutMs?: number;
  /** Takes a connection whose handshake is done; must not throw. */
  readonly onConnection: (connection: ServedConnection<TlsPeer>) => void;
  /** Hears of each connection that was closed because there were too many, with the client's address or network. */
  readonly onCrowded?: (network: string) => void;
}

/** Listens for TLS. @throws ADDRESS_IN_USE, ACCESS_DENIED, CONNECT_FAILED; USAGE for a descriptor that is no listening TCP socket */
export async function listenTls(options: TlsListenOptions): Promise<TlsListener> {
  return openAt(new TlsListener(options), options.at);
}

/**
 * A listening TCP socket whose connections are TLS (1.2 or newer). Places are counted from the first packet on, so that those
 * who never finish the handshake take none from others. No session is resumed: every connection shows its certificate anew.
 */
export class TlsListener {
  readonly #options: TlsListenOptions;
  readonly #server: Server;
  readonly #pool: ConnectionPool<string>;
  /** Connections in their handshake, by the address and port of the client. */
  readonly #shaking = new Map<string, Shaking>();
  #material: TlsMaterial;

  constructor(options: TlsListenOptions) {
    this.#options = options;
    this.#material = options.material;
    this.#pool = new ConnectionPool(options, (network) => options.onCrowded?.(network));
    this.#server = createServer({
      ...contextOf(options.material),
      // Who has none may show a token.
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
      allowHalfOpen: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    this.#server.on('connection', (socket: Socket) => this.#accept(socket));
    this.#server.on('secureConnection', (socket: TLSSocket) => this.#serve(socket));
    this.#server.on('tlsClientError', (_error: Error, socket: TLSSocket) => void socket.destroy());
  }

  /** Connections that are open now, those in their handshake too. */
  get connections(): number {
    return this.#pool.size;
  }

  /** The port that it listens at. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Certificate, key and authorities of every connection that comes from here on. */
  set material(material: TlsMaterial) {
    this.#server.setSecureContext(contextOf(material));
    this.#material = material;
  }

  /** Resolves when it listens; rejects with the system's error. */
  open(): Promise<void> {
    return startListening(this.#server, this.#options.at);
  }

  /** Stops listening and ends every connection. Harmless when repeated. */
  close(): Promise<void> {
    return stopListening(this.#server, () => this.#pool.closeAll());
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    const shaking: Shaking = { material: this.#material, secure: undefined };
    const release = this.#pool.take(networkOf(socket.remoteAddress ?? ''), {
      hasSpoken: () => (shaking.secure?.bytesRead ?? 0) > 0,
      close: () => {
        shaking.secure?.destroy();
        socket.destroy();
      },
    });
    if (release === undefined) {
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    this.#shaking.set(key, shaking);
    socket.once('close', () => {
      release();
      if (this.#shaking.get(key) === shaking) this.#shaking.delete(key);
    });
  }

  #serve(socket: TLSSocket): void {
    socket.on('error', () => undefined);
    const shaking = this.#shaking.get(keyOf(socket));
    this.#shaking.delete(keyOf(socket));
    if (shaking === undefined || socket.destroyed) {
      socket.destroy();
      return;
    }
    shaking.secure = socket;
    this.#options.onConnection(new ServedConnection(socket, peerOf(socket, shaking.material)));
  }
}

interface Shaking {
  /** What the client's certificate is checked against. */
  readonly material: TlsMaterial;
  secure: TLSSocket | undefined;
}

/** What the platform takes of certificate, key and authorities. */
export function contextOf({ cert, key, clientCa }: TlsMaterial): SecureContextOptions {
  return {
    cert,
    key,
    ...(clientCa && { ca: clientCa }),
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** Who is at the other end, once the handshake is done. */
export function peerOf(socket: TLSSocket, { clientCa }: TlsMaterial): TlsPeer {
  const { remoteAddress: address = '', remotePort: port = 0 } = socket;
  const { raw, subject } = socket.getPeerCertificate();
  // Without authorities of ours, the library has checked against those of the whole web.
  if (clientCa === undefined || raw === undefined) return { address, port };
  if (!socket.authorized) return { address, port, refusal: String(socket.authorizationError) };
  const { CN: commonName } = subject as { readonly CN?: string | readonly string[] };
  const sha256 = createHash('sha256').update(raw).digest('hex');
  return { address, port, certificate: { commonName: typeof commonName === 'string' ? commonName : '', sha256 } };
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
