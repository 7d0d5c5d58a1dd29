import { type HttpListener, type HttpPeer, listenHttp } from '../../host/http-listener.ts';
import type { HostPort } from '../../host/tcp-listening.ts';
import type { MetricsView } from '../../metrics/view.ts';
import { VirtstatError } from '../../model/errors.ts';
import { BurstLog } from '../burst-log.ts';
import type { Face, FaceContext, LogFacts, WebSecurity } from '../face.ts';
import { createApp } from './app.ts';
import { Passwords } from './passwords.ts';

/** Choices of a {@link HttpFace}. */
export interface HttpFaceOptions {
  /** Where to listen; an empty host is every address. */
  readonly addresses: readonly HostPort[];
  /** True: nobody chose the address, so the daemon goes on without HTTP where somebody else has it. */
  readonly mayBeAbsent: boolean;
  /** True: only the service manager's socket will do, and it has to be there. */
  readonly requiresSocket: boolean;
  readonly telemetryPath: string;
  /** By the names of profiles. */
  readonly views: ReadonlyMap<string, MetricsView>;
  /** Which of them those are given who name none. */
  readonly profile: string;
  readonly maxSeries: number;
  /** How old values may be, in milliseconds. */
  readonly maxAgeMs: number;
  /** Of virtstat. */
  readonly version: string;
}

/** Without a web configuration file. */
const NO_SECURITY: WebSecurity = { passwords: new Map(), headers: {} };

/** Metrics over HTTP, in the formats of OpenMetrics and Prometheus. */
export class HttpFace implements Face {
  readonly name = 'http';
  readonly #options: HttpFaceOptions;
  readonly #bursts = new BurstLog();
  readonly #passwords = new Passwords();
  /** What closing takes. */
  readonly #closers: (() => Promise<void> | void)[] = [];
  #ports: readonly number[] = [];

  constructor(options: HttpFaceOptions) {
    this.#options = options;
  }

  /** The ports, once it listens. */
  get ports(): readonly number[] {
    return this.#ports;
  }

  async listen(context: FaceContext): Promise<void> {
    try {
      await this.#listen(context);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#closers.splice(0).map((close) => close()));
    this.#passwords.close();
    this.#bursts.close();
  }

  async #listen(context: FaceContext): Promise<void> {
    const { addresses, requiresSocket } = this.#options;
    const fd = context.activated(this.name);
    if (requiresSocket && fd === undefined) {
      throw new VirtstatError(
        'USAGE',
        'the service manager passed no socket named http on, and web.systemd-socket is set',
      );
    }
    const listeners: HttpListener[] = [];
    for (const at of fd === undefined ? addresses : [{ fd }]) {
      const listener = await this.#open(at, context);
      if (listener === undefined) continue;
      listeners.push(listener);
      this.#closers.push(() => listener.close());
    }
    if (context.web !== undefined) {
      this.#closers.push(
        context.web.subscribe(({ tls }) => {
          if (tls !== undefined) for (const listener of listeners) listener.tls = tls;
        }),
      );
    }
    this.#ports = listeners.map(({ port }) => port);
    if (listeners.length > 0) context.log.info({ ports: this.#ports }, 'listening for HTTP');
  }

  /** Undefined where somebody else has an address that nobody chose. */
  async #open(at: HostPort | { readonly fd: number }, context: FaceContext): Promise<HttpListener | undefined> {
    const tls = context.web?.current.tls;
    try {
      return await listenHttp({
        ...context.sockets,
        at,
        ...(tls && { tls }),
        answer: this.#app(context),
        onCrowded: (address) =>
          this.#warn(context, { address }, 'connections from an address were closed: there are too many'),
      });
    } catch (error) {
      if (!this.#options.mayBeAbsent || !VirtstatError.is(error) || error.code !== 'ADDRESS_IN_USE') throw error;
      context.log.warn({ reason: error.message }, 'there are no metrics over HTTP; set web.listen-address');
      return undefined;
    }
  }

  #app(context: FaceContext): ReturnType<typeof createApp> {
    return createApp({
      ...this.#options,
      context,
      security: () => context.web?.current ?? NO_SECURITY,
      passwords: this.#passwords,
      onRefused: ({ address }: HttpPeer, reason) =>
        this.#warn(context, { address }, `a request over HTTP was refused: ${reason}`),
    });
  }

  /** `message` is the same for lines that are counted as one. */
  #warn(context: FaceContext, who: LogFacts, message: string): void {
    this.#bursts.note(JSON.stringify([who, message]), (facts) => context.log.warn({ ...who, ...facts }, message));
  }
}
