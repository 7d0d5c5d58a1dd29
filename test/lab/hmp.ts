import { TextSocket } from './text-socket.ts';

const PROMPT = '(qemu) ';

/** A human monitor, spoken to as a terminal would: a second implementation for tests to compare ours with. */
export class RawHmp {
  readonly #socket: TextSocket;

  private constructor(socket: TextSocket) {
    this.#socket = socket;
  }

  /** Connects and waits for the first prompt. */
  static async open(path: string): Promise<RawHmp> {
    const socket = await TextSocket.open(path);
    await socket.readTo(PROMPT);
    return new RawHmp(socket);
  }

  /** What the monitor prints for a command, byte for byte with its CR LF line ends, without echo and prompt. */
  async command(line: string): Promise<string> {
    this.#socket.write(`${line}\n`);
    // The monitor echoes the line with cursor movements, up to the end of the line.
    await this.#socket.readTo('\r\n');
    const text = await this.#socket.readTo(PROMPT);
    return text.slice(0, -PROMPT.length);
  }

  /** Closes the connection. */
  close(): void {
    this.#socket.close();
  }
}
