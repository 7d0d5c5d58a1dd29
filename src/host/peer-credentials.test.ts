import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PeerCredentials, peerCredentials } from './peer-credentials.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-peer-'));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Whom the server sees when `connect` connects to its socket. */
async function seen(connect: (path: string) => Promise<void>): Promise<PeerCredentials> {
  const path = join(folder, 'socket');
  const server = createServer();
  try {
    await once(server.listen(path), 'listening');
    chmodSync(path, 0o666);
    const connection = once(server, 'connection') as Promise<[Socket]>;
    await connect(path);
    const [socket] = await connection;
    const peer = peerCredentials(socket);
    socket.destroy();
    return peer;
  } finally {
    server.close();
  }
}

const CLIENT = `
  const socket = require('node:net').createConnection(process.argv[1]);
  socket.on('connect', () => process.stdout.write('connected'));
  socket.on('close', () => process.exit());
`;

/** Whom the server sees when another process connects, started by the words of `launcher`. */
async function seenFrom(
  launcher: readonly string[],
): Promise<{ readonly peer: PeerCredentials; readonly pid: number }> {
  const [command = '', ...args] = [...launcher, process.execPath, '-e', CLIENT];
  let child: ReturnType<typeof spawn> | undefined;
  try {
    const peer = await seen(async (path) => {
      child = spawn(command, [...args, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout!, 'data');
    });
    return { peer, pid: child?.pid ?? 0 };
  } finally {
    child?.kill('SIGKILL');
  }
}

describe('peerCredentials', () => {
  it('names this process', async () => {
    const peer = await seen(async (path) => void (await once(createConnection(path), 'connect')));
    const groups = process.getgroups?.() ?? [];
    expect(peer).toMatchObject({ pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() });
    expect([...peer.groups].sort()).toEqual(groups.filter((gid) => peer.groups.includes(gid)).sort());
  });

  it('names another user with all their groups, also many', async (context) => {
    if (process.getuid?.() !== 0) return context.skip('another user takes root');
    const groups = Array.from({ length: 100 }, (_, index) => 5000 + index);
    const ids = ['--reuid=4242', '--regid=4243'];
    const { peer, pid } = await seenFrom(['setpriv', ...ids, `--groups=${groups.join()}`]);
    expect(peer).toEqual({ pid, uid: 4242, gid: 4243, groups });
    expect((await seenFrom(['setpriv', ...ids, '--clear-groups'])).peer.groups).toEqual([]);
  });

  it('refuses what is no unix socket, and what is closed', async () => {
    const server = createServer();
    try {
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const address = server.address();
      const client = createConnection((address as { port: number }).port, '127.0.0.1');
      const [socket] = (await once(server, 'connection')) as [Socket];
      expect(() => peerCredentials(socket)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
      socket.destroy();
      client.destroy();
      expect(() => peerCredentials(socket)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    } finally {
      server.close();
    }
  });
});
