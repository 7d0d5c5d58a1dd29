import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import { type ConnectionLimits, ConnectionPool } from './connection-pool.ts';
import { startListening, stopListening } from './listening.ts';
import { isLoopback, loopbackUid } from './loopback-peer.ts';
import { type HostPort, networkOf, openAt } from './tcp-listening.ts';
import { type ClientCertificate, contextOf, HANDSHAKE_TIMEOUT_MS, peerOf } from './tls-listener.ts';
import type { TlsMaterial } from './tls-material.ts';

/** Largest head of a request, in bytes. */
export const MAX_HEAD_BYTES = 16_384;

/** How long a client may take to send a request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;

/** How long a connection may be idle between two requests: more than most scrapers wait, in milliseconds. */
const KEEP_ALIVE_MS = 90_000;

/** How long nothing may move on a connection while a request is answered, in milliseconds: then its client reads no more. */
export const MAX_STALL_MS = 60_000;

/** How often it is looked whether a request takes too long, in milliseconds. */
const CHECK_INTERVAL_MS = 2000;

const MAX_HEADERS = 100;

/** Requests of one connection that may be under way: a client that does not wait for answers (pipelining) costs memory for each. */
export const MAX_PIPELINED = 16;

/** The client at the other end of an HTTP connection. */
export interface HttpPeer {
  readonly address: string;
  readonly port: number;
  readonly isLoopback: boolean;
  /** The uid of the client's process, where it is on this host and came over the loopback device, and the kernel says so. */
  uid(signal: AbortSignal): Promise<number | undefined>;
  /** Absent where it showed none, or one that was not accepted. */
  readonly certificate?: ClientCertificate;
}

/** TLS of an HTTP server. */
export interface HttpTls {
  readonly material: TlsMaterial;
  /** True: who shows no certificate that an authority of the material has signed gets no connection. */
  readonly requiresCertificate: boolean;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

/** How to listen for HTTP. */
export interface HttpListenOptions extends ConnectionLimits {
  /** Where (an empty host is every address), or a TCP socket that listens already, as a descriptor. */
  readonly at: HostPort | { readonly fd: number };
  /** Absent: no TLS. */
  readonly tls?: HttpTls;
  /** Answers a request; what it throws or rejects with is answered 500. */
  readonly answer: (request: Request, peer: HttpPeer) => Response | Promise<Response>;
  /** Hears of each connection that was closed because there were too many, with the client's address or network. */
  readonly onCrowded?: (network: string) => void;
}

/** Listens for HTTP. @throws ADDRESS_IN_USE, ACCESS_DENIED, CONNECT_FAILED; USAGE for a descriptor that is no listening TCP socket */
export async function listenHttp(options: HttpListenOptions): Promise<HttpListener> {
  return openAt(new HttpListener(options), options.at);
}

/** A listening TCP socket that speaks HTTP/1.1, behind TLS or not. Every wait and every size of a client's has a bound. */
export class HttpListener {
  readonly #options: HttpListenOptions;
  readonly #server: Server | TlsServer;
  readonly #pool: ConnectionPool<string>;
  readonly #peers = new WeakMap<Socket, HttpPeer>();
  /** How many requests of a connection are under way. */
  readonly #underWay = new WeakMap<Socket, number>();
  /** Connections that a whole request came on, by {@link nameOf}: a request knows TLS's socket, the pool the one below it. */
  readonly #spoken = new Set<string>();
  #tls: HttpTls | undefined;

