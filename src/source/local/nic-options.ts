import type { NetBackend } from '../../protocol/hmp/info-network.ts';
import type { Nic } from '../qemu/nics.ts';
import { type Options, parseJsonOptions, parseOptions } from './option-text.ts';

/** How many NICs and netdevs of a command line are believed. */
export const MAX_CONFIGURED_NICS = 256;

/** A device of a command line that may be a NIC: those without an id are counted, whatever they are. */
interface Device {
  readonly id?: string;
  readonly netdev?: string;
}

/**
 * Collects what a command line says of NICs while its arguments pass by: a -device may come before the -netdev that it
 * names. Source: qemu-system(1): -netdev, -device, -nic, -net.
 */
export class NicOptions {
  readonly #netdevs = new Map<string, NetBackend>();
  readonly #devices: Device[] = [];
  /** QEMU makes them after all others. */
  readonly #jsonDevices: Device[] = [];
  readonly #own: Nic[] = [];
  /** Of `-net nic,netdev=`. */
  readonly #onBoard: { readonly path: string; readonly netdev: string }[] = [];
  /** Of `-net`, all on one hub. */
  readonly #hubPaths: string[] = [];
  readonly #hubBackends: NetBackend[] = [];
  #boardNics = 0;

  /** An option that is not about NICs is passed over. */
  take(option: string, value: string): void {
    const isJson = value.startsWith('{');
    if (option === 'netdev') this.takeNetdev(isJson ? parseJsonOptions(value) : parseOptions(value, 'type'));
    else if (option === 'device' && isJson) this.#jsonDevices.push(deviceOf(parseJsonOptions(value)));
    else if (option === 'device') this.takeDevice(parseOptions(value, 'driver'));
    else if (option === 'nic') this.#takeNic(parseOptions(value, 'type'));
    else if (option === 'net') this.#takeNet(parseOptions(value, 'type'));
  }

  takeNetdev(options: Options): void {
    const id = options.get('id');
    if (id !== undefined && this.#netdevs.size < MAX_CONFIGURED_NICS) this.#netdevs.set(id, backendOf(id, options));
  }

  takeDevice(options: Options): void {
    this.#devices.push(deviceOf(options));
  }

  /** At most {@link MAX_CONFIGURED_NICS}. */
  conclude(): readonly Nic[] {
    const isShared = this.#hubPaths.length > 1 || this.#hubBackends.length > 1;
    const [backend] = this.#hubBackends;
    const onHub = this.#hubPaths.map((path) => nicOf(path, isShared ? undefined : backend, isShared));
    const onBoard = this.#onBoard.map(({ path, netdev }) => nicOf(path, this.#netdevs.get(netdev)));
    return [...this.#ofDevices(), ...this.#own, ...onBoard, ...onHub].slice(0, MAX_CONFIGURED_NICS);
  }

  /** A device without an id is known by its number among those. */
  #ofDevices(): readonly Nic[] {
    let withoutId = 0;
    return [...this.#devices, ...this.#jsonDevices].flatMap(({ id, netdev }) => {
      const path = id === undefined ? `/machine/peripheral-anon/device[${withoutId++}]` : `/machine/peripheral/${id}`;
      return netdev === undefined ? [] : { ...nicOf(path, this.#netdevs.get(netdev)), name: id ?? path };
    });
  }

  /** A NIC of the board, with a backend of its own. Its QOM path depends on the board. */
  #takeNic(options: Options): void {
    if (options.get('type') === 'none') return;
    const path = this.#nextBoardNic();
    this.#own.push(nicOf(path, backendOf(options.get('id') ?? path, options)));
  }

  #takeNet(options: Options): void {
    const type = options.get('type');
    if (type === 'none') return;
    const netdev = options.get('netdev');
    if (type !== 'nic') this.#hubBackends.push(backendOf(`${type}`, options));
    else if (netdev === undefined) this.#hubPaths.push(this.#nextBoardNic());
    else this.#onBoard.push({ path: this.#nextBoardNic(), netdev });
  }

  #nextBoardNic(): string {
    return `nic-${this.#boardNics++}`;
  }
}

function nicOf(path: string, backend: NetBackend | undefined, isShared = false): Nic {
  return { path, name: path, ...(backend !== undefined && { backend }), isShared };
}

function deviceOf(options: Options): Device {
  const id = options.get('id');
  const netdev = options.get('netdev');
  return { ...(id !== undefined && { id }), ...(netdev !== undefined && { netdev }) };
}

/** A `bridge` is a tap that a helper opened. A name with a `%` is a pattern that the kernel fills in. */
function backendOf(name: string, options: Options): NetBackend {
  const given = options.get('type') ?? 'unknown';
  const type = given === 'bridge' ? 'tap' : given;
  const ifname = options.get('ifname');
  const words = (options.get('fds') ?? options.get('fd') ?? '').split(':');
  const fds = words.filter((word) => /^\d{1,9}$/.test(word)).map(Number);
  return { name, type, ...(ifname !== undefined && !ifname.includes('%') && { ifname }), fds };
}
