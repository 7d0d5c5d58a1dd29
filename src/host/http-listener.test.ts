import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type HttpListener, type HttpListenOptions, listenHttp, MAX_PIPELINED } from './http-listener.ts';

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

const opened: (HttpListener | Socket)[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await ('destroy' in one ? one.destroy() : one.close());
});

async function listen(options: Partial<HttpListenOptions> = {}): Promise<HttpListener> {
  const answer = (): Response => new Response('here');
  const listener = await listenHttp({ at: { host: '127.0.0.1', port: 0 }, answer, ...options });
  opened.push(listener);
  return listener;
}

/** A connection, and what came on it until it was closed. */
async function dial({ port }: HttpListener, text: string): Promise<{ socket: Socket; closed: Promise<string> }> {
  const socket = connect(port, '127.0.0.1');
  opened.push(socket);
  let received = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => (received += chunk));
  const closed = once(socket, 'close').then(() => received);
  await once(socket, 'connect');
  socket.write(text);
  return { socket, closed };
}

/** How many answers begin in a text. */
function answersIn(text: string): number {
  return text.split('HTTP/1.1 200').length - 1;
}

describe('a client over HTTP that does not wait for answers', () => {
  it('gets all of them, in a bound', async () => {
    const listener = await listen();
    const { closed } = await dial(
      listener,
      REQUEST.repeat(MAX_PIPELINED - 1) + REQUEST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
    );
    expect(answersIn(await closed)).toBe(MAX_PIPELINED);
  });

  it('is left beyond it, and has no more than that under way', async () => {
    let [underWay, most] = [0, 0];
    const answer = async (): Promise<Response> => {
      most = Math.max(most, ++underWay);
      await sleep(50);
      underWay--;
      return new Response('here');
    };
    const { closed } = await dial(await listen({ answer }), REQUEST.repeat(MAX_PIPELINED + 1));
    await closed;
    expect(most).toBeLessThanOrEqual(MAX_PIPELINED);
  });

  it('may ask any number of times, one after the other', async () => {
    const listener = await listen();
    const { socket, closed } = await dial(listener, '');
    for (let asked = 0; asked < 3 * MAX_PIPELINED; asked++) {
      socket.write(REQUEST);
      await once(socket, 'data');
    }
    socket.end();
    expect(answersIn(await closed)).toBe(3 * MAX_PIPELINED);
  });
});

describe('where there are as many connections over HTTP as there may be', () => {
  it('the oldest one with half a request makes room', async () => {
    const listener = await listen({ maxConnections: 2, maxConnectionsPerPeer: 2 });
    const first = await dial(listener, 'GET / HTTP/1.1\r\nHo');
    await dial(listener, 'GET / HTTP/1.1\r\nHo');
    // Until it has come, it is as if it had said nothing.
    await sleep(100);
    const { socket } = await dial(listener, REQUEST);
    const [chunk] = await once(socket, 'data');
    expect(answersIn(String(chunk))).toBe(1);
    await first.closed;
  });

  it('those that asked something stay, and the new one is not taken', async () => {
    const listener = await listen({ maxConnections: 1, maxConnectionsPerPeer: 1 });
    const { socket } = await dial(listener, REQUEST);
    await once(socket, 'data');
    expect(answersIn(await (await dial(listener, REQUEST)).closed)).toBe(0);
    socket.write(REQUEST);
    await once(socket, 'data');
  });

  it('who was refused keeps no connection', async () => {
    const listener = await listen({ answer: () => new Response('no', { status: 401 }) });
    expect(await (await dial(listener, REQUEST)).closed).toContain('connection: close');
  });
});
