import { listenUnix } from '../../host/listener.ts';
import type { PeerCredentials } from '../../host/peer-credentials.ts';
import type { ServedConnection } from '../../host/served-connection.ts';
import { listenTls, type TlsListener, type TlsPeer } from '../../host/tls-listener.ts';
import { type ServiceInfo, VarlinkService } from '../../protocol/varlink/service.ts';
import { BurstLog } from '../burst-log.ts';
import type { Caller, Face, FaceContext, LogFacts, TlsOffer } from '../face.ts';
import { AUTHENTICATION_LIMIT_MS, VarlinkConnection } from './connection.ts';
import { Identity } from './identity.ts';
import { metricsImplementation } from './metrics.ts';
import { statsImplementation } from './stats.ts';

/** The name of a socket that the service manager passes on for TLS. */
const TLS_SOCKET = 'tls';

/** Choices of a {@link VarlinkFace}. */
export interface VarlinkFaceOptions {
  /** What the service says of itself. */
  readonly info: ServiceInfo;
  /** How long a client that does not read is kept, in milliseconds. */
  readonly maxStallMs?: number;
  /** How long a client of which nothing is known is kept, in milliseconds; {@link AUTHENTICATION_LIMIT_MS} if absent. */
  readonly authenticationLimitMs?: number;
}

/**
 * `org.virtstat.Stats` and `io.systemd.Metrics` on the socket `varlink` of the runtime directory, and on TCP behind TLS where
 * that is configured, for any number of clients.
 */
export class VarlinkFace implements Face {
  readonly name = 'varlink';
  readonly #options: VarlinkFaceOptions;
  readonly #bursts = new BurstLog();
  /** What closing takes. */
  readonly #closers: (() => Promise<void> | void)[] = [];
  #tlsPorts: readonly number[] = [];

  constructor(options: VarlinkFaceOptions) {
    this.#options = options;
  }

  /** The ports of TLS, once it listens. */
  get tlsPorts(): readonly number[] {
    return this.#tlsPorts;
  }

  async listen(context: FaceContext): Promise<void> {
    try {
      await this.#listenUnix(context);
      if (context.tls !== undefined) await this.#listenTls(context, context.tls);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#closers.splice(0).map((close) => close()));
    this.#bursts.close();
  }

  async #listenUnix(context: FaceContext): Promise<void> {
    const fd = context.activated(this.name);
    const listener = await listenUnix({
      ...context.sockets,
      path: `${context.runtimeDir}/${this.name}`,
      ...(fd !== undefined && { fd }),
      onConnection: (connection) => this.#serveUser(connection, context),
      onCrowded: (uid) => this.#warn(context, { uid }, 'connections of a user were closed: there are too many'),
    });
    this.#closers.push(() => listener.close());
  }

  /** A socket of the service manager stands in place of the addresses. */
  async #listenTls(context: FaceContext, tls: TlsOffer): Promise<void> {
    const fd = context.activated(TLS_SOCKET);
    const listeners: TlsListener[] = [];
    for (const at of fd === undefined ? tls.addresses : [{ fd }]) {
      const listener = await listenTls({
        ...context.sockets,
        at,
        material: tls.material,
        onConnection: (connection) => this.#serveRemote(connection, context),
        onCrowded: (address) =>
          this.#warn(context, { address }, 'connections from an address were closed: there are too many'),
      });
      this.#closers.push(() => listener.close());
      listeners.push(listener);
    }
    this.#closers.push(
      tls.subscribe((material) => {
        for (const listener of listeners) listener.material = material;
      }),
    );
    this.#tlsPorts = listeners.map(({ port }) => port);
    if (listeners.length > 0) context.log.info({ ports: this.#tlsPorts }, 'listening for TLS');
  }

  #serveUser(connection: ServedConnection<PeerCredentials>, context: FaceContext): void {
    const { pid, uid } = connection.peer;
    this.#serve(connection, context, { kind: 'user', ...connection.peer }, { uid }, { pid });
  }

  #serveRemote(connection: ServedConnection<TlsPeer>, context: FaceContext): void {
    const { address, port, certificate, refusal } = connection.peer;
    if (refusal !== undefined) {
      this.#warn(context, { address }, `a client certificate was not accepted: ${refusal}`, { port });
    }
    this.#serve(connection, context, certificate && { kind: 'certificate', ...certificate }, { address }, { port });
  }

  /** `who` is counted as one in the log, whichever of their connections it was; `detail` says which. */
  #serve(
    connection: ServedConnection<unknown>,
    context: FaceContext,
    caller: Caller | undefined,
    who: LogFacts,
    detail: LogFacts,
  ): void {
    const { info, maxStallMs, authenticationLimitMs = AUTHENTICATION_LIMIT_MS } = this.#options;
    const identity = new Identity({
      context,
      ...(caller && { caller }),
      onWrongToken: (isLast) => {
        this.#warn(context, who, 'a token was refused: no access rule names it', detail);
        if (isLast) served.closeSoon();
      },
    });
    const reader = () => identity.reader;
    const served = new VarlinkConnection(connection, {
      service: new VarlinkService(info, [
        statsImplementation(reader, (token) => identity.authenticate(token)),
        metricsImplementation(reader),
      ]),
      isKnown: () => identity.isKnown,
      authenticationLimitMs,
      ...(maxStallMs !== undefined && { maxStallMs }),
      onDropped: ({ code, message }) =>
        this.#warn(context, who, `a client was dropped: ${message}`, { code, ...detail }, code),
    });
  }

  /** `what` is the same for lines that are counted as one; a message may have the client's own words in it. */
  #warn(context: FaceContext, who: LogFacts, message: string, detail: LogFacts = {}, what: string = message): void {
    this.#bursts.note(JSON.stringify([who, what]), (facts) =>
      context.log.warn({ ...who, ...detail, ...facts }, message),
    );
  }
}
