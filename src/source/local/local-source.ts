import { NetworkNamespaces } from '../../host/network-devices.ts';
import { listProcesses, PROC_ROOT, type Process, readProcess } from '../../host/processes.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, FoundDomain, Source } from '../../model/provider.ts';
import { LocalDomain } from './local-domain.ts';

/** How programs that run a KVM guest are called: QEMU as built, as RHEL and as Proxmox install it. */
const IS_QEMU = /^(qemu-system-.+|qemu-kvm|kvm)$/;

/** What a search of this host may be told. */
export interface LocalSourceOptions {
  /** Only these processes, whatever their program is called; absent: every QEMU. */
  readonly pids?: readonly number[];
  /** Where processes are shown; `/proc` if absent. */
  readonly procRoot?: string;
}

/**
 * The source `local:`: the QEMU processes of this host, found in /proc. A VM is told apart by its pid and start time, so that
 * one which reuses a pid is another domain; what was opened for a VM stays open until it exits.
 */
export class LocalSource implements Source {
  readonly uri = 'local:';
  readonly #options: LocalSourceOptions;
  readonly #procRoot: string;
  readonly #namespaces: NetworkNamespaces;
  readonly #domains = new Map<string, LocalDomain>();

  constructor(options: LocalSourceOptions = {}) {
    this.#options = options;
    this.#procRoot = options.procRoot ?? PROC_ROOT;
    this.#namespaces = new NetworkNamespaces(this.#procRoot);
  }

  /** @throws ACCESS_DENIED where /proc cannot be read */
  async scan(_options: CallOptions): Promise<readonly FoundDomain[]> {
    const processes = new Map(this.#find().map((process) => [`${process.pid}-${process.startTicks}`, process]));
    for (const [id, domain] of this.#domains) {
      if (processes.has(id)) continue;
      this.#domains.delete(id);
      domain.close();
    }
    for (const [id, process] of processes) {
      if (this.#domains.has(id)) continue;
      this.#domains.set(id, new LocalDomain(id, process, this.uri, this.#procRoot, this.#namespaces));
    }
    return [...this.#domains.values()];
  }

  async close(): Promise<void> {
    for (const domain of this.#domains.values()) domain.close();
    this.#domains.clear();
  }

  #find(): readonly Process[] {
    const { pids } = this.#options;
    if (pids !== undefined) return pids.flatMap((pid) => readProcess(pid, this.#procRoot) ?? []);
    try {
      const held = new Map(
        [...this.#domains.values()].flatMap(({ held: process }) => (process ? [[process.pid, process]] : [])),
      );
      return listProcesses(
        (program) => IS_QEMU.test(program),
        this.#procRoot,
        (pid) => held.get(pid),
      );
    } catch (error) {
      throw VirtstatError.from(error, 'ACCESS_DENIED', `processes cannot be listed in ${this.#procRoot}`);
    }
  }
}
