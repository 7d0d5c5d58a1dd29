import { connect } from 'node:net';

/** From one attempt to connect to the next, in milliseconds. */
const RETRY_MS = 20;

/**
 * Waits until somebody listens at a unix socket and says something to who connects, as a monitor does with its greeting:
 * a server whose socket exists may still fail to start. The connection is closed again, what was said is dropped.
 * Resolves too when the signal fires.
 */
export async function firstBytes(path: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !(await attempt(path, signal))) await pause(RETRY_MS);
}

/** True where bytes came, false where the connection could not be made or broke. */
function attempt(path: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const finish = (heard: boolean): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(heard);
    };
    const onAbort = (): void => finish(false);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('data', () => finish(true));
    socket.once('error', () => finish(false));
    socket.once('end', () => finish(false));
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
