import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { formsOf, isLoopback, loopbackUid, SharedRead, uidIn } from './loopback-peer.ts';

const SIGNAL = new AbortController().signal;

/** A connection over loopback: the server's end, and the client's. */
async function connected(host: string): Promise<{ server: Socket; client: Socket; close: () => void }> {
  const listener = createServer({ allowHalfOpen: true });
  listener.listen(0, host);
  await once(listener, 'listening');
  const accepted = once(listener, 'connection') as Promise<[Socket]>;
  const client = connect({ port: (listener.address() as AddressInfo).port, host });
  const [server] = await accepted;
  server.on('error', () => undefined);
  return {
    server,
    client,
    close: () => {
      client.destroy();
      server.destroy();
      listener.close();
    },
  };
}

function endsOf({ remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 }: Socket) {
  return { remoteAddress, remotePort, localAddress, localPort };
}

describe('loopbackUid', () => {
  it('knows the user of a client on this host', async () => {
    const { server, close } = await connected('127.0.0.1');
    try {
      expect(await loopbackUid(endsOf(server), SIGNAL)).toBe(process.getuid?.());
    } finally {
      close();
    }
  });

  it('knows nobody once the client has closed: the kernel would show root', async () => {
    const { server, client, close } = await connected('127.0.0.1');
    try {
      const ends = endsOf(server);
      server.resume();
      const ended = once(server, 'end');
      client.destroy();
      await ended;
      expect(await loopbackUid(ends, SIGNAL)).toBeUndefined();
    } finally {
      close();
    }
  });

  it('knows nobody of another host', async () => {
    const ends = { remoteAddress: '192.0.2.1', remotePort: 1, localAddress: '192.0.2.2', localPort: 2 };
    expect(await loopbackUid(ends, SIGNAL)).toBeUndefined();
  });
});

describe('a shared read', () => {
  it('begins no earlier than it is asked for, and once for all who ask meanwhile', async () => {
    let begun = 0;
    const shared = new SharedRead(async () => {
      const nth = ++begun;
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (nth === 3) throw new Error('third');
      return String(nth);
    });
    const first = shared.read();
    const others = [shared.read(), shared.read(), shared.read()];
    expect(await first).toBe('1');
    const later = shared.read();
    expect(await Promise.all(others)).toEqual(['2', '2', '2']);
    await expect(later).rejects.toThrow('third');
    expect(await shared.read()).toBe('4');
  });
});

describe('uidIn', () => {
  it('finds one among a hundred thousand connections without taking the others apart', () => {
    const [client, server] = [formsOf('127.0.0.1', 0x1f90), formsOf('127.0.0.1', 80)];
    const [other = ''] = server;
    const over = ` 1: 0100007F:0001 ${other} 06 00000000:00000000 03:00000DB3 00000000     0        0 0 3 0000000000000000\n`;
    const one = ` 2: 0100007F:1F90 ${other} 01 00000000:00000000 00:00000000 00000000  1000        0 77 1 x\n`;
    const table = over.repeat(100_000) + one;
    const timeOf = (work: () => void): number => {
      const startMs = performance.now();
      work();
      return performance.now() - startMs;
    };
    const allMs = timeOf(() => void table.split('\n').map((line) => line.trim().split(/\s+/)));
    expect(timeOf(() => expect(uidIn(table, client, server)).toBe(1000))).toBeLessThan(allMs / 2);
  });

  const [client, server] = [formsOf('127.0.0.1', 0x1f90), formsOf('127.0.0.1', 80)];
  const [own = ''] = client;
  const [other = ''] = server;
  const line = (state: string, uid: string, inode: string): string =>
    ` sl local\n 0: ${own} ${other} ${state} 00000000:00000000 00:00000000 00000000 ${uid} 0 ${inode} 1 x\n`;

  it('takes an established connection that a process holds, and nothing else', () => {
    expect(uidIn(line('01', '1000', '77'), client, server)).toBe(1000);
    expect(uidIn(line('06', '0', '77'), client, server)).toBeUndefined();
    expect(uidIn(line('01', '0', '0'), client, server)).toBeUndefined();
    expect(uidIn(line('01', '1000', '77'), server, client)).toBeUndefined();
    expect(uidIn('no table', client, server)).toBeUndefined();
  });
});

it('knows what loopback is', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].every(isLoopback)).toBe(true);
  expect(['128.0.0.1', '::2', '::ffff:10.0.0.1', '127.evil.example', ''].some(isLoopback)).toBe(false);
});
