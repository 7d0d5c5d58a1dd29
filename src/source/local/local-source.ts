import { NetworkNamespaces } from '../../host/network-devices.ts';
import { ProcessSearch } from '../../host/process-search.ts';
import { PROC_ROOT, type Process, readProcess } from '../../host/processes.ts';
import { socketsIn } from '../../host/socket-file.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, FoundDomain, Source } from '../../model/provider.ts';
import { KernelSchemas } from '../kvm/kernel-schemas.ts';
import { READ_ONLY_SOCKETS, systemFolder } from '../libvirt/sockets.ts';
import { LocalDomain, type LocalDomainOptions } from './local-domain.ts';
import type { LocalLibvirt } from './local-libvirt.ts';
import type { UnseenDomains } from './unseen-domains.ts';

/** How programs that run a KVM guest are called: QEMU as built, as RHEL and as Proxmox install it. */
const IS_QEMU = /^(qemu-system-.+|qemu-kvm|kvm)$/;

/** What a search of this host may be told. */
export interface LocalSourceOptions {
  /** Only these processes, whatever their program is called; absent: every QEMU. */
  readonly pids?: readonly number[];
  /** Told what this host's kernel measures. */
  readonly kernel?: KernelSchemas;
  /** Folder of libvirt's sockets; that of the host if absent. */
  readonly libvirtFolder?: string;
  /** Where processes are shown; `/proc` if absent. */
  readonly procRoot?: string;
}

/**
 * The source `local:`: the QEMU processes of this host, found in /proc, and domains of its libvirt whose process cannot be seen. A
 * VM is told apart by its pid and start time, so that one which reuses a pid is another domain; what was opened for a VM stays open
 * until it exits.
 */
export class LocalSource implements Source {
  readonly uri = 'local:';
  readonly #options: LocalSourceOptions;
  readonly #procRoot: string;
  readonly #search: ProcessSearch;
  readonly #namespaces: NetworkNamespaces;
  readonly #kernel: KernelSchemas;
  readonly #libvirtFolder: string;
  #libvirt: LocalLibvirt | undefined;
  #unseen: UnseenDomains | undefined;
  readonly #domains = new Map<string, LocalDomain>();

  constructor(options: LocalSourceOptions = {}) {
    this.#options = options;
    this.#procRoot = options.procRoot ?? PROC_ROOT;
    this.#search = new ProcessSearch((program) => IS_QEMU.test(program), this.#procRoot);
    this.#namespaces = new NetworkNamespaces(this.#procRoot);
    this.#kernel = options.kernel ?? new KernelSchemas();
    this.#libvirtFolder = options.libvirtFolder ?? systemFolder();
  }

  /** @throws ACCESS_DENIED where /proc cannot be read */
  async scan(options: CallOptions): Promise<readonly FoundDomain[]> {
    const processes = new Map(this.#find().map((process) => [`${process.pid}-${process.startTicks}`, process]));
    for (const [id, domain] of this.#domains) {
      if (processes.has(id)) continue;
      this.#domains.delete(id);
      domain.close();
    }
    const shared: LocalDomainOptions = {
      source: this.uri,
      procRoot: this.#procRoot,
      namespaces: this.#namespaces,
      kernel: this.#kernel,
      libvirt: () => this.#libvirt,
    };
    for (const [id, process] of processes) {
      if (this.#domains.has(id)) continue;
      this.#domains.set(id, new LocalDomain(id, process, shared));
    }
    const seen = [...this.#domains.values()];
    await this.#lookForLibvirt();
    return this.#unseen === undefined ? seen : [...seen, ...(await this.#unseen.find(seen, options))];
  }

  async close(): Promise<void> {
    for (const domain of this.#domains.values()) domain.close();
    this.#domains.clear();
    await this.#libvirt?.close();
  }

  /** Nothing of it is loaded on a host without libvirt. */
  async #lookForLibvirt(): Promise<void> {
    if (this.#libvirt !== undefined || socketsIn(this.#libvirtFolder, READ_ONLY_SOCKETS).length === 0) return;
    const [{ LocalLibvirt }, { UnseenDomains }] = await Promise.all([
      import('./local-libvirt.ts'),
      import('./unseen-domains.ts'),
    ]);
    if (this.#libvirt !== undefined) return;
    const libvirt = new LocalLibvirt(this.#libvirtFolder);
    this.#libvirt = libvirt;
    if (this.#options.pids !== undefined) return;
    this.#unseen = new UnseenDomains(this.uri, libvirt, (target) => this.#kernel.stats(target));
  }

  #find(): readonly Process[] {
    const { pids } = this.#options;
    if (pids !== undefined) return pids.flatMap((pid) => readProcess(pid, this.#procRoot) ?? []);
    try {
      const domains = new Map([...this.#domains.values()].map((domain) => [domain.domain.pid, domain]));
      return this.#search.find((pid) => domains.get(pid)?.livingProcess);
    } catch (error) {
      throw VirtstatError.from(error, 'ACCESS_DENIED', `processes cannot be listed in ${this.#procRoot}`);
    }
  }
}
