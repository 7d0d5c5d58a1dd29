import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { firstBytes } from './first-bytes.ts';

let folder: string;
let path: string;
let server: Server;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-first-bytes-test-'));
  path = join(folder, 'socket');
});

afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

describe('firstBytes', () => {
  it('waits for a socket that is not there yet', async () => {
    server = createServer((socket) => socket.end('hello'));
    setTimeout(() => server.listen(path), 60);
    const startMs = performance.now();
    await firstBytes(path, new AbortController().signal);
    expect(performance.now() - startMs).toBeGreaterThan(50);
  });

  it('does not take a server that hangs up for one that answers', async () => {
    let connections = 0;
    server = createServer((socket) => (++connections < 3 ? socket.end() : socket.write('hello'))).listen(path);
    await firstBytes(path, new AbortController().signal);
    expect(connections).toBe(3);
  });

  it('gives up at the signal while a server is silent, and closes the connection', async () => {
    const controller = new AbortController();
    const closed = new Promise<void>((resolve) => {
      server = createServer((socket) => {
        socket.on('close', () => resolve()).resume();
        controller.abort();
      }).listen(path);
    });
    await firstBytes(path, controller.signal);
    await closed;
  });
});
