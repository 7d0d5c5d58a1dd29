import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { DomainReference } from '../protocol/libvirt/domain.ts';
import type { DomainStatsRecord, DomainStatsRequest } from '../protocol/libvirt/domain-stats.ts';
import { REMOTE_ERROR, type RemoteError, remoteError } from '../protocol/libvirt/error.ts';
import { encodeKeepalive, KEEPALIVE } from '../protocol/libvirt/keepalive.ts';
import { decodePayload, encodeMessage, type Message, MessageReader, PROGRAM } from '../protocol/libvirt/message.ts';
import type { Procedure } from '../protocol/libvirt/procedure.ts';
import * as procedures from '../protocol/libvirt/procedures.ts';

/** What a {@link FakeLibvirtd} answers to a call. */
export type FakeLibvirtAnswer =
  | { readonly result: unknown }
  | { readonly error: RemoteError }
  /** These bytes, whatever they are. */
  | { readonly bytes: Uint8Array }
  | 'silence'
  /** A piece of a reply, and the end of the connection. */
  | 'hang up';

/** A call that the fake received. */
export interface FakeLibvirtCall {
  /** libvirt's name of the procedure. */
  readonly name: string;
  readonly args: unknown;
  readonly serial: number;
  /** Which connection it came on, counted from 1. */
  readonly connection: number;
}

/** How a {@link FakeLibvirtd} behaves; without any of it, it is a healthy daemon without domains. */
export interface FakeLibvirtdOptions {
  /** Path of a unix socket; a free TCP port on loopback if absent. */
  readonly path?: string;
  /** Serves TLS with this certificate and key, in PEM form, and says first what stands in `greeting`. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** What is said first over TLS; the one byte of libvirt if absent. */
  readonly greeting?: Uint8Array;
  /** The domains and what is known of them. */
  readonly records?: readonly DomainStatsRecord[];
  /** Answers instead of the usual; undefined for the usual. */
  readonly answer?: (call: FakeLibvirtCall) => FakeLibvirtAnswer | undefined;
  /** Whether pings are answered; true if absent. */
  readonly isAlive?: boolean;
}

const REPLY = 1;
const FAILED = 1;
const GREETING: Uint8Array = Uint8Array.of(1);

/** By number. */
const KNOWN: ReadonlyMap<number, Procedure<unknown, unknown>> = new Map(
  Object.values(procedures).flatMap((each) =>
    typeof each === 'object' && 'args' in each
      ? [[each.number, each as unknown as Procedure<unknown, unknown>] as const]
      : [],
  ),
);

/** A libvirt daemon for tests: a real socket that speaks libvirt's RPC, or misbehaves in the way that is asked for. */
export class FakeLibvirtd implements AsyncDisposable {
  /** Every call, in the order in which they came. */
  readonly calls: FakeLibvirtCall[] = [];
  readonly #options: FakeLibvirtdOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #connections = 0;

  private constructor(options: FakeLibvirtdOptions) {
    this.#options = options;
    const accept = (socket: Socket): void => this.#accept(socket);
    this.#server = options.tls === undefined ? createServer(accept) : createTlsServer(options.tls, accept);
  }

  /** Begins to listen. Rejects with the system's error where the address cannot be had. */
  static async listen(options: FakeLibvirtdOptions = {}): Promise<FakeLibvirtd> {
    const fake = new FakeLibvirtd(options);
    await new Promise<void>((resolve, reject) => {
      fake.#server.once('error', reject);
      if (options.path === undefined) fake.#server.listen(0, '127.0.0.1', resolve);
      else fake.#server.listen(options.path, resolve);
    });
    return fake;
  }

  /** The URI under which libvirt's clients reach it. */
  get uri(): string {
    const { path, tls } = this.#options;
    if (path !== undefined) return `qemu+unix:///system?socket=${path}`;
    const bound = this.#server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    return `qemu+${tls === undefined ? 'tcp' : 'tls'}://localhost:${port}/system`;
  }

  /** How many connections are open. */
  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Cuts all connections; new ones are accepted. */
  dropAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends all of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dropAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    const connection = ++this.#connections;
    const reader = new MessageReader();
    this.#sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    if (this.#options.tls !== undefined) socket.write(this.#options.greeting ?? GREETING);
    socket.on('data', (chunk) => {
      reader.push(chunk);
      for (let message = reader.next(); message !== undefined; message = reader.next()) {
        this.#take(message, socket, connection);
      }
    });
  }

  #take({ header, payload }: Message, socket: Socket, connection: number): void {
    if (header.program === PROGRAM.keepalive) {
      if (this.#options.isAlive !== false) socket.write(encodeKeepalive(KEEPALIVE.pong));
      return;
    }
    const procedure = KNOWN.get(header.procedure);
    const args = procedure === undefined ? undefined : decodePayload(payload, procedure.args);
    const name = procedure?.name ?? `${header.procedure}`;
    const call = { name, args, serial: header.serial, connection };
    this.calls.push(call);
    const answer = this.#options.answer?.(call) ?? this.#usual(call);
    if (answer === 'silence') return;
    if (answer === 'hang up') socket.end(Uint8Array.of(0, 0, 0, 64, 0x20));
    else if ('bytes' in answer) socket.write(answer.bytes);
    else if ('error' in answer || procedure === undefined) {
      const error = 'error' in answer ? answer.error : remoteError(39, 7, `unknown procedure: ${name}`);
      socket.write(encodeMessage({ ...header, type: REPLY, status: FAILED }, REMOTE_ERROR, error));
    } else socket.write(encodeMessage({ ...header, type: REPLY }, procedure.result, answer.result));
  }

  #usual({ name, args }: FakeLibvirtCall): FakeLibvirtAnswer {
    const records = this.#options.records ?? [];
    if (name === 'AUTH_LIST') return { result: [procedures.AUTH_TYPE.none] };
    if (name === 'CONNECT_OPEN' || name === 'CONNECT_CLOSE') return { result: undefined };
    if (name === 'CONNECT_GET_HOSTNAME') return { result: 'fake' };
    if (name === 'CONNECT_LIST_ALL_DOMAINS') {
      return { result: { domains: records.map(({ domain }) => domain), count: records.length } };
    }
    if (name === 'CONNECT_GET_ALL_DOMAIN_STATS') {
      const { domains } = args as DomainStatsRequest;
      const listed = domains.flatMap(({ uuid }) => records.filter(({ domain }) => domain.uuid === uuid));
      return { result: domains.length === 0 ? records : listed };
    }
    const found = records.find(({ domain }) => isMeant(domain, name, args));
    if (found !== undefined) return { result: found.domain };
    return { error: remoteError(name.startsWith('DOMAIN_LOOKUP') ? 42 : 39, 10, `nothing for ${name}`) };
  }
}

function isMeant({ id, name, uuid }: DomainReference, procedure: string, args: unknown): boolean {
  if (procedure === 'DOMAIN_LOOKUP_BY_ID') return id === args;
  return procedure === 'DOMAIN_LOOKUP_BY_NAME' ? name === args : procedure === 'DOMAIN_LOOKUP_BY_UUID' && uuid === args;
}
