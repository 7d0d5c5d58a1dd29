import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { socketsIn } from './socket-file.ts';

it('finds sockets of a folder, and not files, nor sockets that are elsewhere', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'virtstat-sockets-'));
  const inside = join(folder, 'run');
  mkdirSync(inside);
  const servers = [join(inside, 'b'), join(folder, 'elsewhere')].map((path) => createServer().listen(path));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
  try {
    writeFileSync(join(inside, 'a'), '');
    symlinkSync(join(folder, 'elsewhere'), join(inside, 'c'));
    symlinkSync('b', join(inside, 'd'));
    expect(socketsIn(inside, ['a', 'd', 'c', 'b', 'none'])).toEqual([join(inside, 'd'), join(inside, 'b')]);
    symlinkSync(inside, join(folder, 'link'));
    expect(socketsIn(join(folder, 'link'), ['b'])).toEqual([join(folder, 'link', 'b')]);
    expect(socketsIn(join(folder, 'none'), ['b'])).toEqual([]);
  } finally {
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true });
  }
});
