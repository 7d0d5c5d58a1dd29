import { isIPv4 } from 'node:net';
import { VirtstatError } from '../model/errors.ts';
import { readBounded } from './files.ts';

/** Both ends of a TCP connection, as the server sees it. */
export interface TcpEnds {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** Largest table of sockets that is read, in bytes: 100,000 connections. */
const MAX_TABLE_BYTES: number = 16 << 20;

/** How long reading it may take, in milliseconds. */
const READ_TIMEOUT_MS = 10_000;

/** More than the longest line of the table has, in characters: some 150, and 210 of IPv6. */
const MAX_LINE_LENGTH = 512;

/**
 * A text that is read for all who want it at the same time. A connection that comes while it is read may not be in it: whoever asks
 * then shares the next one.
 */
export class SharedRead {
  readonly #read: () => Promise<string>;
  #running: Promise<string> | undefined;
  #next: Promise<string> | undefined;

  constructor(read: () => Promise<string>) {
    this.#read = read;
  }

  /** As it is from now on. Rejects as reading does. */
  read(): Promise<string> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<string> {
    this.#next = undefined;
    const running = this.#read().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}

/** TCP_ESTABLISHED of include/net/tcp_states.h. */
const ESTABLISHED = '01';

/** The client's socket may be in either table: one of IPv6 reaches addresses of IPv4, too. */
const TABLES: readonly SharedRead[] = ['/proc/net/tcp', '/proc/net/tcp6'].map(
  (path) => new SharedRead(() => readTable(path, AbortSignal.timeout(READ_TIMEOUT_MS))),
);

/**
 * Whose the client's socket is, where the client is on this host and came over the loopback device; undefined for every other
 * client, and where the kernel does not say so for certain. The kernel's tables have a line for each socket (proc_net_tcp(5)):
 *
 * | word | what |
 * | --- | --- |
 * | 1, 2 | its own and the other end: address as words of 32 bits in the machine's order, port, in hexadecimal |
 * | 3 | state; only an established connection counts: a socket whose process has left it shows user 0 |
 * | 7 | uid |
 * | 9 | inode; 0 where no process holds it any more |
 */
export async function loopbackUid(ends: TcpEnds, signal: AbortSignal): Promise<number | undefined> {
  if (!isLoopback(ends.remoteAddress)) return undefined;
  const client = formsOf(ends.remoteAddress, ends.remotePort);
  const server = formsOf(ends.localAddress, ends.localPort);
  for (const table of TABLES) {
    const text = await table.read();
    signal.throwIfAborted();
    const uid = uidIn(text, client, server);
    if (uid !== undefined) return uid;
  }
  return undefined;
}

/** True for 127.0.0.0/8 and ::1, also where IPv6 wraps the first. */
export function isLoopback(address: string): boolean {
  const plain = unwrapped(address);
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}

async function readTable(path: string, signal: AbortSignal): Promise<string> {
  try {
    const content = await readBounded(path, { maxSizeBytes: MAX_TABLE_BYTES, signal });
    return content === undefined ? '' : Buffer.from(content.bytes).toString('latin1');
  } catch (error) {
    // A host without IPv6 has no table of it.
    if (VirtstatError.is(error) && error.code !== 'CANCELLED') return '';
    throw error;
  }
}

/** @param client, server - the forms that each end may have in the table */
export function uidIn(table: string, client: ReadonlySet<string>, server: ReadonlySet<string>): number | undefined {
  for (const own of client) {
    for (const other of server) {
      // The table may have a hundred thousand lines, most of them of connections that are over: only the one is taken apart.
      const at = table.indexOf(` ${own} ${other} ${ESTABLISHED} `);
      if (at < 0) continue;
      const [line = ''] = table.slice(at, at + MAX_LINE_LENGTH).split('\n', 1);
      const [, , , , , , uid = '', , inode = '0'] = line.trim().split(/\s+/);
      return inode === '0' || !/^\d+$/.test(uid) ? undefined : Number(uid);
    }
  }
  return undefined;
}

/** How the kernel writes an address and a port: of IPv4 in both tables' ways. */
export function formsOf(address: string, port: number): ReadonlySet<string> {
  const plain = unwrapped(address);
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  if (plain === '::1') return new Set([`${hexWords([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])}${suffix}`]);
  const bytes = plain.split('.').map(Number);
  const wrapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...bytes];
  return new Set([`${hexWords(bytes)}${suffix}`, `${hexWords(wrapped)}${suffix}`]);
}

function unwrapped(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/** Each word of 4 bytes as a number of this machine. */
function hexWords(bytes: readonly number[]): string {
  const words = new Uint32Array(Uint8Array.from(bytes).buffer);
  return [...words].map((word) => word.toString(16).toUpperCase().padStart(8, '0')).join('');
}
