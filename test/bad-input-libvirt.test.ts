import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeMessage, MESSAGE_TYPE, PROGRAM } from '../src/protocol/libvirt/message.ts';
import type { Procedure } from '../src/protocol/libvirt/procedure.ts';
import * as procedures from '../src/protocol/libvirt/procedures.ts';
import { LibvirtConnection } from '../src/source/libvirt/connection.ts';
import { DaemonProcess } from './lab/daemon.ts';

const CAPTURES = `kvm+file:${fileURLToPath(new URL('../captures/kvm', import.meta.url))}`;

/** How long others may wait for an answer while somebody misbehaves, in milliseconds: the machine may be busy. */
const PROMPT_MS = 5_000;
const LIMIT_MS = 30_000;
/** How much more memory may be held afterwards, in bytes: a heap grows with use, but not with what is sent. */
const MEMORY_ROOM_BYTES = 128 * 2 ** 20;
/** How much each of some peers sends, in bytes; and how much where each 40 bytes are answered. */
const [FLOOD_BYTES, CALL_FLOOD_BYTES] = [64 * 2 ** 20, 2 ** 20];

let folder: string;
let daemon: DaemonProcess;
let socketPath: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vsl-'));
  daemon = await DaemonProcess.ready('-c', CAPTURES, '--runtime-dir', join(folder, 'run'));
  socketPath = join(folder, 'run/libvirt-sock-ro');
});
afterAll(async () => {
  await daemon?.end('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function call<A, R>({ number, args }: Procedure<A, R>, value: A, serial = 0): Uint8Array {
  const header = { program: PROGRAM.remote, version: 1, procedure: number, type: MESSAGE_TYPE.call, serial, status: 0 };
  return encodeMessage(header, args, value);
}

const OPEN = call(procedures.CONNECT_OPEN, { name: 'qemu:///system', flags: 1 });
const BULK = call(procedures.CONNECT_GET_ALL_DOMAIN_STATS, { domains: [], stats: 0, flags: 0 });

/** All domains' statistics by a client of its own; gives how long that took, in milliseconds. */
async function ask(): Promise<number> {
  const startMs = performance.now();
  await using connection = await LibvirtConnection.open(`qemu+unix:///system?socket=${socketPath}`);
  expect((await connection.getAllDomainStats()).length).toBeGreaterThan(0);
  return performance.now() - startMs;
}

/** Unlike node's own, it takes an error for one more thing that happens. */
function happened(socket: Socket, event: string): Promise<void> {
  return new Promise((resolve) => socket.once(event, () => resolve()));
}

function connect(): Socket {
  // A peer that closes while much is under way resets the connection.
  return createConnection(socketPath).on('error', () => undefined);
}

/** Sends a piece again and again until so many bytes have gone, nobody takes them or the daemon closes. */
async function flood(begin: Uint8Array, piece: Uint8Array, sizeBytes: number): Promise<void> {
  const socket = connect();
  const closed = happened(socket, 'close');
  socket.resume().write(begin);
  for (let sent = 0; sent < sizeBytes && !socket.destroyed; sent += piece.length) {
    if (!socket.write(piece)) await Promise.race([happened(socket, 'drain'), closed, sleep(1000)]);
  }
  socket.destroy();
  await closed;
}

describe('a client of the libvirt socket', () => {
  it.each<[string, Uint8Array, Uint8Array, number]>([
    ['garbage', OPEN, Buffer.alloc(65_536, 'GET / HTTP/1.1\r\n'), FLOOD_BYTES],
    [
      'one message that never ends',
      Buffer.concat([OPEN, Buffer.from('00100000', 'hex')]),
      Buffer.alloc(65_536),
      FLOOD_BYTES,
    ],
    ['streams', OPEN, streams(2000), FLOOD_BYTES],
    [
      'calls that cannot be decoded',
      OPEN,
      Buffer.concat(Array.from({ length: 500 }, () => BULK.with(28, 1))),
      CALL_FLOOD_BYTES,
    ],
  ])('that sends %s without end costs no memory and keeps nobody waiting', async (_what, begin, piece, sizeBytes) => {
    await ask();
    const beforeBytes = daemon.residentBytes;
    const floods = Array.from({ length: 4 }, () => flood(begin, piece, sizeBytes));
    expect(await ask()).toBeLessThan(PROMPT_MS);
    await Promise.all(floods);
    expect(daemon.residentBytes - beforeBytes).toBeLessThan(MEMORY_ROOM_BYTES);
    expect(await ask()).toBeLessThan(PROMPT_MS);
  });

  it('gets ten thousand calls answered that it sends at once, right ones and wrong ones', async () => {
    const pieces = [call(procedures.CONNECT_GET_TYPE, undefined), BULK.with(15, 255), BULK.with(28, 1)];
    const calls = Array.from({ length: 10_000 }, (_, index) =>
      index % 100 === 0 ? BULK : (pieces[index % pieces.length] as Uint8Array),
    );
    const beforeBytes = daemon.residentBytes;
    const socket = connect();
    let [received, replies] = [Buffer.alloc(0), 0];
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      for (let size = 0; received.length >= 4 && received.length >= (size = received.readUInt32BE(0)); replies++) {
        received = received.subarray(size);
      }
    });
    socket.write(Buffer.concat([OPEN, ...calls]));
    await expect.poll(() => replies, { timeout: LIMIT_MS }).toBe(calls.length + 1);
    socket.destroy();
    expect(daemon.residentBytes - beforeBytes).toBeLessThan(MEMORY_ROOM_BYTES);
  });

  it('that never reads costs what it did not read', async () => {
    const silent: Socket[] = [];
    const stall = async (): Promise<void> => {
      for (let index = 0; index < 20; index++) {
        const socket = connect().pause();
        socket.write(Buffer.concat([OPEN, ...Array.from({ length: 1000 }, () => BULK)]));
        silent.push(socket);
      }
      await sleep(2000);
      expect(await ask()).toBeLessThan(PROMPT_MS);
    };
    // The heap grows to what answering so many at once takes, whoever they are; then only what they leave is more.
    await stall();
    const beforeBytes = daemon.residentBytes;
    await stall();
    expect(daemon.residentBytes - beforeBytes).toBeLessThan(MEMORY_ROOM_BYTES / 2);
    for (const socket of silent) socket.destroy();
  });

  it('that sends half a header and stays takes nothing from others', async () => {
    const halves = Array.from({ length: 200 }, () => connect());
    for (const socket of halves) socket.write(OPEN.subarray(0, 14));
    expect(await ask()).toBeLessThan(PROMPT_MS);
    for (const socket of halves) socket.destroy();
  });
});

