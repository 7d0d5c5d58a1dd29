import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import type { StreamAddress } from '../host/stream.ts';
import { type JsonInput, type JsonObject, type JsonValue, parseJson, stringifyJson } from '../protocol/json/json.ts';
import { FrameScanner } from '../protocol/qmp/framing.ts';
import { QmpCommandError } from '../protocol/qmp/messages.ts';
import { FAKE_COMMANDS, type FakeCommand, type FakeVm, statsCommands } from './fake-commands.ts';
import { type FakeFault, misbehave } from './fake-faults.ts';

/** How a {@link FakeMonitor} behaves; without any of it, it is a healthy monitor of a VM that has no statistics. */
export interface FakeMonitorOptions extends FakeVm {
  /** Path of a unix socket; a free TCP port on loopback if absent. */
  readonly path?: string;
  /** Serves TLS on TCP with this certificate and key, in PEM form. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** What goes wrong. */
  readonly fault?: FakeFault;
  /** Commands beside or instead of the usual ones; null takes one away, as on an old QEMU. */
  readonly commands?: Readonly<Record<string, FakeCommand | null>>;
  /** Sends in pieces of this many bytes, each in a turn of its own. */
  readonly chunkBytes?: number;
  /** Serves one client at a time and lets others wait without a greeting, as QEMU does; true if absent. */
  readonly isOneClient?: boolean;
  /** What the greeting says; QEMU 7.2.22 if absent. */
  readonly version?: { readonly major: number; readonly minor: number; readonly micro: number };
  /** What the greeting offers; `oob` if absent. */
  readonly capabilities?: readonly string[];
}

/** A request that the fake received. */
export interface FakeRequest {
  readonly command: string;
  readonly arguments: JsonObject;
  readonly isOob: boolean;
  /** Which connection it came on, counted from 1. */
  readonly connection: number;
  /** In which piece of that connection it ended, counted from 1: what the client wrote at once comes in one piece. */
  readonly piece: number;
}

/**
 * A QMP peer for tests: a real socket that speaks QMP as QEMU does, or misbehaves in the way that is asked for.
 *
 * ```ts
 * await using monitor = await FakeMonitor.listen({ schemas, results: { vm: [{ provider: 'kvm', stats }] } });
 * const source = new QemuSource(monitor.uri);
 * ```
 */
export class FakeMonitor {
  /** Every request, in the order in which they came. */
  readonly requests: FakeRequest[] = [];
  readonly #options: FakeMonitorOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Who waits to be served, and which connection each is. */
  readonly #waiting = new Map<Socket, number>();
  #served: Socket | undefined;
  #connections = 0;

  private constructor(options: FakeMonitorOptions) {
    this.#options = options;
    const accept = (socket: Socket): void => this.#accept(socket);
    this.#server = options.tls === undefined ? createServer(accept) : createTlsServer(options.tls, accept);
  }

  /** Begins to listen. Rejects with the system's error where the address cannot be had. */
  static async listen(options: FakeMonitorOptions = {}): Promise<FakeMonitor> {
    const fake = new FakeMonitor(options);
    await new Promise<void>((resolve, reject) => {
      fake.#server.once('error', reject);
      if (options.path === undefined) fake.#server.listen(0, '127.0.0.1', resolve);
      else fake.#server.listen(options.path, resolve);
    });
    return fake;
  }

  /** Where it listens. */
  get address(): StreamAddress {
    const { path, tls } = this.#options;
    if (path !== undefined) return { kind: 'unix', path };
    const bound = this.#server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    return { kind: tls === undefined ? 'tcp' : 'tls', host: '127.0.0.1', port };
  }

  /** The same as a URI of a source. */
  get uri(): string {
    const { address } = this;
    return address.kind === 'unix'
      ? `qmp+unix:${address.path}`
      : `qmp+${address.kind}://${address.host}:${address.port}`;
  }

  /** Connections accepted so far. */
  get connections(): number {
    return this.#connections;
  }

  /** Connections that are open now. */
  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Sends a message of your own, an event for one, to the client that is served. */
  send(message: JsonInput): void {
    this.sendBytes(`${stringifyJson(message)}\r\n`);
  }

  /** Sends bytes of your own to the client that is served. */
  sendBytes(bytes: string | Uint8Array): void {
    this.#served?.write(bytes);
  }

