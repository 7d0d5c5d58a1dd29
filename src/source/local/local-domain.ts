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
import { KernelSchemas } from '../kvm/kernel-schemas.ts';
import { VIA_LIBVIRT } from '../libvirt/via.ts';
import { ProcessProvider, VIA_PROC } from '../process/provider.ts';
import { VIA_QMP } from '../qemu/via.ts';
import { type MonitorEndpoint, parseCommandLine } from './command-line.ts';
import { firstWay } from './first-way.ts';
import { InterfaceProvider } from './interface-provider.ts';
import { KVM, LocalFiles } from './local-files.ts';
import { LocalKvm, type MonitorWay } from './local-kvm.ts';
import type { DomainInLibvirt, LocalLibvirt } from './local-libvirt.ts';
import { LocalMonitor } from './local-monitor.ts';
import { LocalNics } from './local-nics.ts';
import { Threads } from './threads.ts';

/** What the domains of a source share. */
export interface LocalDomainOptions {
  /** URI of the source. */
  readonly source: string;
  readonly procRoot: string;
  readonly namespaces?: NetworkNamespaces;
  /** What is known of this host's kernel. */
  readonly kernel?: KernelSchemas;
  /** The libvirt that may run the domain, where there is one by now. */
  readonly libvirt?: () => LocalLibvirt | undefined;
}

/** What is in the way of asking libvirt where that is worth telling. */
type LibvirtWay =
  | { readonly domain: DomainInLibvirt; readonly error?: undefined }
  | { readonly domain?: undefined; readonly error: VirtstatError | undefined };

const NOT_BY_LIBVIRT: LibvirtWay = { error: undefined };

/** One QEMU process of this host: its stats files, its monitor, libvirt where that runs it, and what all of them offer. */
export class LocalDomain implements FoundDomain {
  readonly domain: Domain;
  readonly monitor?: MonitorRelay;
  readonly balloonPolling?: BalloonPolling;
  readonly #process: Process;
  readonly #options: LocalDomainOptions;
  readonly #kernel: KernelSchemas;
  readonly #files: LocalFiles;
  readonly #monitor: LocalMonitor;
  readonly #accounts: ProcessProvider;
  /** Our own providers that stand on the monitor. */
  readonly #own: readonly OfferedProvider[];
  readonly #interfaces: OfferedProvider;
  #inLibvirt: DomainInLibvirt | undefined;
  /** Who measures it, and what decided that. */
  #decided: { readonly by: object; readonly providers: readonly Provider[] } | undefined;
  /** Those that the monitor offered beside KVM's when it was last asked: it may be out of reach by now. */
  #offered: readonly Provider[] = [];