/** Pieces of streams that were never opened: nobody answers them. */
function streams(count: number): Uint8Array {
  const header = {
    program: PROGRAM.remote,
    version: 1,
    procedure: 201,
    type: MESSAGE_TYPE.stream,
    serial: 0,
    status: 2,
  };
  const one = encodeMessage(header, procedures.CONNECT_OPEN.result, undefined);
  return Buffer.concat(Array.from({ length: count }, () => one));
}

/** A daemon that answers everything with the beginning of a reply of this size, and then sends zeros until nobody takes them. */
async function endless(sizeBytes: number): Promise<{ readonly uri: string; close(): void }> {
  const path = join(folder, `${sizeBytes}.sock`);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    socket.once('data', (data: Buffer) => {
      const head = Buffer.from(data.subarray(0, 28));
      head.writeUInt32BE(sizeBytes, 0);
      head.writeUInt32BE(MESSAGE_TYPE.reply, 16);
      socket.write(head);
      const piece = Buffer.alloc(65_536);
      const more = (): void => {
        while (!socket.destroyed && socket.write(piece));
      };
      socket.on('drain', more);
      more();
    });
  });
  server.listen(path);
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { uri: `qemu+unix:///system?socket=${path}`, close };
}

describe('a daemon that libvirt’s client of ours asks', () => {
  it.each([
    ['the longest reply, of zeros', 32 * 2 ** 20 + 4, 'LIBVIRT_MESSAGE_INVALID'],
    ['a reply that is longer', 32 * 2 ** 20 + 5, 'FRAME_TOO_LARGE'],
    ['a reply of 4 GiB', 2 ** 32 - 1, 'FRAME_TOO_LARGE'],
  ] as const)('and that begins %s is given up at the bound', async (_what, sizeBytes, code) => {
    const hostile = await endless(sizeBytes);
    const beforeBytes = process.memoryUsage().rss;
    try {
      await expect(LibvirtConnection.open(hostile.uri, { openTimeoutMs: LIMIT_MS })).rejects.toMatchObject({ code });
      expect(process.memoryUsage().rss - beforeBytes).toBeLessThan(MEMORY_ROOM_BYTES);
    } finally {
      hostile.close();
    }
  });
});
