import { listenUnix, type SocketListener } from '../../host/listener.ts';
import type { ServedConnection } from '../../host/served-connection.ts';
import { type ServiceInfo, VarlinkService } from '../../protocol/varlink/service.ts';
import { BurstLog } from '../burst-log.ts';
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
  readonly #bursts = new BurstLog();
  #listener: SocketListener | undefined;

  constructor(options: VarlinkFaceOptions) {
    this.#options = options;
  }

  async listen(context: FaceContext): Promise<void> {
    const fd = context.activated(this.name);
    this.#listener = await listenUnix({
      ...context.sockets,
      path: `${context.runtimeDir}/${this.name}`,
      ...(fd !== undefined && { fd }),
      onConnection: (connection) => this.#serve(connection, context),
      onCrowded: (uid) =>
        this.#bursts.note(`crowded ${uid}`, ({ count }) =>
          context.log.warn({ uid, count }, 'connections of a user were closed: there are too many'),
        ),
    });
  }

  async close(): Promise<void> {
    await this.#listener?.close();
    this.#bursts.close();
  }

  #serve(connection: ServedConnection, context: FaceContext): void {
    const caller: Caller = { kind: 'user', ...connection.peer };
    const { info, maxStallMs } = this.#options;
    const reader = context.readerFor(caller);
    new VarlinkConnection(connection, {
      service: new VarlinkService(info, [statsImplementation(reader), metricsImplementation(reader)]),
      ...(maxStallMs !== undefined && { maxStallMs }),
      onDropped: ({ code, message }) => {
        const { pid, uid } = caller;
        this.#bursts.note(`dropped ${uid} ${code}`, ({ count }) =>
          context.log.warn({ code, pid, uid, count }, `a client was dropped: ${message}`),
        );
      },
    });
  }
}
