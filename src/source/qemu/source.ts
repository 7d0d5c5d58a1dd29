import { withDeadline } from '../../host/deadline.ts';
import type { Domain } from '../../model/domain.ts';
import type { CallOptions, FoundDomain, Source } from '../../model/provider.ts';
import { Monitor, type MonitorOptions } from './monitor.ts';
import { type Identity, Relay } from './relay.ts';
import { parseMonitorUri } from './uri.ts';

/** How long the first scan waits for a monitor to say whose it is, in milliseconds. */
const IDENTITY_TIMEOUT_MS = 1500;

/** One QEMU, read through its monitor. The domain is there whether or not the monitor answers; its calls then say why not. */
export class QemuSource implements Source {
  readonly uri: string;
  readonly #monitor: Monitor;
  readonly #relay: Relay;
  /** As of the last scan that found out; undefined before the first scan. */
  #identity: Identity | undefined;

  /** Connects to nothing yet. @throws URI_INVALID; see parseMonitorUri for the forms */
  constructor(uri: string, options: MonitorOptions = {}) {
    this.uri = uri;
    this.#monitor = new Monitor(parseMonitorUri(uri), options);
    this.#relay = new Relay(this.#monitor);
  }

  /** One domain, named as the VM is or, where that cannot be found out, by the URI. Never rejects. */
  async scan(options: CallOptions): Promise<readonly FoundDomain[]> {
    const relay = this.#relay;
    const identity = await this.#identityNow(options);
    const domain: Domain = { id: this.uri, name: this.uri, ...identity, source: this.uri };
    return [
      {
        domain,
        monitor: relay,
        balloonPolling: relay.balloonPolling,
        providers: (call) => relay.providers(call),
        describe: (call) => relay.describe(domain, call),
        availability: (call) => relay.availability(domain, call),
      },
    ];
  }

  close(): Promise<void> {
    return this.#monitor.close();
  }

  /** Other sources are searched in the same scan: only the first one waits for this monitor. */
  async #identityNow(options: CallOptions): Promise<Identity> {
    const asking = this.#askIdentity(options);
    if (this.#identity === undefined) await asking;
    return this.#identity ?? {};
  }

  async #askIdentity(options: CallOptions): Promise<void> {
    try {
      this.#identity = await withDeadline(
        async (signal) => {
          // What can be measured is wanted next: asked in the same breath, it costs no round trip of its own.
          this.#relay.offer({ signal }).catch(() => undefined);
          return this.#relay.identity({ signal });
        },
        { ...options, timeoutMs: IDENTITY_TIMEOUT_MS, what: `the monitor at ${this.#monitor.name}` },
      );
    } catch {
      this.#identity ??= {};
    }
  }
}
