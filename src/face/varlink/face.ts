import { listenUnix, type ServedConnection, type SocketListener } from '../../host/listener.ts';
import { type ServiceInfo, VarlinkService } from '../../protocol/varlink/service.ts';
import type { Caller, Face, FaceContext } from '../face.ts';
import { VarlinkConnection } from './connection.ts';
import { metricsImplementation } from './metrics.ts';
import { statsImplementation } from './stats.ts';

/** Choices of a {@link VarlinkFace}. */
export interface VarlinkFaceOptions {
  /** What the service says of itself. */
  readonly info: ServiceInfo;
  /** How long a client that does not read is kept, in milliseconds. */
  readonly maxStallMs?: number;
}

/** `org.virtstat.Stats` and `io.systemd.Metrics` on the socket `varlink` of the runtime directory, for any number of clients. */
export class VarlinkFace implements Face {
  readonly name = 'varlink';
  readonly #options: VarlinkFaceOptions;
  #listener: SocketListener | undefined;

  constructor(options: VarlinkFaceOptions) {
    this.#options = options;
  }

  async listen(context: FaceContext): Promise<void> {
    this.#listener = await listenUnix({
      ...context.sockets,
      path: `${context.runtimeDir}/${this.name}`,
      onConnection: (connection) => this.#serve(connection, context),
      onRefused: () => context.log.warn({ face: this.name }, 'a connection was refused: there are too many'),
    });
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  #serve(connection: ServedConnection, context: FaceContext): void {
    const caller: Caller = { kind: 'user', ...connection.peer };
    const { info, maxStallMs } = this.#options;
    const reader = context.readerFor(caller);
    new VarlinkConnection(connection, {
      service: new VarlinkService(info, [statsImplementation(reader), metricsImplementation(reader)]),
      ...(maxStallMs !== undefined && { maxStallMs }),
      onDropped: ({ code, message }) => {
        context.log.warn(
          { face: this.name, code, pid: caller.pid, uid: caller.uid },
          `a client was dropped: ${message}`,
        );
      },
    });
  }
}
