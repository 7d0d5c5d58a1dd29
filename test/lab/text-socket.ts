import { connect, type Socket } from 'node:net';

const CONNECT_LIMIT_MS = 10_000;
const ANSWER_LIMIT_MS = 20_000;

/** A unix socket with text on it, as the raw clients of the tests need it: write, and read up to a mark. */
export class TextSocket {
  readonly #socket: Socket;
  #received = '';
  #error: Error | undefined;
  #arrived = Promise.withResolvers<void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    // Latin-1 keeps every byte, so that tests may compare bytes.
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#onChange(() => (this.#received += text)));
    socket.on('error', (error) => this.#onChange(() => (this.#error = error)));
    socket.on('close', () => this.#onChange(() => (this.#error ??= new Error('the peer closed the connection'))));
  }

  /** Connects to a unix socket; rejects after 10 s. */
  static async open(path: string): Promise<TextSocket> {
    const socket = connect(path);
    const connected = Promise.withResolvers<void>();
    const timer = setTimeout(() => connected.reject(new Error(`${path} did not accept`)), CONNECT_LIMIT_MS);
    socket.once('connect', connected.resolve);
    socket.once('error', connected.reject);
    try {
      await connected.promise;
      return new TextSocket(socket);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends text as it is. */
  write(text: string): void {
    this.#socket.write(text, 'latin1');
  }

  /** All text up to and with `mark`; rejects when it does not come within 20 s. */
  async readTo(mark: string): Promise<string> {
    const deadlineMs = performance.now() + ANSWER_LIMIT_MS;
    for (let end = this.#received.indexOf(mark); ; end = this.#received.indexOf(mark)) {
      if (end >= 0) {
        const text = this.#received.slice(0, end + mark.length);
        this.#received = this.#received.slice(end + mark.length);
        return text;
      }
      if (this.#error !== undefined) throw this.#error;
      await this.#change(deadlineMs, mark);
    }
  }

  /** Closes the connection. */
  close(): void {
    this.#socket.destroy();
  }

  #onChange(change: () => void): void {
    change();
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }

  async #change(deadlineMs: number, mark: string): Promise<void> {
    const late = Promise.withResolvers<void>();
    const error = new Error(`no ${JSON.stringify(mark)} came; what did: ${JSON.stringify(this.#received.slice(-200))}`);
    const timer = setTimeout(() => late.reject(error), deadlineMs - performance.now());
    try {
      await Promise.race([this.#arrived.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
