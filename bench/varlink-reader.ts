import { connect, type Socket } from 'node:net';

const LIMIT_MS = 60_000;

/** A varlink client that only looks for the ends of replies: it costs the machine as little as a reader can. */
export class VarlinkReader {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #waiting: PromiseWithResolvers<Buffer> | undefined;
  #failure: Error | undefined;

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the service closed the connection')));
  }

  /** Calls a method; the replies come by {@link reply}. */
  call(method: string, parameters: object, more = false): void {
    const call = { method, parameters, ...(more && { more }) };
    this.#socket.write(`${JSON.stringify(call)}\0`);
  }

  /** The next reply, with its NUL; to be asked for before it can be there. Rejects after a minute. */
  async reply(): Promise<Buffer> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#waiting = Promise.withResolvers();
    const timer = setTimeout(() => this.#fail(new Error(`no reply within ${LIMIT_MS} ms`)), LIMIT_MS);
    return this.#waiting.promise.finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    if (chunk[chunk.length - 1] !== 0) return;
    const reply = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#waiting?.resolve(reply);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
  }
}