  constructor(id: string, process: Process, options: LocalDomainOptions) {
    const { pid, argv } = process;
    const { procRoot, source } = options;
    const commandLine = parseCommandLine(argv, (path) => readFileOf(pid, path, procRoot));
    const { name = `qemu-${pid}`, uuid, monitors } = commandLine;
    this.domain = { id, name, ...(uuid !== undefined && { uuid }), pid, source };
    this.#process = process;
    this.#options = options;
    this.#kernel = options.kernel ?? new KernelSchemas();
    const hasExited = (): boolean => !isStillRunning(process, procRoot);
    const addresses = monitors.flatMap((endpoint) => addressOf(pid, endpoint, procRoot) ?? []);
    const monitor = new LocalMonitor(this.domain, addresses, hasExited);
    this.#monitor = monitor;
    if (monitor.relay !== undefined) {
      this.monitor = { ask: (...call) => monitor.ask((relay) => relay.ask(...call)) };
      this.balloonPolling = monitor.watchedPolling(monitor.relay.balloonPolling);
    }
    const threads = new Threads(pid, {
      procRoot,
      name,
      cpus: (call) => monitor.askBriefly((relay, brief) => relay.cpus(brief), call),
      iothreads: (call) => monitor.askBriefly((relay, brief) => relay.iothreads(brief), call),
      filed: () => this.#files.vcpus(),
    });
    this.#own = (monitor.relay?.own ?? []).map((provider) => monitor.watchedOffer(provider));
    this.#files = new LocalFiles(pid, {
      procRoot,
      pathsOf: (vcpus, call) => threads.pathsOf(vcpus, call),
      hasExited,
    });
    this.#accounts = new ProcessProvider(process, { procRoot, threads, hasExited });
    const nics = new LocalNics(
      commandLine.nics,
      monitor.nics && ((call) => monitor.askBriefly(async (_relay, brief) => monitor.nics?.get(brief) ?? [], call)),
    );
    this.#interfaces = new InterfaceProvider(pid, {
      procRoot,
      namespaces: options.namespaces ?? new NetworkNamespaces(procRoot),
      nics: (call) => nics.get(call),
      forgetNics: () => monitor.nics?.forget(),
      hasExited,
    });
  }

  async providers(options: CallOptions): Promise<readonly Provider[]> {
    const by = this.#decisive;
    const { kvm, own, interfaces } = await this.#ways(options);
    const providers = [kvm, ...this.#offered, ...own, this.#accounts, interfaces];
    if (by !== undefined && by === this.#decisive) this.#decided = { by, providers };
    return providers;
  }

  get knownProviders(): readonly Provider[] | undefined {
    const decided = this.#decided;
    return decided !== undefined && decided.by === this.#decisive ? decided.providers : undefined;
  }

  async describe(options: CallOptions): Promise<Domain> {
    const vcpus = listKvmFds(this.#process.pid, this.#options.procRoot)?.filter(({ kind }) => kind === 'vcpu').length;
    const known = { ...this.domain, ...(vcpus !== undefined && vcpus > 0 && { vcpus }) };
    try {
      return await this.#monitor.askBriefly((relay, brief) => relay.describe(known, brief), options);
    } catch (error) {
      if (VirtstatError.is(error) && error.code === 'DOMAIN_GONE') throw error;
      const { domain } = await this.#byLibvirt(options);
      return domain === undefined ? known : domain.describe(known, options).catch(() => known);
    }
  }

  async availability(options: CallOptions): Promise<readonly Availability[]> {
    const { kvm, own, interfaces, via, libvirt } = await this.#ways(options);
    const explain = (provider: OfferedProvider, by: string) => explained(provider, by, this.domain, options);
    const [ofKvm, ...others] = await Promise.all([
      libvirt.domain === undefined ? undefined : explain(libvirt.domain.kvm, VIA_LIBVIRT),
      ...own.map((provider) => explain(provider, via)),
      explain(this.#accounts, VIA_PROC),
      explain(interfaces, VIA_PROC),
    ]);
    const offered = this.#offered.flatMap(({ name, targets }) =>
      targets.map((target) => ({ provider: name, target, via: VIA_QMP, available: true })),
    );
    return [
      ...kvm.availability(ofKvm),
      ...offered,
      ...this.#unavailable(libvirt),
      ...others.flatMap((each) => each ?? []),
    ];
  }

  /**
   * The process, while it lives: one that is held is known to without a look at /proc, and of no other more is read than when it
   * began.
   */
  get livingProcess(): Process | undefined {
    const isAlive = this.#files.isHeld || isStillRunning(this.#process, this.#options.procRoot);
    return isAlive ? this.#process : undefined;
  }

  /** Gives back files and connection. */
  close(): void {
    this.#files.close();
    this.#accounts.close();
    this.#monitor.close();
  }

  /**
   * What decides by itself who measures what, as long as it is this very object: what the monitor offers, or why it is left alone
   * where that leaves nobody else to ask. Undefined where somebody has to be asked.
   */
  get #decisive(): object | undefined {
    const { outOfReach, hasAnswered, relay } = this.#monitor;
    if (outOfReach === undefined) return relay?.knownOffer;
    return hasAnswered || this.#options.libvirt?.() === undefined ? outOfReach : undefined;
  }

  /** Who measures what by the best way that is open now. @throws DOMAIN_GONE */
  async #ways(options: CallOptions): Promise<{
    readonly kvm: LocalKvm;
    readonly own: readonly OfferedProvider[];
    readonly interfaces: OfferedProvider;
    /** The way of `own`. */
    readonly via: string;
    readonly libvirt: LibvirtWay;
  }> {
    const monitor = await this.#kvmOfMonitor(options);
    // What changed its way while the VM lives would be called otherwise.
    const isNeeded = monitor.error !== undefined && !this.#monitor.hasAnswered;
    const libvirt = isNeeded ? await this.#byLibvirt(options) : NOT_BY_LIBVIRT;
    const { domain } = libvirt;
    if (domain === undefined) {
      const kvm = new LocalKvm(this.#files, monitor, this.#kernel);
      return { kvm, own: this.#own, interfaces: this.#interfaces, via: VIA_QMP, libvirt };
    }
    return {
      kvm: new LocalKvm(this.#files, { provider: domain.kvm, via: VIA_LIBVIRT }, this.#kernel),
      own: domain.own,
      interfaces: firstWay(this.#interfaces, domain.interface),
      via: VIA_LIBVIRT,
      libvirt,
    };
  }

  /** What the monitor offers of KVM, or why it offers nothing; what else it offers is noted. @throws DOMAIN_GONE */
  async #kvmOfMonitor(options: CallOptions): Promise<MonitorWay> {
    const error = this.#monitor.outOfReach;
    if (error !== undefined) return { error };
    try {
      return await this.#monitor.askBriefly(async (relay, brief) => {
        const [offered, { reason }] = await Promise.all([relay.offered(brief), relay.offer(brief)]);
        const providers = offered.map((provider) => this.#monitor.watched(provider));
        this.#offered = providers.filter(({ name }) => name !== KVM);
        const provider = providers.find(({ name }) => name === KVM);
        if (provider !== undefined) return { provider, via: VIA_QMP };
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

  /** The domain as libvirt has it; none where there is no libvirt, or it does not run this VM. @throws CANCELLED */
  async #byLibvirt(options: CallOptions): Promise<LibvirtWay> {
    this.#inLibvirt ??= this.#options.libvirt?.()?.domain(this.domain, (target) => this.#kernelStats(target));
    const domain = this.#inLibvirt;
    if (domain === undefined) return NOT_BY_LIBVIRT;
    try {
      return (await domain.isThere(options)) ? { domain } : NOT_BY_LIBVIRT;
    } catch (error) {
      const reason = VirtstatError.from(error, 'INTERNAL', 'asking libvirt failed');
      if (reason.code === 'CANCELLED') throw reason;
      return { error: reason };
    }
  }

  #kernelStats(target: string) {
    return this.#kernel.stats(target) ?? this.#files.schema(target)?.stats;
  }

  /** What a VM without a monitor of its own lacks where libvirt, which may run it, cannot be asked. */
  #unavailable({ error }: LibvirtWay): readonly Availability[] {
    if (error === undefined || this.#monitor.relay !== undefined) return [];
    const reason = error.message;
    return OF_LIBVIRT.map(([provider, target]) => ({ provider, target, via: VIA_LIBVIRT, available: false, reason }));
  }
}

/** What libvirt would tell of a VM whose monitor it keeps for itself. */
const OF_LIBVIRT = [
  ['state', 'vm'],
  ['balloon', 'vm'],
  ['block', 'block'],
  ['iothread', 'iothread'],
] as const;

/** Where to connect to; undefined for a port on a network of the VMM's own: here, somebody else may listen at it. */
function addressOf(pid: number, endpoint: MonitorEndpoint, procRoot: string): StreamAddress | undefined {
  if (endpoint.kind === 'unix') return { kind: 'unix', path: pathSeenBy(pid, endpoint.path, procRoot) };
  return hasOwnNetwork(pid, procRoot) ? undefined : endpoint;
}
