import { connect, type Socket } from 'node:net';

const CONNECT_LIMIT_MS = 10_000;
const LINE_FEED = 0x0a;
const RETURN = Buffer.from('{"return"');

/**
 * A QMP client that only looks for the ends of lines, so that it costs as little as a client can, and the same whoever
 * answers. One request at a time; there must be no events.
 */
export class QmpReader {
  readonly #socket: Socket;
  #waiting: PromiseWithResolvers<void> | undefined;
  #failure: Error | undefined;
  #isBegun = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the peer closed the connection')));
  }

  /** Connects, waits for the greeting and negotiates. */
  static async open(path: string): Promise<QmpReader> {
    const reader = new QmpReader(connect(path));
    const timer = setTimeout(() => reader.#fail(new Error(`${path} does not answer`)), CONNECT_LIMIT_MS);
    try {
      reader.#isBegun = true;
      await reader.#line();
      await reader.ask(request('qmp_capabilities'));
      return reader;
    } catch (error) {
      reader.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends a request and resolves when its whole answer is there; rejects where that is an error. */
  ask(line: Buffer): Promise<void> {
    this.#isBegun = false;
    this.#socket.write(line);
    return this.#line();
  }

  /** Sends requests and reads nothing any more. */
  stall(requests: Buffer): void {
    this.#socket.pause();
    this.#socket.write(requests);
  }

  close(): void {
    this.#socket.destroy();
  }

  #line(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  #take(chunk: Buffer): void {
    if (!this.#isBegun) {
      this.#isBegun = true;
      if (chunk.compare(RETURN, 0, RETURN.length, 0, RETURN.length) !== 0) {
        this.#fail(new Error(`a request failed: ${chunk.toString('latin1', 0, 200)}`));
      }
    }
    if (chunk[chunk.length - 1] === LINE_FEED) this.#waiting?.resolve();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
  }
}

/** A request as a line. */
export function request(command: string, args?: Readonly<Record<string, unknown>>): Buffer {
  return Buffer.from(`${JSON.stringify({ execute: command, arguments: args })}\n`);
}
