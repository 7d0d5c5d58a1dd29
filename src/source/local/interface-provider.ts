import type { DeviceCounters, DevicesPage, NetworkNamespaces, TrafficCounters } from '../../host/network-devices.ts';
import { isStillHeld, listTapFds, type TapFd } from '../../host/tap-fds.ts';
import { isTapInOurNamespace } from '../../host/tap-namespace.ts';
import { BYTES, COUNT, describeStat } from '../../model/describe.ts';
import type { Availability, Domain } from '../../model/domain.ts';
import type { CallOptions, OfferedProvider, SchemaOptions, StatsRequest } from '../../model/provider.ts';
import type { Reading, StatEntry } from '../../model/sample.ts';
import type { Schema } from '../../model/stat.ts';
import { goneError } from '../kvm/vmm-files.ts';
import { NICS_MAX_AGE_MS, type Nic } from '../qemu/nics.ts';
import { type MatchedNic, matchDevices, type NicDevice } from './nic-devices.ts';

const NAME = 'interface';
const TARGET = 'interface';
const VIA = 'proc';

/** By the names of the kernel's `struct rtnl_link_stats64`; the guest receives what is `rx`. */
export const INTERFACE_SCHEMA: Schema = {
  provider: NAME,
  target: TARGET,
  stats: ['rx', 'tx'].flatMap((direction) => [
    describeStat(`${direction}_bytes`, 'cumulative', BYTES),
    describeStat(`${direction}_packets`, 'cumulative', COUNT),
    describeStat(`${direction}_errors`, 'cumulative', COUNT),
    describeStat(`${direction}_dropped`, 'cumulative', COUNT),
  ]),
};

/** What the provider needs to know from others. */
export interface InterfaceOptions {
  readonly procRoot: string;
  /** Shared by all VMs. */
  readonly namespaces: NetworkNamespaces;
  /** The NICs as the monitor tells, or the command line where it cannot be asked. */
  readonly nics: (options: CallOptions) => Promise<readonly Nic[]>;
  /** The NICs may have changed. */
  readonly forgetNics: () => void;
  /** True where the process that was found has exited, though another may have its pid by now. */
  readonly hasExited: () => boolean;
}

/** The provider `interface`: the devices of this host behind a VM's NICs, as the guest sees them. */
export class InterfaceProvider implements OfferedProvider {
  readonly name: string = NAME;
  readonly targets: readonly string[] = [TARGET];
  readonly #pid: number;
  readonly #options: InterfaceOptions;
  #matched: { readonly nics: readonly Nic[]; readonly atMs: number; readonly list: readonly MatchedNic[] } | undefined;
  /** By netdev. */
  #known: ReadonlyMap<string, TapFd> = new Map();
  /** Paths of the NICs that were counted last time. */
  #counted: ReadonlySet<string> = new Set();

  constructor(pid: number, options: InterfaceOptions) {
    this.#pid = pid;
    this.#options = options;
  }

  /** None for a VM that has no NIC with a device. @throws DOMAIN_GONE */
  async schemas(_domain: Domain, options: SchemaOptions): Promise<readonly Schema[]> {
    const nics = await this.#measure(options);
    return nics.some(({ reading }) => reading !== undefined) ? [INTERFACE_SCHEMA] : [];
  }

