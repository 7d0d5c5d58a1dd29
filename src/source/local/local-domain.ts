import { withDeadline } from '../../host/deadline.ts';
import { listKvmFds } from '../../host/kvm-fds.ts';
import { NetworkNamespaces } from '../../host/network-devices.ts';
import { hasOwnNetwork, isStillRunning, type Process, pathSeenBy, readFileOf } from '../../host/processes.ts';
import type { StreamAddress } from '../../host/stream.ts';
import type { Availability, Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import type {
  BalloonPolling,
  CallOptions,
  FoundDomain,
  MonitorRelay,
  OfferedProvider,
  Provider,
} from '../../model/provider.ts';
import { explained } from '../explain.ts';
import { ProcessProvider, VIA_PROC } from '../process/provider.ts';
import { Monitor } from '../qemu/monitor.ts';
import { MonitorNics, type Nic } from '../qemu/nics.ts';
import { Relay } from '../qemu/relay.ts';
import { VIA_QMP } from '../qemu/via.ts';
import { type MonitorEndpoint, parseCommandLine } from './command-line.ts';
import { InterfaceProvider } from './interface-provider.ts';
import { KVM, LocalFiles } from './local-files.ts';
import { LocalKvm, type MonitorWay } from './local-kvm.ts';
import { LocalNics } from './local-nics.ts';
import { Threads } from './threads.ts';

/** How long a monitor that could not be reached is left alone, in milliseconds: finding out costs a second each time. */
const MONITOR_RETRY_MS = 10_000;

/**
 * How long one that answers nothing may hold up what can be had without it, in milliseconds: longer than it takes to find
 * out that it is busy, and short enough that the stats files can still be read within a domain's deadline.
 */
const MONITOR_PATIENCE_MS = 1400;

/** One QEMU process of this host: its stats files, its monitor, and what both together offer. */
export class LocalDomain implements FoundDomain {
  readonly domain: Domain;
  readonly monitor?: MonitorRelay;
  readonly balloonPolling?: BalloonPolling;
  readonly #process: Process;
  readonly #procRoot: string;
  readonly #files: LocalFiles;
  readonly #monitor: Monitor | undefined;
  readonly #relay: Relay | undefined;
  readonly #accounts: ProcessProvider;
  /** Our own providers that stand on the monitor. */
  readonly #own: readonly OfferedProvider[];
  /** Those that stand on this host itself. */
  readonly #hosts: readonly OfferedProvider[];
  /** Those that the monitor offered beside KVM's when it was last asked: it may be out of reach by now. */
  #offered: readonly Provider[] = [];
  /** Made once: it is raised at every sample of a VM without a monitor. */
  #noMonitor: VirtstatError | undefined;
  #monitorRefusal: { readonly error: VirtstatError; readonly atMs: number } | undefined;

  /** `namespaces` are shared by the domains of a source. */
  constructor(
    id: string,
    process: Process,
    source: string,
    procRoot: string,
    namespaces: NetworkNamespaces = new NetworkNamespaces(procRoot),
  ) {
    const { pid, argv } = process;
    const commandLine = parseCommandLine(argv, (path) => readFileOf(pid, path, procRoot));
    const { name = `qemu-${pid}`, uuid, monitors } = commandLine;
    this.domain = { id, name, ...(uuid !== undefined && { uuid }), pid, source };
    this.#process = process;
    this.#procRoot = procRoot;
    const addresses = monitors.flatMap((endpoint) => addressOf(pid, endpoint, procRoot) ?? []);
    if (addresses.length > 0) {
      this.#monitor = new Monitor(addresses);
      this.#relay = new Relay(this.#monitor, { isOneProcess: true });
      this.monitor = { ask: (...call) => this.#ask((relay) => relay.ask(...call)) };
      this.balloonPolling = this.#watchedPolling(this.#relay.balloonPolling);
    }
    const threads = new Threads(pid, {
      procRoot,
      name,
      cpus: (options) => this.#askBriefly((relay, brief) => relay.cpus(brief), options),
      iothreads: (options) => this.#askBriefly((relay, brief) => relay.iothreads(brief), options),
      filed: () => this.#files.vcpus(),
    });
    const hasExited = () => this.#hasExited();
    this.#own = (this.#relay?.own ?? []).map((provider) => this.#watchedOffer(provider));
    this.#files = new LocalFiles(pid, {
      procRoot,
      pathsOf: (vcpus, options) => threads.pathsOf(vcpus, options),
      hasExited,
    });
    this.#accounts = new ProcessProvider(process, { procRoot, threads, hasExited });
    this.#hosts = [this.#accounts, this.#interfaces(commandLine.nics, namespaces)];
  }

  async providers(options: CallOptions): Promise<readonly Provider[]> {
    return [await this.#kvm(options), ...this.#offered, ...this.#own, ...this.#hosts];
  }

  async describe(options: CallOptions): Promise<Domain> {
    const vcpus = listKvmFds(this.#process.pid, this.#procRoot)?.filter(({ kind }) => kind === 'vcpu').length;
    const known = { ...this.domain, ...(vcpus !== undefined && vcpus > 0 && { vcpus }) };
    try {
      return await this.#askBriefly((relay, brief) => relay.describe(known, brief), options);
    } catch (error) {
      if (VirtstatError.is(error) && error.code === 'DOMAIN_GONE') throw error;
      return known;
    }
  }

  async availability(options: CallOptions): Promise<readonly Availability[]> {
    const [kvm, ...own] = await Promise.all([
      this.#kvm(options),
      ...this.#own.map((provider) => explained(provider, VIA_QMP, this.domain, options)),
      ...this.#hosts.map((provider) => explained(provider, VIA_PROC, this.domain, options)),
    ]);
    const offered = this.#offered.flatMap(({ name, targets }) =>
      targets.map((target) => ({ provider: name, target, via: VIA_QMP, available: true })),
    );
    return [...kvm.availability(), ...offered, ...own.flat()];
  }

  /** The process, where it is held and known to live without a look at /proc. */
  get held(): Process | undefined {
    return this.#files.isHeld ? this.#process : undefined;
  }

  /** Gives back files and connection. */
  close(): void {
    this.#files.close();
    this.#accounts.close();
    this.#monitor?.close();
  }

  #interfaces(configured: readonly Nic[], namespaces: NetworkNamespaces): OfferedProvider {
    const told = this.#monitor && new MonitorNics(this.#monitor);
    const nics = new LocalNics(
      configured,
      told && ((options) => this.#askBriefly((_relay, brief) => told.get(brief), options)),
    );
    return new InterfaceProvider(this.#process.pid, {
      procRoot: this.#procRoot,
      namespaces,
      nics: (options) => nics.get(options),
      forgetNics: () => told?.forget(),
      hasExited: () => this.#hasExited(),
    });
  }

  /** The provider of KVM's statistics by the ways that are open now. @throws DOMAIN_GONE */
  async #kvm(options: CallOptions): Promise<LocalKvm> {
    return new LocalKvm(this.#files, await this.#kvmOfMonitor(options));
  }

  /** What the monitor offers of KVM, or why it offers nothing; what else it offers is noted. @throws DOMAIN_GONE */
  async #kvmOfMonitor(options: CallOptions): Promise<MonitorWay> {
    const error = this.#relay === undefined ? this.#missingMonitor : this.#refusalNow();
    if (error !== undefined) return { error };
    try {
      return await this.#askBriefly(async (relay, brief) => {
        const [offered, { reason }] = await Promise.all([relay.offered(brief), relay.offer(brief)]);
        const providers = offered.map((provider) => this.#watched(provider));
        this.#offered = providers.filter(({ name }) => name !== KVM);
        const provider = providers.find(({ name }) => name === KVM);
        if (provider !== undefined) return { provider };
        return {
          error: new VirtstatError('STATS_NOT_OFFERED', reason ?? 'QEMU offers no statistics of KVM'),
        };
      }, options);
    } catch (error) {
      const reason = VirtstatError.from(error, 'INTERNAL', `asking the monitor of ${this.domain.name} failed`);
      if (reason.code === 'DOMAIN_GONE' || reason.code === 'CANCELLED') throw reason;
      return { error: reason };
    }
  }

  /** The same provider, whose failures are explained by what became of the process. */
  #watched(provider: Provider): Provider {
    return {
      name: provider.name,
      targets: provider.targets,
      schemas: (domain, options) => this.#ask(() => provider.schemas(domain, options)),
      stats: (domain, request, options) => this.#ask(() => provider.stats(domain, request, options)),
    };
  }

  #watchedOffer(provider: OfferedProvider): OfferedProvider {
    return {
      ...this.#watched(provider),
      availability: (domain, options) =>
        this.#askBriefly((_relay, brief) => provider.availability(domain, brief), options),
    };
  }

  #watchedPolling(polling: BalloonPolling): BalloonPolling {
    return {
      order: (order) => {
        const lease = polling.order(order);
        return {
          keep: (options) => this.#ask(() => lease.keep(options)),
          // What has to be put back is tried also where the monitor was out of reach a moment ago.
          release: (options) => this.#explained(() => lease.release(options)),
        };
      },
    };
  }

  /** As {@link #ask}, for what is not waited for long; a monitor that takes longer is out of reach. @throws also TIMEOUT */
  async #askBriefly<T>(
    question: (relay: Relay, options: CallOptions) => Promise<T>,
    { signal }: CallOptions,
  ): Promise<T> {
    const limit = { signal, timeoutMs: MONITOR_PATIENCE_MS, what: `the monitor of ${this.domain.name}` };
    try {
      return await this.#ask((relay) => withDeadline((brief) => question(relay, { signal: brief }), limit));
    } catch (error) {
      if (VirtstatError.is(error) && error.code === 'TIMEOUT') this.#leaveAlone(error);
      throw error;
    }
  }

  get #missingMonitor(): VirtstatError {
    return (this.#noMonitor ??= noMonitor(this.domain.name));
  }

  #leaveAlone(error: VirtstatError): void {
    if (this.#refusalNow() !== undefined) return;
    this.#monitorRefusal = { error, atMs: performance.now() };
  }

  /** Why the monitor is left alone just now. */
  #refusalNow(): VirtstatError | undefined {
    const refusal = this.#monitorRefusal;
    return refusal !== undefined && performance.now() - refusal.atMs < MONITOR_RETRY_MS ? refusal.error : undefined;
  }

  /**
   * Asks the monitor, unless it was out of reach a moment ago.
   * @throws MONITOR_MISSING, DOMAIN_GONE where the process has exited, what the monitor raises
   */
  async #ask<T>(question: (relay: Relay) => Promise<T>): Promise<T> {
    if (this.#relay === undefined) throw this.#missingMonitor;
    const refusal = this.#refusalNow();
    if (refusal !== undefined) throw refusal;
    const relay = this.#relay;
    return this.#explained(() => question(relay));
  }

  /** What fails because the process has exited says so. @throws as {@link #ask} */
  async #explained<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      const reason = VirtstatError.from(error, 'INTERNAL', `asking the monitor of ${this.domain.name} failed`);
      if (this.#hasExited()) throw gone(this.domain, reason);
      if (OUT_OF_REACH.has(reason.code)) this.#leaveAlone(reason);
      throw reason;
    }
  }

  #hasExited(): boolean {
    return !isStillRunning(this.#process, this.#procRoot);
  }
}

/** What says that the next attempt will go the same way. */
const OUT_OF_REACH: ReadonlySet<string> = new Set([
  'ACCESS_DENIED',
  'PATH_NOT_FOUND',
  'CONNECT_REFUSED',
  'CONNECT_FAILED',
  'MONITOR_BUSY',
  'MONITOR_NOT_QMP',
]);

function noMonitor(name: string): VirtstatError {
  return new VirtstatError(
    'MONITOR_MISSING',
    `${name} has no QMP monitor of its own to ask; give it one (-qmp unix:/path,server=on,wait=off)`,
  );
}

function gone(domain: Domain, cause: VirtstatError): VirtstatError {
  return new VirtstatError('DOMAIN_GONE', `${domain.name} (process ${domain.pid}) has exited`, { cause });
}

/** Where to connect to; undefined for a port on a network of the VMM's own: here, somebody else may listen at it. */
function addressOf(pid: number, endpoint: MonitorEndpoint, procRoot: string): StreamAddress | undefined {
  if (endpoint.kind === 'unix') return { kind: 'unix', path: pathSeenBy(pid, endpoint.path, procRoot) };
  return hasOwnNetwork(pid, procRoot) ? undefined : endpoint;
}
