import { listenUnix } from '../../host/listener.ts';
import type { ServedConnection } from '../../host/served-connection.ts';
import { BurstLog } from '../burst-log.ts';
import type { Face, FaceContext, LogFacts } from '../face.ts';
import { CallerView } from './caller-view.ts';
import { LibvirtClient } from './connection.ts';
import { Identities } from './identities.ts';
import { Records } from './records.ts';
import { libvirtService } from './service.ts';
import { type Monitors, Statistics } from './statistics.ts';

/** The name of its socket in the runtime directory: libvirt's own for the one that only reads. */
const SOCKET = 'libvirt-sock-ro';

/** Choices of a {@link LibvirtFace}. */
export interface LibvirtFaceOptions {
  readonly monitors: Monitors;
  /** How old values may be, in milliseconds; 1000 if absent. */
  readonly maxAgeMs?: number;
  /** How long a client that does not read is kept, in milliseconds. */
  readonly maxStallMs?: number;
  /** From one ping to the next, in milliseconds. */
  readonly pingIntervalMs?: number;
}

/** libvirt's RPC as far as it reads domains and their statistics, for any number of clients, on one socket. */
export class LibvirtFace implements Face {
  readonly name = 'libvirt';
  readonly #options: LibvirtFaceOptions;
  readonly #identities = new Identities();
  readonly #statistics: Statistics;
  readonly #records: Records;
  readonly #bursts = new BurstLog();
  /** What closing takes. */
  readonly #closers: (() => Promise<void> | void)[] = [];

  constructor(options: LibvirtFaceOptions) {
    this.#options = options;
    this.#statistics = new Statistics(options.monitors, { maxAgeMs: options.maxAgeMs });
    // Values that are read anew for each call are never the same again.
    this.#records = new Records(options.maxAgeMs === 0 ? { maxOfValues: 0 } : {});
  }

  async listen(context: FaceContext): Promise<void> {
    const fd = context.activated(this.name);
    const listener = await listenUnix({
      ...context.sockets,
      path: `${context.runtimeDir}/${SOCKET}`,
      ...(fd !== undefined && { fd }),
      onConnection: (connection) => this.#serve(connection, context),
      onCrowded: (uid) => this.#warn(context, { uid }, 'connections of a user were closed: there are too many'),
    });
    this.#closers.push(() => listener.close());
    this.#closers.push(
      context.domains.subscribe({
        onCome: (domain) => void this.#identities.of(domain),
        onGo: () => {
          this.#identities.retain(context.domains.current);
          this.#statistics.retain(context.domains.current);
        },
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#closers.splice(0).map((close) => close()));
    this.#bursts.close();
  }

  #serve(connection: ServedConnection, context: FaceContext): void {
    const { pid, uid } = connection.peer;
    const { maxStallMs, pingIntervalMs } = this.#options;
    const reader = context.readerFor({ kind: 'user', ...connection.peer });
    new LibvirtClient(connection, {
      service: libvirtService(new CallerView(reader, this.#identities, this.#statistics, this.#records)),
      ...(maxStallMs !== undefined && { maxStallMs }),
      ...(pingIntervalMs !== undefined && { pingIntervalMs }),
      onDropped: ({ code, message }) =>
        this.#warn(context, { uid }, `a client was dropped: ${message}`, { code, pid }, code),
      onUnknown: (procedure) =>
        this.#warn(
          context,
          { uid },
          'a client called a procedure that is not served',
          { procedure, pid },
          `${procedure}`,
        ),
    });
  }

  /** `what` is the same for lines that are counted as one; a message may have the client's own words in it. */
  #warn(context: FaceContext, who: LogFacts, message: string, detail: LogFacts = {}, what: string = message): void {
    this.#bursts.note(JSON.stringify([who, what]), (facts) =>
      context.log.warn({ ...who, ...detail, ...facts }, message),
    );
  }
}
