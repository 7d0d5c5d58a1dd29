import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { HttpPoster, MAX_INTERIM_ANSWERS } from './http-post.ts';

/** What a POST comes to where a server answers this text. */
async function answerTo(text: string): Promise<unknown> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write(text));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  using poster = new HttpPoster(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`));
  try {
    const options = { headers: {}, body: new Uint8Array(1), signal: new AbortController().signal, timeoutMs: 5000 };
    return await poster.post(options).then(
      ({ status }) => status,
      ({ code }) => code,
    );
  } finally {
    server.close();
  }
}

const INTERIM = 'HTTP/1.1 103 Early Hints\r\n\r\n';
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

it('takes some interim answers before the one that counts, and not any number', async () => {
  expect(await answerTo(INTERIM.repeat(MAX_INTERIM_ANSWERS) + ANSWER)).toBe(200);
  expect(await answerTo(INTERIM.repeat(MAX_INTERIM_ANSWERS + 1) + ANSWER)).toBe('CONNECTION_LOST');
});

it('does not wait for a server that changes to another protocol', async () => {
  expect(await answerTo('HTTP/1.1 101 Other\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n')).toBe('CONNECTION_LOST');
});
