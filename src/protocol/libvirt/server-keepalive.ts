/** From one ping to the next, in milliseconds: as libvirt is configured unless somebody says otherwise. */
const INTERVAL_MS = 5000;

/** How many pings may be unanswered: with the interval before the first one, a client is dropped after 30 seconds. */
const MAX_UNANSWERED = 5;

/** What a {@link ServerKeepalive} needs from outside. */
export interface ServerKeepaliveOptions {
  readonly ping: () => void;
  /** Whether the client is read from just now; silence means nothing where it is not. */
  readonly isListening: () => boolean;
  /** Told once, with how long the client has said nothing. */
  readonly onDead: (silentMs: number) => void;
  /** 5000 if absent. */
  readonly intervalMs?: number;
}

/** Pings a client that has said nothing for a while, and tells when it does not answer. Only clients that asked for it know pings. */
export class ServerKeepalive {
  readonly #options: ServerKeepaliveOptions;
  #timer: NodeJS.Timeout | undefined;
  #unanswered = 0;

  constructor(options: ServerKeepaliveOptions) {
    this.#options = options;
  }

  /** Begins, once. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#tick(), this.#intervalMs).unref();
  }

  /** The client said something. */
  heard(): void {
    this.#unanswered = 0;
    this.#timer?.refresh();
  }

  /** For good. Harmless when repeated. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  get #intervalMs(): number {
    return this.#options.intervalMs ?? INTERVAL_MS;
  }

  #tick(): void {
    if (!this.#options.isListening()) return;
    if (this.#unanswered === MAX_UNANSWERED) {
      this.stop();
      this.#options.onDead(this.#intervalMs * (MAX_UNANSWERED + 1));
      return;
    }
    this.#unanswered++;
    this.#options.ping();
  }
}