  /** One reading for each NIC that has a device. @throws DOMAIN_GONE */
  async stats(_domain: Domain, _request: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    return (await this.#measure(options)).flatMap(({ reading }) => reading ?? []);
  }

  /** One for all that can be counted, and one for each that cannot. @throws DOMAIN_GONE */
  async availability(_domain: Domain, options: CallOptions): Promise<readonly Availability[]> {
    const offer = { provider: NAME, target: TARGET, via: VIA };
    const nics = await this.#measure(options);
    const reasons = nics.flatMap(({ reason }) => reason ?? []);
    if (nics.length === 0) reasons.push('the VM has no NICs that are known of');
    return [
      ...(reasons.length < nics.length ? [{ ...offer, available: true }] : []),
      ...reasons.map((reason) => ({ ...offer, available: false, reason })),
    ];
  }

  /** One that was counted last time and is not any more was unplugged, or its device was changed: that is found out at once. */
  async #measure(options: CallOptions): Promise<readonly Measured[]> {
    let measured = this.#read(await this.#match(options));
    if (measured.some(({ nic, reading }) => reading === undefined && this.#counted.has(nic.path))) {
      this.#options.forgetNics();
      this.#matched = undefined;
      measured = this.#read(await this.#match(options));
    }
    this.#counted = new Set(measured.flatMap(({ nic, reading }) => (reading === undefined ? [] : nic.path)));
    // After reading: what was read was still this process's then.
    if (this.#options.hasExited()) throw goneError(this.#pid);
    return measured;
  }

  async #match(options: CallOptions): Promise<readonly MatchedNic[]> {
    const nics = await this.#options.nics(options);
    const atMs = performance.now();
    const matched = this.#matched;
    if (matched !== undefined && matched.nics === nics && atMs - matched.atMs < NICS_MAX_AGE_MS) return matched.list;
    const taps = listTapFds(this.#pid, this.#options);
    const list = matchDevices({ nics, taps, known: this.#known }).map((each) => this.#locate(each));
    this.#known = new Map(
      list.flatMap(({ nic, device }) => (nic.backend && device?.tap ? [[nic.backend.name, device.tap] as const] : [])),
    );
    this.#matched = { nics, atMs, list };
    return list;
  }

  /** A tap that is not where the VMM lives was moved, or made elsewhere; by its name alone it could be another's. */
  #locate(matched: MatchedNic): MatchedNic {
    const { nic, device } = matched;
    if (device?.tap === undefined || device.kind !== 'tap') return matched;
    if (this.#options.namespaces.of(this.#pid)?.devices.has(device.device) !== false) return matched;
    return isTapInOurNamespace(this.#pid, device.tap.fd) ? { nic, device: { ...device, isOurs: true } } : matched;
  }

  #read(list: readonly MatchedNic[]): readonly Measured[] {
    const pages = new Map<number | 'self', DevicesPage | undefined>();
    const pageOf = (process: number | 'self'): DevicesPage | undefined => {
      if (!pages.has(process)) pages.set(process, this.#options.namespaces.of(process));
      return pages.get(process);
    };
    return list.map(({ nic, device, reason }) => {
      if (device === undefined) return { nic, reason };
      const page = this.#isHeld(device) ? pageOf(device.isOurs ? 'self' : this.#pid) : undefined;
      const counters = page?.devices.counters(device.device);
      if (page === undefined || counters === undefined) return { nic, reason: notShown(nic, device) };
      const reading = {
        path: nic.path,
        device: device.device,
        via: VIA,
        collectedAtNs: page.collectedAtNs,
        stats: entriesOf(counters, device),
      };
      return { nic, reading };
    });
  }

  #isHeld({ tap }: NicDevice): boolean {
    return tap === undefined || isStillHeld(this.#pid, tap, this.#options.procRoot);
  }
}

/** A NIC with what was read of it, or why there is nothing. */
type Measured =
  | { readonly nic: Nic; readonly reading: Reading; readonly reason?: undefined }
  | { readonly nic: Nic; readonly reading?: undefined; readonly reason: string };

/** What the host sends into a tap the guest receives; a macvtap receives what its guest does. */
function entriesOf({ received, sent }: DeviceCounters, { kind }: NicDevice): readonly StatEntry[] {
  const [rx, tx] = kind === 'tap' ? [sent, received] : [received, sent];
  return [...entries('rx', rx), ...entries('tx', tx)];
}

function entries(direction: string, { bytes, packets, errors, dropped }: TrafficCounters): readonly StatEntry[] {
  return [
    { name: `${direction}_bytes`, value: bytes },
    { name: `${direction}_packets`, value: packets },
    { name: `${direction}_errors`, value: errors },
    { name: `${direction}_dropped`, value: dropped },
  ];
}

function notShown({ name }: Nic, { device }: NicDevice): string {
  return `${name} has the device ${device}, which is not in the network namespace of the VMM, nor seen from here`;
}
