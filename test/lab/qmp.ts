import { parse } from 'lossless-json';
import { TextSocket } from './text-socket.ts';

/** A QMP monitor, spoken to line by line: a second implementation for tests to compare ours with. */
export class RawQmp {
  readonly #socket: TextSocket;
  /** The greeting, as it came. */
  readonly greeting: string;
  /** Events that came while an answer was awaited, as they came. */
  readonly events: string[] = [];

  private constructor(socket: TextSocket, greeting: string) {
    this.#socket = socket;
    this.greeting = greeting;
  }

  /** Connects, waits for the greeting and negotiates. */
  static async open(path: string): Promise<RawQmp> {
    const socket = await TextSocket.open(path);
    try {
      const monitor = new RawQmp(socket, await socket.readTo('\n'));
      await monitor.execute('qmp_capabilities');
      return monitor;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** What `command` returns; integers are bigint. Rejects with the text of an error that QEMU answers. */
  async execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    const text = await this.send(JSON.stringify({ execute: command, arguments: args }));
    const reply = parse(text, null, (number) => (/^-?\d+$/.test(number) ? BigInt(number) : Number(number)));
    if (typeof reply === 'object' && reply !== null && 'return' in reply) return reply.return;
    throw new Error(`${command}: ${text.trim()}`);
  }

  /** Sends one line and resolves to the line that answers it, as it came. */
  async send(line: string): Promise<string> {
    this.#socket.write(`${line}\n`);
    for (;;) {
      const answer = await this.#socket.readTo('\n');
      if (!answer.includes('"event":')) return answer;
      if (/^\{[^{]*"(return|error)":/.test(answer)) return answer;
      this.events.push(answer);
    }
  }

  /** Closes the connection. */
  close(): void {
    this.#socket.close();
  }
}
