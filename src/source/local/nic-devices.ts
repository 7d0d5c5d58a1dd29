import type { TapFd } from '../../host/tap-fds.ts';
import type { NetBackend } from '../../protocol/hmp/info-network.ts';
import type { Nic } from '../qemu/nics.ts';

/** A device of the host that stands behind a NIC. */
export interface NicDevice extends Pick<TapFd, 'device' | 'kind'> {
  /** The VMM's descriptor of it; absent where descriptors may not be looked at. */
  readonly tap?: TapFd;
  /** In this process's network namespace, though the VMM lives in another; false if absent. */
  readonly isOurs?: boolean;
}

/** A NIC with its device, or why it has none. */
export type MatchedNic =
  | { readonly nic: Nic; readonly device: NicDevice; readonly reason?: undefined }
  | { readonly nic: Nic; readonly device?: undefined; readonly reason: string };

/** What is matched. */
export interface MatchInput {
  readonly nics: readonly Nic[];
  /** Those of the VMM; undefined where its descriptors may not be looked at. */
  readonly taps: readonly TapFd[] | undefined;
  /** By netdev, the descriptor that was its before: a device may have got another name since. */
  readonly known: ReadonlyMap<string, TapFd>;
}

/**
 * Finds the device of each NIC, by what is surest: the descriptor that its netdev was given, the name that it asked for, the
 * descriptor that it had before, and last the only device of the VMM that is left, where only one NIC is.
 */
export function matchDevices({ nics, taps, known }: MatchInput): readonly MatchedNic[] {
  const found = new Map<Nic, NicDevice>();
  const claimed = new Set<string>();
  const wanting = nics.filter(({ backend }) => backend?.type === 'tap');
  const claim = (find: (backend: NetBackend) => NicDevice | undefined): void => {
    for (const nic of wanting) {
      const device = found.has(nic) || nic.backend === undefined ? undefined : find(nic.backend);
      if (device === undefined || claimed.has(device.device)) continue;
      found.set(nic, device);
      claimed.add(device.device);
    }
  };
  if (taps === undefined) {
    claim(({ ifname }) => (ifname === undefined ? undefined : { device: ifname, kind: 'tap' }));
  } else {
    claim(({ fds }) => held(taps.find(({ fd }) => fds.includes(fd))));
    claim(({ ifname }) => held(taps.find(({ device }) => device === ifname)));
    claim(({ name, fds }) => held(fds.length > 0 ? undefined : taps.find((tap) => isSame(tap, known.get(name)))));
    const left = [...new Map(taps.map((tap) => [tap.device, tap])).values()].filter(
      (tap) => tap.kind === 'tap' && !claimed.has(tap.device),
    );
    const waiting = wanting.filter((nic) => !found.has(nic) && nic.backend?.fds.length === 0);
    if (left.length === 1 && waiting.length === 1) claim(({ fds }) => (fds.length > 0 ? undefined : held(left[0])));
  }
  return nics.map((nic) => {
    const device = found.get(nic);
    return device === undefined ? { nic, reason: whyNone(nic, taps) } : { nic, device };
  });
}

function held(tap: TapFd | undefined): NicDevice | undefined {
  return tap && { device: tap.device, kind: tap.kind, tap };
}

function isSame(tap: TapFd, before: TapFd | undefined): boolean {
  return before !== undefined && tap.fd === before.fd && tap.link === before.link;
}

function whyNone({ name, backend, isShared }: Nic, taps: readonly TapFd[] | undefined): string {
  if (isShared) return `${name} is on a hub with others: no device counts its frames alone`;
  if (backend === undefined) return `${name} is connected to nothing`;
  if (backend.type !== 'tap') {
    return `${name} is ${TYPES.get(backend.type) ?? `connected by ${backend.type}`}: it has no device on this host`;
  }
  if (taps === undefined) {
    return `${name} has a device without a name, and the descriptors of the VMM may not be looked at; run as root or the VMM's user`;
  }
  const { ifname, fds } = backend;
  if (fds.length > 0) return `${name} was given descriptor ${fds.join(', ')}, which is no tap that the VMM holds now`;
  const asked = ifname === undefined ? 'a tap' : `the tap ${ifname}`;
  return `${name} was given ${asked}, and the VMM holds none of which it can be told that it is that one`;
}

/** In the words that people use. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['user', 'user-mode networking'],
  ['socket', 'a socket'],
  ['stream', 'a socket'],
  ['dgram', 'a socket'],
]);
