import type { CallOptions, FoundDomain, Source } from '../../model/provider.ts';
import type { KernelSchemas } from '../kvm/kernel-schemas.ts';
import type { LibvirtConnectionOptions } from './connection.ts';
import { DomainList } from './domain-list.ts';
import type { KernelStats } from './keys/key-table.ts';
import { FoundLibvirtDomain, listedId } from './libvirt-domain.ts';
import { parseLibvirtUri } from './uri.ts';

/** The domains of a libvirt daemon, on this host or another one. */
export class LibvirtSource implements Source {
  readonly uri: string;
  readonly #list: DomainList;
  readonly #kernel: KernelStats;
  /** By what tells them apart. */
  #domains: ReadonlyMap<string, FoundLibvirtDomain> = new Map();

  /**
   * Connects to nothing yet. `kernel` is what is known of this host's kernel, for a daemon on it.
   * @throws URI_INVALID, URI_UNSUPPORTED; see {@link parseLibvirtUri} for the forms
   */
  constructor(uri: string, kernel?: KernelSchemas, options: LibvirtConnectionOptions = {}) {
    this.uri = uri;
    const isOnThisHost = parseLibvirtUri(uri).transport.kind === 'unix';
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
        return [id, before.get(id) ?? new FoundLibvirtDomain(each, this.uri, this.#list.stats, this.#kernel)];
      }),
    );
    return [...this.#domains.values()].sort((a, b) => (a.domain.name < b.domain.name ? -1 : 1));
  }

  close(): Promise<void> {
    return this.#list.close();
  }
}
