import type { CallOptions, FoundDomain, Source } from '../../model/provider.ts';
import type { KernelSchemas } from '../kvm/kernel-schemas.ts';
import type { LibvirtConnectionOptions } from './connection.ts';
import { DomainList } from './domain-list.ts';
import type { KernelStats } from './keys/key-table.ts';
import { FoundLibvirtDomain, listedId } from './libvirt-domain.ts';
import { isDaemonOfThisHost, parseLibvirtUri } from './uri.ts';

/** The source that reads the VMs of this host, its libvirt's too. */
const LOCAL = 'local:';

/** The domains of a libvirt daemon, on this host or another one. */
export class LibvirtSource implements Source {
  readonly uri: string;
  readonly #list: DomainList;
  readonly #kernel: KernelStats;
  /** The source that has the domains that run, too, where it is opened. */
  readonly #better: string | undefined;
  /** By what tells them apart. */
  #domains: ReadonlyMap<string, FoundLibvirtDomain> = new Map();

  /**
   * Connects to nothing yet. `kernel` is what is known of this host's kernel, for a daemon on it.
   * @throws URI_INVALID, URI_UNSUPPORTED; see {@link parseLibvirtUri} for the forms
   */
  constructor(uri: string, kernel?: KernelSchemas, options: LibvirtConnectionOptions = {}) {
    this.uri = uri;
    const target = parseLibvirtUri(uri);
    const isOnThisHost = target.transport.kind === 'unix';
    this.#better = isDaemonOfThisHost(target) ? LOCAL : undefined;
    this.#kernel = (target) => (isOnThisHost ? kernel?.stats(target) : undefined);
    this.#list = new DomainList(uri, options);
  }

  /** @throws what calling a libvirt daemon raises, where it never answered */
  async scan(options: CallOptions): Promise<readonly FoundDomain[]> {
    const listed = await this.#list.get(options);
    const before = this.#domains;
    this.#domains = new Map(
      listed.map((each) => {
        const id = listedId(each);
        const { stats } = this.#list;
        return [id, before.get(id) ?? new FoundLibvirtDomain(each, this.uri, stats, this.#kernel, this.#better)];
      }),
    );
    return [...this.#domains.values()].sort((a, b) => (a.domain.name < b.domain.name ? -1 : 1));
  }

  close(): Promise<void> {
    return this.#list.close();
  }
}
