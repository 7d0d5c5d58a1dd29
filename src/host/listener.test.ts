import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ListenOptions, listenUnix } from './listener.ts';
import type { ServedConnection } from './served-connection.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const nothing = (): void => undefined;

/** Reads, so that it sees a client leave, and answers nothing. */
const ignore = (connection: ServedConnection): void =>
  connection.listen({
    onData: nothing,
    onDrained: nothing,
    onHalfClosed: () => connection.finish(),
    onClosed: nothing,
  });

const listen = (options: Partial<ListenOptions> = {}) =>
  listenUnix({ path: join(folder, 's'), mode: 0o600, onConnection: ignore, ...options });

/** Resolves with what was received when the other side has ended. */
function received(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(text));
  });
}

describe('a listening socket', () => {
  it('has the mode that was asked for, says who connects, and is gone after closing', async () => {
    const peers: ServedConnection[] = [];
    const listener = await listen({ mode: 0o640, onConnection: (connection) => peers.push(connection) });
    expect(statSync(join(folder, 's')).mode & 0o777).toBe(0o640);
    const closed = received(connect(join(folder, 's')));
    await expect.poll(() => peers[0]?.peer.pid).toBe(process.pid);
    expect(peers[0]?.peer.uid).toBe(process.getuid?.());
    expect(listener.connections).toBe(1);
    await listener.close();
    await listener.close();
    await closed;
    expect(existsSync(join(folder, 's'))).toBe(false);
  });

  it('takes over what was left behind', async () => {
    writeFileSync(join(folder, 's'), '');
    const listener = await listen();
    await listener.close();
  });

  it('still answers whoever has stopped sending', async () => {
    const listener = await listen({
      onConnection: (connection) =>
        connection.listen({
          onData: (chunk) => connection.write(chunk),
          onDrained: nothing,
          onHalfClosed: () => {
            connection.write(Buffer.from(' and good bye'));
            connection.finish();
          },
          onClosed: nothing,
        }),
    });
    const client = connect({ path: join(folder, 's'), allowHalfOpen: true });
    const text = received(client);
    client.on('end', () => client.destroy());
    client.end('hello');
    expect(await text).toBe('hello and good bye');
    await listener.close();
  });

  it('serves as many as it may, and whoever spoke is not closed for others', async () => {
    const crowded: number[] = [];
    const listener = await listen({ maxConnections: 2, onCrowded: (uid) => crowded.push(uid) });
    const open = (): Socket => connect(join(folder, 's')).on('error', () => undefined);
    const [first, second] = [open(), open()];
    await expect.poll(() => listener.connections).toBe(2);
    first.write('x');
    await new Promise((resolve) => setTimeout(resolve, 50));
    // The second has said nothing and makes room; then both that are there have spoken.
    const ended = received(second);
    const third = open();
    third.write('x');
    await ended;
    await new Promise((resolve) => setTimeout(resolve, 50));
    await received(open());
    expect(crowded).toEqual([process.getuid?.(), process.getuid?.()]);
    first.destroy();
    await expect.poll(() => listener.connections).toBe(1);
    const fourth = open();
    await expect.poll(() => listener.connections).toBe(2);
    for (const socket of [third, fourth]) socket.destroy();
    await listener.close();
  });

  it('says what is wrong with a path', async () => {
    await expect(listen({ path: join(folder, 'x'.repeat(120)) })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(listen({ path: join(folder, 'nowhere/s') })).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' });
    await expect(listen({ path: folder })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
  });

  it('says where it may not make one', async (context) => {
    if (process.getuid?.() === 0) context.skip('root may write everywhere');
    chmodSync(folder, 0o500);
    await expect(listen()).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });
});
