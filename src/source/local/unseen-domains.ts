import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, FoundDomain } from '../../model/provider.ts';
import type { KernelStats } from '../libvirt/keys/key-table.ts';
import { FoundLibvirtDomain, listedId } from '../libvirt/libvirt-domain.ts';
import type { LocalLibvirt } from './local-libvirt.ts';

/** How long the search for domains waits for libvirt, in milliseconds: most of them are found without it. */
const PATIENCE_MS = 250;

/**
 * Domains that the libvirt of this host runs and whose process cannot be seen: from a container, through a /proc that hides others'
 * processes, or where the program has a name of its own. They have what libvirt tells.
 */
export class UnseenDomains {
  readonly #source: string;
  readonly #libvirt: LocalLibvirt;
  readonly #kernel: KernelStats;
  #found: ReadonlyMap<string, FoundLibvirtDomain> = new Map();
  /** Uuids of processes that were seen once: libvirt notices a moment later than we that one has exited. */
  readonly #seenBefore = new Set<string>();

  constructor(source: string, libvirt: LocalLibvirt, kernel: KernelStats) {
    this.#source = source;
    this.#libvirt = libvirt;
    this.#kernel = kernel;
  }

  /** Those beside the `seen`; as they were last where libvirt does not answer at once. @throws CANCELLED */
  async find(seen: readonly FoundDomain[], options: CallOptions): Promise<readonly FoundDomain[]> {
    for (const { domain } of seen) if (domain.uuid !== undefined) this.#seenBefore.add(domain.uuid.toLowerCase());
    try {
      const running = await this.#libvirt.running(options, { timeoutMs: PATIENCE_MS, maxAgeMs: 0 });
      const uuids = new Set(running.map(({ uuid }) => uuid));
      for (const uuid of this.#seenBefore) if (!uuids.has(uuid)) this.#seenBefore.delete(uuid);
      const unseen = running.filter(({ uuid, isStarting }) => !isStarting && !this.#seenBefore.has(uuid));
      const before = this.#found;
      this.#found = new Map(
        unseen.map((each) => {
          const id = listedId(each);
          const { stats } = this.#libvirt;
          return [id, before.get(id) ?? new FoundLibvirtDomain(each, this.#source, stats, this.#kernel)];
        }),
      );
    } catch (error) {
      if (VirtstatError.is(error) && error.code === 'CANCELLED') throw error;
      // Why it does not answer is told of those domains that need it.
    }
    return [...this.#found.values()];
  }
}
