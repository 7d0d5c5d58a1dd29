import type { Availability, Domain } from '../../model/domain.ts';
import type { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, Provider, SchemaOptions, StatsRequest } from '../../model/provider.ts';
import type { Reading } from '../../model/sample.ts';
import type { Schema } from '../../model/stat.ts';
import { KVM, type LocalFiles } from './local-files.ts';

/** What the VM's monitor offers for KVM: the provider behind it, or why there is none. */
export type MonitorWay =
  | { readonly provider: Provider; readonly error?: undefined }
  | { readonly provider?: undefined; readonly error: VirtstatError };

/**
 * The provider `kvm` of a VM on this host, by the best way for each target: vCPUs by the kernel's stats files where the VMM
 * keeps them open, else by its monitor; the VM as a whole by its monitor, else by its file. The reader cannot tell the difference, except by `via`.
 */
export class LocalKvm implements Provider {
  readonly name: string = KVM;
  readonly targets: readonly string[] = ['vm', 'vcpu'];
  readonly #files: LocalFiles;
  readonly #monitor: MonitorWay;

  constructor(files: LocalFiles, monitor: MonitorWay) {
    this.#files = files;
    this.#monitor = monitor;
  }

  /** None for a VM without KVM. @throws the monitor's error where neither way is open */
  async schemas(domain: Domain, { target, signal }: SchemaOptions): Promise<readonly Schema[]> {
    const asked = this.targets.filter((each) => target === undefined || each === target);
    const fromFiles = asked.flatMap((each) => (this.#goesByMonitor(each) ? [] : (this.#files.schema(each) ?? [])));
    const missing = asked.filter((each) => !fromFiles.some((schema) => schema.target === each));
    const { provider, error } = this.#monitor;
    if (missing.length === 0) return fromFiles;
    if (provider === undefined) {
      if (fromFiles.length > 0 || error.code === 'STATS_NOT_OFFERED') return fromFiles;
      throw error;
    }
    const fromMonitor = await provider.schemas(domain, { signal });
    // In the same order whichever way each of them came.
    return asked.flatMap((each) =>
      (missing.includes(each) ? fromMonitor : fromFiles).filter((schema) => schema.target === each),
    );
  }

  /** None for a VM without KVM. @throws the monitor's error where neither way is open; DOMAIN_GONE */
  async stats(domain: Domain, request: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    const { target } = request;
    const readings = this.#goesByMonitor(target) ? undefined : await this.#files.sample(target, options);
    if (readings !== undefined) return readings;
    const { provider, error } = this.#monitor;
    if (error?.code === 'STATS_NOT_OFFERED') return [];
    if (provider === undefined) throw error;
    return provider.stats(domain, request, options);
  }

  /** Which way each target goes, or why neither is open. */
  availability(): readonly Availability[] {
    return this.targets.map((target) => {
      const kvm = { provider: KVM, target };
      if (this.#goesByMonitor(target)) return { ...kvm, via: 'qmp', available: true };
      const objection = this.#files.objection(target);
      if (objection === undefined) return { ...kvm, via: this.#files.via, available: true };
      const { error } = this.#monitor;
      if (error === undefined) return { ...kvm, via: 'qmp', available: true };
      return {
        ...kvm,
        via: 'qmp',
        available: false,
        reason: `${error.message}; kernel stats file: ${objection.message}`,
      };
    });
  }

  /** No VMM that has a monitor keeps a stats file of the VM as a whole: to look for one would cost more than to ask. */
  #goesByMonitor(target: string): boolean {
    return target === 'vm' && this.#monitor.provider !== undefined;
  }
}
