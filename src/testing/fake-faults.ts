import type { Socket } from 'node:net';
import { type JsonObject, stringifyJson } from '../protocol/json/json.ts';

/**
 * What a fake monitor does wrong:
 *
 * | fault | behaviour |
 * | --- | --- |
 * | `never-greets` | accepts the connection and says nothing, as a QEMU that serves somebody else |
 * | `no-qmp` | says what a web server says |
 * | `never-answers` | negotiates, then answers no command |
 * | `dies-in-mid-reply` | sends half of each reply and breaks the connection |
 * | `wrong-id` | answers with an id that nobody asked with |
 * | `garbage` | sends a line that is no JSON instead of the reply |
 * | `binary` | sends bytes that no JSON has |
 * | `endless-line` | sends a line of {@link ENDLESS_LINE_BYTES} bytes with no end |
 * | `deep-nesting` | sends {@link DEEP_NESTING} brackets, one in the other |
 * | `wrong-shape` | returns a string, whatever was asked |
 */
export type FakeFault =
  | 'never-greets'
  | 'no-qmp'
  | 'never-answers'
  | 'dies-in-mid-reply'
  | 'wrong-id'
  | 'garbage'
  | 'binary'
  | 'endless-line'
  | 'deep-nesting'
  | 'wrong-shape';

/** Size of the line of fault `endless-line`, in bytes. */
export const ENDLESS_LINE_BYTES: number = 100 * 2 ** 20;

/** How deep the brackets of fault `deep-nesting` go. */
export const DEEP_NESTING = 10_000;

/** Connections on which a line without an end has begun. */
const flooded = new WeakSet<Socket>();

/** What a fault acts on. */
export interface FaultyPeer {
  readonly send: (bytes: string | Uint8Array) => void;
  /** Resolves when everything has been handed to the system. */
  readonly sent: () => Promise<void>;
  readonly socket: Socket;
}

/** Does to `reply` what `fault` says. */
export function misbehave(fault: FakeFault, reply: JsonObject, peer: FaultyPeer): void {
  const line = `${stringifyJson(reply)}\r\n`;
  if (fault === 'wrong-id') peer.send(`${stringifyJson({ ...reply, id: 'not-yours' })}\r\n`);
  else if (fault === 'garbage') peer.send('{"return": [}, oops\r\n');
  else if (fault === 'binary') peer.send(Uint8Array.of(0x7b, 0xff, 0x00, 0x80, 0x0d, 0x0a));
  else if (fault === 'wrong-shape') peer.send(`${stringifyJson({ return: 'surprise', id: reply['id'] ?? null })}\r\n`);
  else if (fault === 'deep-nesting') peer.send(`${'['.repeat(DEEP_NESTING)}${']'.repeat(DEEP_NESTING)}\r\n`);
  else if (fault === 'dies-in-mid-reply') {
    peer.send(line.slice(0, line.length / 2));
    void peer.sent().then(() => peer.socket.end());
  } else if (fault === 'endless-line') {
    // A line that does not end leaves no room for another: who asks many questions at once gets no more than who asks one.
    if (flooded.has(peer.socket)) return;
    flooded.add(peer.socket);
    const piece = new Uint8Array(2 ** 20).fill(0x61);
    peer.send('{"return": "');
    for (let sent = 0; sent < ENDLESS_LINE_BYTES; sent += piece.length) peer.send(piece);
  }
}
