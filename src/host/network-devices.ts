import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { U64_MAX } from '../model/u64.ts';
import { nowNs } from './clock.ts';
import { PROC_ROOT } from './processes.ts';

/**
 * The counters of network devices as /proc/net/dev shows them, a page for each network namespace (proc(5)):
 *
 * | line | has |
 * | --- | --- |
 * | 1 | `Inter-\|   Receive … \|  Transmit` |
 * | 2 | ` face \|` names of columns `\|` names of columns |
 * | others | name of a device, `:`, a decimal number for each column |
 *
 * The numbers are all 64 bits of `struct rtnl_link_stats64`, some of them added up. Reading takes no lock of the network
 * configuration, unlike netlink or a device's own files.
 */

/** What the host counted of one direction of a device. */
export interface TrafficCounters {
  readonly bytes: bigint;
  readonly packets: bigint;
  readonly errors: bigint;
  /** Of those that it received, also those missed for want of room. */
  readonly dropped: bigint;
}

/** What the host counted of a device, from the host's point of view. */
export interface DeviceCounters {
  readonly received: TrafficCounters;
  readonly sent: TrafficCounters;
}

/** The longest page that is read, in bytes: a line has some 120. */
export const MAX_PAGE_BYTES: number = 16 << 20;

/** The most devices of one namespace; what comes after them is not looked at. */
export const MAX_DEVICES = 100_000;

/** For how long a page is shared, in milliseconds: one sweep over all VMs. */
export const SHARED_MS = 10;

/** The devices on one page. */
export class NetworkDevices {
  readonly #columns: Columns | undefined;
  readonly #lines = new Map<string, string>();

  /** Takes any text. A last line without its end is left out: its last number may be cut. */
  constructor(page: string) {
    let start = 0;
    for (let row = 0; row < MAX_DEVICES + 2; row++) {
      const end = page.indexOf('\n', start);
      if (end < 0) return;
      const line = page.slice(start, end);
      start = end + 1;
      if (row === 1) this.#columns = columnsOf(line);
      // A name may have colons, numbers have none.
      const colon = row < 2 ? -1 : line.lastIndexOf(':');
      if (colon >= 0) this.#lines.set(line.slice(0, colon).trimStart(), line.slice(colon + 1));
    }
  }

  get size(): number {
    return this.#lines.size;
  }

  /** True where there is a device of this name, whether or not its line makes sense. */
  has(name: string): boolean {
    return this.#lines.has(name);
  }

  /** Undefined where there is no such device, or its line lacks a number or has one that is none. */
  counters(name: string): DeviceCounters | undefined {
    const line = this.#lines.get(name);
    if (line === undefined || this.#columns === undefined) return undefined;
    const words = line.trim().split(/\s+/);
    const received = trafficOf(words, this.#columns.received);
    const sent = trafficOf(words, this.#columns.sent);
    return received && sent && { received, sent };
  }
}

/** A page, and when it was read: nanoseconds since 1970, UTC. */
export interface DevicesPage {
  readonly devices: NetworkDevices;
  readonly collectedAtNs: bigint;
}

/** The pages of all network namespaces that processes live in, each read once for all of them. */
export class NetworkNamespaces {
  readonly #procRoot: string;
  readonly #sharedMs: number;
  readonly #pages = new Map<string, DevicesPage & { readonly readAtMs: number }>();
  #reads = 0;

  constructor(procRoot: string = PROC_ROOT, sharedMs: number = SHARED_MS) {
    this.#procRoot = procRoot;
    this.#sharedMs = sharedMs;
  }

  /** How often a page was read. */
  get reads(): number {
    return this.#reads;
  }

  /** The page of the namespace that a process lives in, at most {@link SHARED_MS} old; undefined where it cannot be read. */
  of(pid: number | 'self'): DevicesPage | undefined {
    const path = `${this.#procRoot}/${pid}/net/dev`;
    try {
      // Each namespace has its own inode here, which everybody may ask for; ns/net is only for who may trace the process.
      const { dev, ino } = statSync(path);
      const key = `${dev}:${ino}`;
      const nowMs = performance.now();
      const shared = this.#pages.get(key);
      if (shared !== undefined && nowMs - shared.readAtMs < this.#sharedMs) return shared;
      this.#forgetOld(nowMs);
      const collectedAtNs = nowNs();
      const page = { devices: new NetworkDevices(readPage(path)), collectedAtNs, readAtMs: nowMs };
      this.#reads++;
      this.#pages.set(key, page);
      return page;
    } catch {
      return undefined;
    }
  }

  #forgetOld(nowMs: number): void {
    for (const [key, { readAtMs }] of this.#pages) {
      if (nowMs - readAtMs >= this.#sharedMs) this.#pages.delete(key);
    }
  }
}

/** Where the columns of one direction stand, counted from the first number. */
interface TrafficColumns {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

interface Columns {
  readonly received: TrafficColumns;
  readonly sent: TrafficColumns;
}

function columnsOf(header: string): Columns | undefined {
  const [, receive, transmit] = header.split('|').map((part) => part.trim().split(/\s+/));
  if (receive === undefined || transmit === undefined) return undefined;
  const received = trafficColumns(receive, 0);
  const sent = trafficColumns(transmit, receive.length);
  return received && sent && { received, sent };
}

function trafficColumns(names: readonly string[], offset: number): TrafficColumns | undefined {
  const [bytes = -1, packets = -1, errors = -1, dropped = -1] = ['bytes', 'packets', 'errs', 'drop'].map((name) =>
    names.indexOf(name),
  );
  if (Math.min(bytes, packets, errors, dropped) < 0) return undefined;
  return { bytes: offset + bytes, packets: offset + packets, errors: offset + errors, dropped: offset + dropped };
}

function trafficOf(words: readonly string[], columns: TrafficColumns): TrafficCounters | undefined {
  const bytes = numberOf(words[columns.bytes]);
  const packets = numberOf(words[columns.packets]);
  const errors = numberOf(words[columns.errors]);
  const dropped = numberOf(words[columns.dropped]);
  if (bytes === undefined || packets === undefined || errors === undefined || dropped === undefined) return undefined;
  return { bytes, packets, errors, dropped };
}

function numberOf(word: string | undefined): bigint | undefined {
  if (word === undefined || !/^\d{1,20}$/.test(word)) return undefined;
  const number = BigInt(word);
  return number <= U64_MAX ? number : undefined;
}

/** Shared, since reads are synchronous; grows with the longest page. */
let buffer = Buffer.alloc(64 * 1024);

/** The kernel gives a page in pieces, so that a short read is not its end. */
function readPage(path: string): string {
  const file = openSync(path, 'r');
  try {
    let size = 0;
    for (let more = -1; more !== 0 && size < MAX_PAGE_BYTES; size += more) {
      if (size === buffer.length) buffer = Buffer.concat([buffer], 2 * buffer.length);
      more = readSync(file, buffer, size, Math.min(buffer.length, MAX_PAGE_BYTES) - size, null);
    }
    return buffer.toString('utf8', 0, size);
  } finally {
    closeSync(file);
  }
}
