import { whileWanted, withDeadline } from '../../host/deadline.ts';
import type { ByteStream } from '../../host/stream.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';
import { openDriver } from '../../protocol/libvirt/opening.ts';
import type { Procedure } from '../../protocol/libvirt/procedure.ts';
import type { SaslCredentials } from '../../protocol/libvirt/sasl-mechanism.ts';
import { LibvirtSession } from '../../protocol/libvirt/session.ts';
import type { CallLink, LinkCallOptions } from '../../protocol/libvirt/stats-connection.ts';
import type { GivenCredentials } from './credentials.ts';
import { TlsGreeting } from './tls-greeting.ts';
import { openTransport } from './transport.ts';
import { type LibvirtUri, parseLibvirtUri } from './uri.ts';

/** How long connecting and opening may take, in milliseconds. */
export const DEFAULT_OPEN_TIMEOUT_MS = 10_000;

/** The same through ssh, which may have to ask somebody for a password. */
export const DEFAULT_SSH_OPEN_TIMEOUT_MS = 60_000;

/** How long a daemon that let a call wait too long may take to say that it is there, in milliseconds. */
const PING_TIMEOUT_MS = 5000;

/** Bounds and choices of a {@link LibvirtLink}. */
export interface LibvirtLinkOptions {
  /** For connecting, authentication and opening, in milliseconds; by transport if absent. */
  readonly openTimeoutMs?: number;
  /**
   * For SASL; the user name may stand in the URI instead, and what is missing in libvirt's file of credentials. A function is asked
   * each time that a daemon wants to know.
   */
  readonly credentials?: GivenCredentials | (() => GivenCredentials);
}

interface Connected {
  readonly session: LibvirtSession;
  readonly stream: ByteStream;
}

/** A connection to a libvirt daemon that is made with the first call, and anew with the first call after it was lost. */
export class LibvirtLink implements CallLink {
  readonly uri: string;
  readonly #target: LibvirtUri;
  readonly #options: LibvirtLinkOptions;
  readonly #closing = new AbortController();
  #connecting: Promise<Connected> | undefined;

  /** Connects to nothing yet. @throws URI_INVALID, URI_UNSUPPORTED */
  constructor(uri: string, options: LibvirtLinkOptions = {}) {
    this.uri = uri;
    this.#target = parseLibvirtUri(uri);
    this.#options = options;
  }

  /** Connects, where there is no connection. @throws what connecting and opening raise; CLOSED, CANCELLED */
  async open(options: CallOptions): Promise<void> {
    await this.#connected(options);
  }

  /** Calls a procedure. @throws what connecting and {@link LibvirtSession.call} raise; TIMEOUT, CLOSED */
  async call<A, R>(procedure: Procedure<A, R>, args: A, options: LinkCallOptions): Promise<R> {
    const { session, stream } = await this.#connected(options);
    stream.keepAlive(true);
    const what = `${procedure.name} of ${this.uri}`;
    try {
      return await withDeadline((signal) => session.call(procedure, args, { signal }), { ...options, what });
    } catch (error) {
      if (VirtstatError.is(error) && error.code === 'TIMEOUT') void this.#leaveIfDead(session, stream);
      throw error;
    } finally {
      if (session.pendingCount === 0) stream.keepAlive(false);
    }
  }

  /** Ends the connection; calls under way and later ones fail with CLOSED. Harmless when repeated. */
  async close(): Promise<void> {
    const reason = new VirtstatError('CLOSED', `the connection to ${this.uri} was closed`);
    this.#closing.abort(reason);
    const connected = await this.#connecting?.catch(() => undefined);
    connected?.session.end(reason);
    connected?.stream.close(reason);
  }

  /**
   * A daemon that works on a call too long is left alone: whoever connected anew for the next call would take another of its few
   * workers. One that is gone without a word is given up.
   */
  async #leaveIfDead(session: LibvirtSession, stream: ByteStream): Promise<void> {
    if (session.isFull) return;
    const what = `the daemon at ${this.uri}`;
    const options = { signal: this.#closing.signal, timeoutMs: PING_TIMEOUT_MS, what };
    try {
      await withDeadline(() => session.ping(), options);
    } catch (error) {
      const reason = new VirtstatError('CONNECTION_LOST', `${what} is gone`, { cause: error });
      session.end(reason);
      stream.close(reason);
    }
  }

  #connected({ signal }: CallOptions): Promise<Connected> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason);
    if (this.#connecting === undefined) {
      const connecting = this.#connect(() => this.#forget(connecting));
      this.#connecting = connecting;
      connecting.catch(() => this.#forget(connecting));
    }
    return whileWanted(this.#connecting, signal, `connecting to ${this.uri}`);
  }

  async #connect(forget: () => void): Promise<Connected> {
    const { kind } = this.#target.transport;
    const usualMs = kind === 'ssh' ? DEFAULT_SSH_OPEN_TIMEOUT_MS : DEFAULT_OPEN_TIMEOUT_MS;
    const timeoutMs = this.#options.openTimeoutMs ?? usualMs;
    const limit = { signal: this.#closing.signal, timeoutMs, what: `opening ${this.uri}` };
    const stream = await openTransport(this.#target, limit);
    const connected = this.#attach(stream, kind === 'tls' ? new TlsGreeting() : undefined, forget);
    try {
      await withDeadline((signal) => connected.begin(signal), limit);
      // Idle, it does not keep a program from ending; whoever waited for it may be gone.
      stream.keepAlive(false);
      return connected;
    } catch (error) {
      const reason = VirtstatError.from(error, 'INTERNAL', `opening ${this.uri} failed`);
      connected.session.end(reason);
      stream.close(reason);
      throw reason;
    }
  }

  #attach(stream: ByteStream, greeting: TlsGreeting | undefined, forget: () => void) {
    const session = new LibvirtSession({
      send: (bytes) => stream.write(bytes),
      close: (reason) => {
        forget();
        stream.close(reason);
      },
    });
    stream.listen({
      onData: (chunk) => session.receive(greeting?.take(chunk) ?? chunk),
      onEnd: (error) => {
        forget();
        greeting?.end(error);
        session.end(error);
      },
    });
    const { name, transport } = this.#target;
    const begin = async (signal: AbortSignal): Promise<void> => {
      await greeting?.heard;
      const isProtected = transport.kind !== 'tcp';
      await openDriver(session, { name, isProtected, credentials: () => this.#credentials(signal), signal });
    };
    return { session, stream, begin };
  }

  async #credentials(signal: AbortSignal): Promise<SaslCredentials> {
    const { credentials = {} } = this.#options;
    // Only now: most daemons want to know nothing.
    const { saslCredentials } = await import('./credentials.ts');
    const given = typeof credentials === 'function' ? credentials() : credentials;
    return saslCredentials(this.#target, given, { signal });
  }

  #forget(connecting: Promise<Connected> | undefined): void {
    if (this.#connecting === connecting) this.#connecting = undefined;
  }
}
