import { withDeadline } from '../../host/deadline.ts';
import { socketsIn } from '../../host/socket-file.ts';
import type { Domain } from '../../model/domain.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, OfferedProvider } from '../../model/provider.ts';
import type { BulkStats } from '../libvirt/bulk-stats.ts';
import { DomainList, type ListedDomain } from '../libvirt/domain-list.ts';
import type { KernelStats } from '../libvirt/keys/key-table.ts';
import { describeByLibvirt } from '../libvirt/libvirt-domain.ts';
import { libvirtProviders } from '../libvirt/providers.ts';
import { READ_ONLY_SOCKETS } from '../libvirt/sockets.ts';

/** How long a domain waits to be found in libvirt, in milliseconds: what can be had without it is still read in time then. */
const PATIENCE_MS = 1000;

/** How old the list of what runs may be then, in milliseconds: domains come and go seldom. */
const MAX_AGE_MS = 2000;

/** What says that another socket may be the right one. */
const NOBODY_THERE: ReadonlySet<string> = new Set(['PATH_NOT_FOUND', 'CONNECT_REFUSED', 'ACCESS_DENIED']);

/** The libvirt of this host, where there is one: asked by itself, so that nobody waits for it who can do without. */
export class LocalLibvirt {
  readonly #folder: string;
  /** By the path of its socket. */
  #current: { readonly path: string; readonly list: DomainList } | undefined;
  /** Which of the sockets that there are is taken. */
  #choice = 0;
  #isClosed = false;

  /** `folder` is where its sockets are. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * The domains that run, by libvirt's word; none where there is no libvirt.
   * @throws what asking raises; TIMEOUT after a second at the latest
   */
  async running(
    options: CallOptions,
    {
      timeoutMs = PATIENCE_MS,
      maxAgeMs = MAX_AGE_MS,
    }: { readonly timeoutMs?: number; readonly maxAgeMs?: number } = {},
  ): Promise<readonly ListedDomain[]> {
    const list = this.#list();
    if (list === undefined) return [];
    try {
      const limit = { ...options, timeoutMs, what: `libvirt at ${this.#current?.path}` };
      const listed = await withDeadline((signal) => list.get({ signal }, maxAgeMs), limit);
      return listed.filter(({ isActive }) => isActive);
    } catch (error) {
      if (VirtstatError.is(error) && NOBODY_THERE.has(error.code)) this.#choice++;
      throw error;
    }
  }

  /** A VM of this host as this libvirt has it, if it does. Asks nothing yet. */
  domain(domain: Pick<Domain, 'name' | 'uuid'>, kernel: KernelStats): DomainInLibvirt {
    return new DomainInLibvirt(this, domain, kernel);
  }

  /** Statistics of those that run. @throws CONNECTION_LOST where libvirt has gone meanwhile */
  get stats(): BulkStats {
    const list = this.#list();
    if (list === undefined) throw new VirtstatError('CONNECTION_LOST', `libvirt has left ${this.#folder}`);
    return list.stats;
  }

  /** Gives the connection back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#current?.list.close();
  }

  #list(): DomainList | undefined {
    if (this.#isClosed) return undefined;
    const there = socketsIn(this.#folder, READ_ONLY_SOCKETS);
    // One that is away for a while is the one that comes back.
    const path = there[this.#choice % there.length] ?? this.#current?.path;
    if (path === undefined) return undefined;
    if (this.#current?.path !== path) {
      void this.#current?.list.close();
      this.#current = { path, list: new DomainList(`qemu+unix:///system?socket=${encodeURIComponent(path)}`) };
    }
    return this.#current.list;
  }
}

/** A VM of this host as libvirt has it: for what neither the kernel nor a monitor of its own tells. */
export class DomainInLibvirt {
  /** Of KVM's statistics. */
  readonly kvm: OfferedProvider;
  /** Those that a monitor would have. */
  readonly own: readonly OfferedProvider[];
  readonly interface: OfferedProvider;
  readonly #libvirt: LocalLibvirt;
  readonly #domain: Pick<Domain, 'name' | 'uuid'>;

  constructor(libvirt: LocalLibvirt, domain: Pick<Domain, 'name' | 'uuid'>, kernel: KernelStats) {
    this.#libvirt = libvirt;
    this.#domain = domain;
    const providers = libvirtProviders(
      async (need, options) => libvirt.stats.get(await this.#found(options), need, options),
      kernel,
    );
    const named = (name: string): OfferedProvider => providers.find((each) => each.name === name) as OfferedProvider;
    this.kvm = named('kvm');
    this.own = ['state', 'balloon', 'block', 'iothread'].map(named);
    this.interface = named('interface');
  }

  /**
   * Whether libvirt runs this VM: one of the same uuid and name, since a command line may say anything.
   * @throws why libvirt cannot be asked
   */
  async isThere(options: CallOptions): Promise<boolean> {
    return (await this.#find(options)) !== undefined;
  }

  /** `domain` with run state and number of vCPUs. @throws as {@link isThere}; DOMAIN_GONE */
  async describe(domain: Domain, options: CallOptions): Promise<Domain> {
    return { ...domain, ...(await describeByLibvirt(this.#libvirt.stats, await this.#found(options), options)) };
  }

  async #find(options: CallOptions): Promise<ListedDomain | undefined> {
    const { name, uuid } = this.#domain;
    const running = await this.#libvirt.running(options);
    return running.find((each) => each.uuid === uuid?.toLowerCase() && each.name === name);
  }

  async #found(options: CallOptions): Promise<ListedDomain> {
    const found = await this.#find(options);
    if (found !== undefined) return found;
    throw new VirtstatError('CONNECTION_LOST', `libvirt does not know of ${this.#domain.name} any more`);
  }
}
