import type { Availability, Domain } from '../../model/domain.ts';
import type { VirtstatError } from '../../model/errors.ts';
import type { CallOptions, Provider, SchemaOptions, StatsRequest } from '../../model/provider.ts';
import type { Reading } from '../../model/sample.ts';
import type { Schema } from '../../model/stat.ts';
import type { KernelSchemas } from '../kvm/kernel-schemas.ts';
import { VIA_QMP } from '../qemu/via.ts';
import { KVM, type LocalFiles } from './local-files.ts';

/** What the VM's monitor, or libvirt, offers for KVM: the provider behind it, or why there is none. */
export type MonitorWay =
  | { readonly provider: Provider; readonly via: string; readonly error?: undefined }
  | { readonly provider?: undefined; readonly via?: undefined; readonly error: VirtstatError };

/**
 * The provider `kvm` of a VM on this host, by the best way for each target: vCPUs by the kernel's stats files where the VMM
 * keeps them open, else by its monitor, else by libvirt; the VM as a whole by its monitor, else by its file, else by libvirt. The
 * reader cannot tell the difference, except by `via`.
 */
export class LocalKvm implements Provider {
  readonly name: string = KVM;
  readonly targets: readonly string[] = ['vm', 'vcpu'];
  readonly #files: LocalFiles;
  readonly #monitor: MonitorWay;
  readonly #kernel: KernelSchemas;

  /** `kernel` is told what the kernel's own word is on what it measures. */
  constructor(files: LocalFiles, monitor: MonitorWay, kernel: KernelSchemas) {
    this.#files = files;
    this.#monitor = monitor;
    this.#kernel = kernel;
  }

  /** None for a VM without KVM. @throws the monitor's error where neither way is open */
  async schemas(domain: Domain, { target, signal }: SchemaOptions): Promise<readonly Schema[]> {
    const asked = this.targets.filter((each) => target === undefined || each === target);
    const fromFiles = asked.flatMap((each) => (this.#goesByMonitor(each) ? [] : (this.#files.schema(each) ?? [])));
    const missing = asked.filter((each) => !fromFiles.some((schema) => schema.target === each));
    this.#kernel.note(fromFiles);
    const { provider, error, via } = this.#monitor;
    if (missing.length === 0) return fromFiles;
    if (provider === undefined) {
      if (fromFiles.length > 0 || error.code === 'STATS_NOT_OFFERED') return fromFiles;
      throw error;
    }
    const [only, ...others] = missing;
    const one = only !== undefined && others.length === 0 && { target: only };
    const fromMonitor = await provider.schemas(domain, { signal, ...one });
    if (via === VIA_QMP) this.#kernel.note(fromMonitor);
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

  /** Which way each target goes, or why none is open; `told` is what libvirt says of itself where it is the last way. */
  availability(told: readonly Availability[] = []): readonly Availability[] {
    return this.targets.map((target) => {
      const kvm = { provider: KVM, target };
      if (this.#goesByMonitor(target)) return { ...kvm, via: VIA_QMP, available: true };
      const objection = this.#files.objection(target);
      if (objection === undefined) return { ...kvm, via: this.#files.via, available: true };
      const { error, via = VIA_QMP } = this.#monitor;
      const reason = error?.message ?? told.find((offer) => offer.target === target)?.reason;
      if (reason === undefined) return { ...kvm, via, available: true };
      return { ...kvm, via, available: false, reason: `${reason}; kernel stats file: ${objection.message}` };
    });
  }

  /** No VMM that has a monitor keeps a stats file of the VM as a whole: to look for one would cost more than to ask. */
  #goesByMonitor(target: string): boolean {
    return target === 'vm' && this.#monitor.via === VIA_QMP;
  }
}
