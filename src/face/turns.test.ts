import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { listenUnix } from '../host/listener.ts';
import { readOnAfterOthers } from './turns.ts';

/** The most that the platform reads at once, in bytes. */
const READ_BYTES = 64 * 1024;

/** Writes to the socket as fast as it can, in a thread of its own. */
const FLOOD = `
  const { createConnection } = require('node:net');
  const socket = createConnection(require('node:worker_threads').workerData);
  const piece = Buffer.alloc(1 << 20);
  const write = () => { while (socket.write(piece)); };
  socket.on('connect', write).on('drain', write).on('error', () => undefined);
`;

it('one who sends without end keeps nobody waiting for more than a turn', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-turns-'));
  const path = join(folder, 's');
  let floodedBytes = 0;
  let heard = Promise.withResolvers<void>();
  const listener = await listenUnix({
    path,
    mode: 0o600,
    onConnection: (connection) =>
      connection.listen({
        onData: (chunk) => {
          if (chunk.length === 1) return heard.resolve();
          floodedBytes += chunk.length;
          readOnAfterOthers(connection, () => true);
        },
        onDrained: () => undefined,
        onHalfClosed: () => undefined,
        onClosed: () => undefined,
      }),
  });
  const flood = new Worker(FLOOD, { eval: true, workerData: path });
  const client = createConnection(path);
  try {
    await once(client, 'connect');
    await expect.poll(() => floodedBytes, { timeout: 10_000 }).toBeGreaterThan(4 * READ_BYTES);
    for (let turn = 0; turn < 20; turn++) {
      heard = Promise.withResolvers();
      const beforeBytes = floodedBytes;
      client.write('x');
      await heard.promise;
      expect(floodedBytes - beforeBytes).toBeLessThanOrEqual(4 * READ_BYTES);
    }
    // It is read on.
    const beforeBytes = floodedBytes;
    await expect.poll(() => floodedBytes, { timeout: 10_000 }).toBeGreaterThan(beforeBytes + 8 * READ_BYTES);
  } finally {
    client.destroy();
    await flood.terminate();
    await listener.close();
    rmSync(folder, { recursive: true });
  }
});
