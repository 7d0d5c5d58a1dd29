import type { ListenOptions, Server } from 'node:net';

/** Connections that may wait in the system to be accepted. */
const BACKLOG = 511;

/** Has a server listen; resolves when it does, and rejects with the system's error. */
export function startListening(server: Server, at: ListenOptions | { readonly fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...at, backlog: BACKLOG }, () => {
      server.off('error', reject);
      // What goes wrong later is one connection's: too many open files, for one.
      server.on('error', () => undefined);
      resolve();
    });
  });
}

/** Has a server listen no more, and ends its connections by `closeAll`. Harmless when repeated. */
export async function stopListening(server: Server, closeAll: () => void): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  closeAll();
  await closed;
}