  /** Breaks every connection, as a QEMU that exits. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Breaks every connection and stops listening. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.disconnect();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(socket: Socket): void {
    this.#connections++;
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#leave(socket));
    if (this.#served !== undefined && this.#options.isOneClient !== false) this.#waiting.set(socket, this.#connections);
    else this.#serve(socket, this.#connections);
  }

  #leave(socket: Socket): void {
    this.#sockets.delete(socket);
    this.#waiting.delete(socket);
    if (socket !== this.#served) return;
    this.#served = undefined;
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next[0]);
    this.#serve(...next);
  }

  #serve(socket: Socket, connection: number): void {
    this.#served = socket;
    const client = new Client(socket, this.#options, (request) => this.requests.push({ ...request, connection }));
    client.greet();
  }
}

/** One client's connection, from the greeting on. */
class Client {
  readonly #socket: Socket;
  readonly #options: FakeMonitorOptions;
  readonly #note: (request: Omit<FakeRequest, 'connection'>) => void;
  readonly #commands: Readonly<Record<string, FakeCommand | null>>;
  readonly #scanner = new FrameScanner();
  #isNegotiated = false;
  #pieces = 0;
  #sending: Promise<void> = Promise.resolve();

  constructor(socket: Socket, options: FakeMonitorOptions, note: (request: Omit<FakeRequest, 'connection'>) => void) {
    this.#socket = socket;
    this.#options = options;
    this.#note = note;
    this.#commands = { ...FAKE_COMMANDS, ...statsCommands(options), ...options.commands };
  }

  greet(): void {
    const { fault, version = { major: 7, minor: 2, micro: 22 }, capabilities = ['oob'] } = this.#options;
    this.#socket.on('data', (chunk: Uint8Array) => this.#receive(chunk));
    if (fault === 'never-greets') return;
    if (fault === 'no-qmp') {
      this.#send('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      return;
    }
    this.#sendJson({ QMP: { version: { qemu: version, package: 'fake' }, capabilities } });
  }

  #receive(chunk: Uint8Array): void {
    this.#pieces++;
    this.#scanner.push(chunk);
    for (;;) {
      try {
        const text = this.#scanner.next();
        if (text === undefined) return;
        this.#answer(parseJson(text) as JsonObject);
      } catch (error) {
        const desc = `JSON parse error, ${error instanceof Error ? error.message : error}`;
        this.#sendJson({ error: { class: 'GenericError', desc } });
      }
    }
  }

  #answer(request: JsonObject): void {
    const isOob = Object.hasOwn(request, 'exec-oob');
    const command = String(request[isOob ? 'exec-oob' : 'execute']);
    const args = (request['arguments'] ?? {}) as JsonObject;
    const { fault } = this.#options;
    this.#note({ command, arguments: args, isOob, piece: this.#pieces });
    const reply = { ...this.#reply(command, args), ...('id' in request && { id: request['id'] }) } as JsonObject;
    if (fault === undefined || command === 'qmp_capabilities') {
      this.#sendJson(reply);
      return;
    }
    misbehave(fault, reply, {
      send: (bytes) => this.#send(bytes),
      sent: () => this.#sending,
      socket: this.#socket,
    });
  }

  #reply(command: string, args: JsonObject): JsonObject {
    if (command === 'qmp_capabilities') {
      this.#isNegotiated = true;
      return { return: {} };
    }
    if (!this.#isNegotiated) {
      return refusal('CommandNotFound', "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    const run = Object.hasOwn(this.#commands, command) ? this.#commands[command] : undefined;
    if (!run) return refusal('CommandNotFound', `The command ${command} has not been found`);
    try {
      return { return: run(args) as JsonValue };
    } catch (error) {
      if (error instanceof QmpCommandError) return refusal(error.className, error.desc);
      throw error;
    }
  }

  #sendJson(message: JsonInput): void {
    this.#send(`${stringifyJson(message)}\r\n`);
  }

  #send(text: string | Uint8Array): void {
    const bytes = Buffer.from(text as string);
    const size = this.#options.chunkBytes ?? bytes.length;
    this.#sending = this.#sending.then(async () => {
      for (let at = 0; at < bytes.length && !this.#socket.destroyed; at += size) {
        const hasRoom = this.#socket.write(bytes.subarray(at, at + size));
        if (size < bytes.length) await nextTurn();
        if (!hasRoom) await drained(this.#socket);
      }
    });
  }
}

function refusal(className: string, desc: string): JsonObject {
  return { error: { class: className, desc } };
}

/** Waits until the peer has read, or is gone. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed || !socket.writableNeedDrain) return resolve();
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.once('drain', done).once('close', done);
  });
}
