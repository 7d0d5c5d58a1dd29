import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MAX_ACTIVATED_SOCKETS, takeActivatedSockets } from './activation.ts';

const PID = 4711;

/** What is taken from these variables. */
function taken(env: NodeJS.ProcessEnv): readonly (readonly [string, number])[] {
  return [...takeActivatedSockets({ LISTEN_PID: String(PID), ...env }, PID)];
}

describe('takeActivatedSockets', () => {
  it('gives descriptors by name', () => {
    expect(taken({ LISTEN_FDS: '2', LISTEN_FDNAMES: 'varlink:qmp' })).toEqual([
      ['varlink', 3],
      ['qmp', 4],
    ]);
    expect(taken({ LISTEN_FDS: '1' })).toEqual([['unknown', 3]]);
    expect(taken({ LISTEN_FDS: '0', LISTEN_FDNAMES: '' })).toEqual([]);
  });

  it('gives none that are meant for another process, and leaves no variable to a child', () => {
    const env: NodeJS.ProcessEnv = {
      LISTEN_PID: '1',
      LISTEN_FDS: '1',
      LISTEN_FDNAMES: 'a',
      LISTEN_PIDFDID: '3',
      OTHER: 'x',
    };
    expect(takeActivatedSockets(env, PID).size).toBe(0);
    expect(env).toEqual({ OTHER: 'x' });
    expect(taken({})).toEqual([]);
  });

  it('refuses what contradicts itself', () => {
    const names = (count: number): string => Array.from({ length: count }, (_, index) => `n${index}`).join(':');
    const [most, more] = [MAX_ACTIVATED_SOCKETS, MAX_ACTIVATED_SOCKETS + 1];
    expect(taken({ LISTEN_FDS: String(most), LISTEN_FDNAMES: names(most) })).toHaveLength(most);
    for (const env of [
      { LISTEN_FDS: String(more), LISTEN_FDNAMES: names(more) },
      { LISTEN_FDS: '-1' },
      { LISTEN_FDS: 'two' },
      { LISTEN_FDS: '2', LISTEN_FDNAMES: 'a' },
      { LISTEN_FDS: '2', LISTEN_FDNAMES: 'a:a' },
      { LISTEN_FDS: '2' },
    ]) {
      expect(() => taken(env), JSON.stringify(env)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    }
  });

  it('gives a socket that takes connections', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'virtstat-activation-'));
    const path = join(folder, 'socket');
    const server = createServer();
    const program = `
      const { takeActivatedSockets } = await import(${JSON.stringify(join(import.meta.dirname, 'activation.ts'))});
      const { createServer } = await import('node:net');
      const fd = takeActivatedSockets(process.env, process.pid).get('varlink');
      createServer((socket) => socket.end('taken')).listen({ fd });
    `;
    await once(server.listen(path), 'listening');
    const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle;
    const script = 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=varlink exec "$@"';
    const child = spawn('sh', ['-c', script, 'sh', process.execPath, '--input-type=module', '-e', program], {
      stdio: ['ignore', 'ignore', 'inherit', fd],
    });
    try {
      // Only the child may accept from here on; closing would take the path away.
      renameSync(path, `${path}.moved`);
      (server as unknown as { readonly _handle: { close(): void } })._handle.close();
      const [data] = await once(createConnection(`${path}.moved`), 'data');
      expect(String(data)).toBe('taken');
    } finally {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true });
    }
  });
});
