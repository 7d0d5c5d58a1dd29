import { withDeadline } from '../../host/deadline.ts';
import type { StreamAddress } from '../../host/stream.ts';
import type { Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { BalloonPolling, CallOptions, OfferedProvider, Provider } from '../../model/provider.ts';
import { Monitor } from '../qemu/monitor.ts';
import { MonitorNics } from '../qemu/nics.ts';
import { Relay } from '../qemu/relay.ts';

/** How long a monitor that could not be reached is left alone, in milliseconds: finding out costs a second each time. */
const MONITOR_RETRY_MS = 10_000;

/**
 * How long one that answers nothing may hold up what can be had without it, in milliseconds: longer than it takes to find
 * out that it is busy, and short enough that the stats files can still be read within a domain's deadline.
 */
const MONITOR_PATIENCE_MS = 1400;

/** What says that the next attempt will go the same way. */
const OUT_OF_REACH: ReadonlySet<string> = new Set([
  'ACCESS_DENIED',
  'PATH_NOT_FOUND',
  'CONNECT_REFUSED',
  'CONNECT_FAILED',
  'MONITOR_BUSY',
  'MONITOR_NOT_QMP',
]);

/**
 * The monitors of a VM on this host, of which it may have none: whoever asks one that is out of reach is told so at once for a
 * while, and what fails because the VM has exited says so.
 */
export class LocalMonitor {
  /** Undefined where the VM has no monitor that could be asked. */
  readonly relay: Relay | undefined;
  /** The NICs, by the monitor's word; undefined likewise. */
  readonly nics: MonitorNics | undefined;
  readonly #domain: Domain;
  readonly #hasExited: () => boolean;
  readonly #monitor: Monitor | undefined;
  /** Made once: it is raised at every sample of a VM without a monitor. */
  #missing: VirtstatError | undefined;
  #refusal: { readonly error: VirtstatError; readonly atMs: number } | undefined;
  #hasAnswered = false;

  constructor(domain: Domain, addresses: readonly StreamAddress[], hasExited: () => boolean) {
    this.#domain = domain;
    this.#hasExited = hasExited;
    if (addresses.length === 0) return;
    this.#monitor = new Monitor(addresses);
    this.relay = new Relay(this.#monitor, { isOneProcess: true });
    this.nics = new MonitorNics(this.#monitor);
  }

  /** Whether it ever told anything. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Why it would not be asked just now; undefined where it would. */
  get outOfReach(): VirtstatError | undefined {
    return this.relay === undefined ? this.#noMonitor : this.#refusalNow();
  }

  /**
   * Asks the monitor, unless it was out of reach a moment ago.
   * @throws MONITOR_MISSING, DOMAIN_GONE where the process has exited, what the monitor raises
   */
  async ask<T>(question: (relay: Relay) => Promise<T>): Promise<T> {
    const { relay } = this;
    if (relay === undefined) throw this.#noMonitor;
    const refusal = this.#refusalNow();
    if (refusal !== undefined) throw refusal;
    const answer = await this.#explained(() => question(relay));
    this.#hasAnswered = true;
    return answer;
  }

  /** As {@link ask}, for what is not waited for long; a monitor that takes longer is out of reach. @throws also TIMEOUT */
  async askBriefly<T>(
    question: (relay: Relay, options: CallOptions) => Promise<T>,
    { signal }: CallOptions,
  ): Promise<T> {
    const limit = { signal, timeoutMs: MONITOR_PATIENCE_MS, what: `the monitor of ${this.#domain.name}` };
    try {
      return await this.ask((relay) => withDeadline((brief) => question(relay, { signal: brief }), limit));
    } catch (error) {
      if (VirtstatError.is(error) && error.code === 'TIMEOUT') this.#leaveAlone(error);
      throw error;
    }
  }

  /** The same provider, whose failures are explained by what became of the process. */
  watched(provider: Provider): Provider {
    return {
      name: provider.name,
      targets: provider.targets,
      schemas: (domain, options) => this.ask(() => provider.schemas(domain, options)),
      stats: (domain, request, options) => this.ask(() => provider.stats(domain, request, options)),
    };
  }

  /** As {@link watched}. */
  watchedOffer(provider: OfferedProvider): OfferedProvider {
    return {
      ...this.watched(provider),
      availability: (domain, options) =>
        this.askBriefly((_relay, brief) => provider.availability(domain, brief), options),
    };
  }

  /** As {@link watched}. */
  watchedPolling(polling: BalloonPolling): BalloonPolling {
    return {
      order: (order) => {
        const lease = polling.order(order);
        return {
          keep: (options) => this.ask(() => lease.keep(options)),
          // What has to be put back is tried also where the monitor was out of reach a moment ago.
          release: (options) => this.#explained(() => lease.release(options)),
        };
      },
    };
  }

  /** Gives the connection back. */
  close(): void {
    this.#monitor?.close();
  }

  get #noMonitor(): VirtstatError {
    return (this.#missing ??= noMonitor(this.#domain.name));
  }

  #leaveAlone(error: VirtstatError): void {
    if (this.#refusalNow() !== undefined) return;
    this.#refusal = { error, atMs: performance.now() };
  }

  /** Why the monitor is left alone just now. */
  #refusalNow(): VirtstatError | undefined {
    const refusal = this.#refusal;
    return refusal !== undefined && performance.now() - refusal.atMs < MONITOR_RETRY_MS ? refusal.error : undefined;
  }

  /** What fails because the process has exited says so. @throws as {@link ask} */
  async #explained<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      const reason = VirtstatError.from(error, 'INTERNAL', `asking the monitor of ${this.#domain.name} failed`);
      if (this.#hasExited()) throw gone(this.#domain, reason);
      if (OUT_OF_REACH.has(reason.code)) this.#leaveAlone(reason);
      throw reason;
    }
  }
}

function noMonitor(name: string): VirtstatError {
  return new VirtstatError(
    'MONITOR_MISSING',
    `${name} has no QMP monitor of its own to ask; give it one (-qmp unix:/path,server=on,wait=off)`,
  );
}

function gone(domain: Domain, cause: VirtstatError): VirtstatError {
  return new VirtstatError('DOMAIN_GONE', `${domain.name} (process ${domain.pid}) has exited`, { cause });
}
