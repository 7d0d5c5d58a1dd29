/** The program that runs a virtual machine. */
export interface Vmm {
  /** `QEMU`. */
  readonly name: string;
  /** Of its makers, `7.2.22`. */
  readonly version: string;
  /** Of who packaged it, `Debian 1:7.2+dfsg-7+deb12u18`; absent where it was not packaged. */
  readonly package?: string;
}

/** The state of a domain that is defined and does not run: nothing of it can be measured. */
export const SHUT_OFF = 'shut off';

/** One virtual machine, and where it was found. */
export interface Domain {
  /** Tells domains apart that share a name; stable while the VM lives. */
  readonly id: string;
  /** The guest's name where the VMM was given one, else made from what identifies it (`qemu-1234`). */
  readonly name: string;
  readonly uuid?: string;
  /**
   * Run state in QEMU's words (`running`, `paused`, `prelaunch`, …), or in virsh's where libvirt was asked (`running`, `paused`,
   * `shut off`, …); absent where nobody could be asked.
   */
  readonly state?: string;
  /** Number of virtual CPUs; absent where it is not known. */
  readonly vcpus?: number;
  /** The VMM; absent where nobody could be asked. */
  readonly vmm?: Vmm;
  /** Process id of the VMM on this host. */
  readonly pid?: number;
  /** URI of the source that found it. */
  readonly source: string;
}

/** Whether one provider can measure one target of a domain, by which way, and if not, why not. */
export interface Availability {
  readonly provider: string;
  readonly target: string;
  /** The way that is taken, or that would be: `kvm-file`, `qmp`, … */
  readonly via: string;
  readonly available: boolean;
  /** One sentence for people; present exactly where `available` is false. */
  readonly reason?: string;
}

/** True where `wanted` names this domain: by name or uuid, or by process id or `id`, which several VMs never share. */
export function isDomainNamed({ name, uuid, pid, id }: Domain, wanted: string): boolean {
  return name === wanted || uuid?.toLowerCase() === wanted.toLowerCase() || String(pid) === wanted || id === wanted;
}
