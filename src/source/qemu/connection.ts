import { withDeadline } from '../../host/deadline.ts';
import { addressText, type ByteStream, connectStream, type StreamAddress } from '../../host/stream.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { QmpEvent, QmpGreeting } from '../../protocol/qmp/messages.ts';
import { QmpSession } from '../../protocol/qmp/session.ts';

/** What bounds the opening of a connection, and what the session is asked for. */
export interface ConnectionOptions {
  readonly signal: AbortSignal;
  /** For connecting, and again for the greeting, in milliseconds. */
  readonly greetingTimeoutMs: number;
  readonly oob?: boolean;
  readonly onEvent?: (event: QmpEvent) => void;
}

/** An open connection to a monitor that has greeted. */
export interface Connection {
  readonly session: QmpSession;
  readonly stream: ByteStream;
  readonly greeting: QmpGreeting;
  /** Ends both; requests that wait fail with `reason`. */
  close(reason: VirtstatError): void;
}

/**
 * Connects to a monitor and waits for its greeting. The negotiation leaves together with the first commands.
 * @throws MONITOR_BUSY, MONITOR_NOT_QMP, CONNECTION_LOST; and what connecting raises
 */
export async function openConnection(address: StreamAddress, options: ConnectionOptions): Promise<Connection> {
  const { signal, greetingTimeoutMs, oob, onEvent } = options;
  const name = addressText(address);
  const stream = await connectStream(address, { signal, timeoutMs: greetingTimeoutMs }).catch((error: unknown) => {
    // A listener that does not even accept has a queue of others before us.
    throw address.kind === 'unix' ? explain(error, name, greetingTimeoutMs) : error;
  });
  const session = new QmpSession({
    send: (bytes) => stream.write(bytes),
    // Everything that was asked in this turn of the event loop leaves in one piece.
    defer: setImmediate,
    ...(oob !== undefined && { oob }),
    ...(onEvent && { onEvent }),
  });
  const close = (reason: VirtstatError): void => {
    session.end(reason);
    stream.close(reason);
  };
  stream.listen({
    onData: (chunk) => {
      session.receive(chunk);
      if (session.state === 'ended') stream.close();
    },
    onEnd: (error) => session.end(error),
  });
  try {
    const greeting = await withDeadline(() => session.greeting, { signal, timeoutMs: greetingTimeoutMs, what: name });
    return { session, stream, greeting, close };
  } catch (error) {
    const reason =
      session.state === 'negotiating' ? fromAnything(error, name) : explain(error, name, greetingTimeoutMs);
    close(reason);
    throw reason;
  }
}

function fromAnything(error: unknown, name: string): VirtstatError {
  return VirtstatError.from(error, 'INTERNAL', `opening the monitor at ${name} failed`);
}

function explain(error: unknown, name: string, greetingTimeoutMs: number): VirtstatError {
  const reason = fromAnything(error, name);
  if (reason.code === 'TIMEOUT') {
    return new VirtstatError(
      'MONITOR_BUSY',
      `the monitor at ${name} sent no greeting within ${greetingTimeoutMs} ms: it serves one client at a time; ` +
        'if that is a virtstatd, read through it (-c virtstat+unix:/run/virtstat/varlink), else give virtstat a monitor of ' +
        'its own (-qmp unix:/path,server=on,wait=off)',
      { cause: error },
    );
  }
  if (reason.code === 'MONITOR_NOT_QMP') {
    return new VirtstatError('MONITOR_NOT_QMP', `${name}: ${reason.message}`, { cause: error });
  }
  return reason;
}