  constructor(options: HttpListenOptions) {
    this.#options = options;
    this.#tls = options.tls;
    this.#pool = new ConnectionPool(options, (network) => options.onCrowded?.(network));
    const limits = {
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    };
    const handle = getRequestListener(
      (request, env) => this.#answer(request, (env as { incoming: IncomingMessage }).incoming),
      {
        overrideGlobalObjects: false,
      },
    );
    const answer = (...[request, response]: Parameters<typeof handle>): void => {
      if (this.#begin(request as IncomingMessage, response as ServerResponse)) void handle(request, response);
    };
    this.#server =
      options.tls === undefined
        ? createServer(limits, answer)
        : createTlsServer({ ...limits, ...tlsOptions(options.tls), handshakeTimeout: HANDSHAKE_TIMEOUT_MS }, answer);
    this.#server.timeout = MAX_STALL_MS;
    this.#server.maxHeadersCount = MAX_HEADERS;
    this.#server.prependListener('connection', (socket: Socket) => this.#accept(socket));
    this.#server.on('tlsClientError', (_error: Error, socket: TLSSocket) => void socket.destroy());
  }

  /** The port that it listens at. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** TLS of every connection that comes from here on; only where it began with some. */
  set tls(tls: HttpTls) {
    if (this.#tls === undefined) return;
    this.#tls = tls;
    const options = tlsOptions(tls);
    (this.#server as TlsServer).setSecureContext(options);
    // What is asked of clients is no part of the context: the platform reads it off the server at each connection.
    Object.assign(this.#server, { requestCert: options.requestCert, rejectUnauthorized: options.rejectUnauthorized });
  }

  /** Resolves when it listens; rejects with the system's error. */
  open(): Promise<void> {
    const { at } = this.#options;
    return startListening(this.#server, 'fd' in at || at.host !== '' ? at : { port: at.port });
  }

  /** Stops listening and ends every connection. Harmless when repeated. */
  close(): Promise<void> {
    return stopListening(this.#server, () => this.#pool.closeAll());
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    const name = nameOf(socket);
    socket.once('close', () => this.#spoken.delete(name));
    const release = this.#pool.take(networkOf(socket.remoteAddress ?? ''), {
      // The beginning of a request is nothing yet: whoever sends no more of it would keep others out.
      hasSpoken: () => this.#spoken.has(name),
      close: () => void socket.destroy(),
    });
    if (release === undefined) socket.destroy();
    else socket.once('close', release);
  }

  /** False where the connection has been ended instead: its client asks on and on, and does not wait for what it asked before. */
  #begin({ socket }: IncomingMessage, response: ServerResponse): boolean {
    if (socket.destroyed) return false;
    this.#spoken.add(nameOf(socket));
    const underWay = this.#underWay.get(socket) ?? 0;
    if (underWay >= MAX_PIPELINED) {
      socket.destroy();
      return false;
    }
    this.#underWay.set(socket, underWay + 1);
    response.once('close', () => this.#underWay.set(socket, (this.#underWay.get(socket) ?? 1) - 1));
    return true;
  }

  async #answer(request: Request, { socket }: IncomingMessage): Promise<Response> {
    let peer = this.#peers.get(socket);
    if (peer === undefined) this.#peers.set(socket, (peer = this.#peerOf(socket)));
    const response = await this.#options.answer(request, peer);
    // Whoever was given nothing keeps no place that others might need.
    if (response.status >= 400) response.headers.set('connection', 'close');
    return response;
  }

  #peerOf(socket: Socket): HttpPeer {
    const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
    let uid: Promise<number | undefined> | undefined;
    const certificate = this.#tls && peerOf(socket as TLSSocket, this.#tls.material).certificate;
    return {
      address: remoteAddress,
      port: remotePort,
      isLoopback: isLoopback(remoteAddress),
      uid: (signal) => (uid ??= loopbackUid({ remoteAddress, remotePort, localAddress, localPort }, signal)),
      ...(certificate && { certificate }),
    };
  }
}

/** Of a connection, as long as it is open. */
function nameOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function tlsOptions({ material, requiresCertificate, minVersion }: HttpTls) {
  return {
    ...contextOf(material),
    minVersion,
    requestCert: material.clientCa !== undefined,
    rejectUnauthorized: requiresCertificate,
  };
}
