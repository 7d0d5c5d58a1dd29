import { VirtstatError } from '../../model/errors.ts';
import { MAX_TEXT_LENGTH } from './info-stats-parse.ts';

/**
 * What QEMU's human monitor prints for `info network` (net/net.c, hmp_info_network; net/hub.c, net_hub_info):
 *
 * | line | is |
 * | --- | --- |
 * | `hub N` | a hub; the lines with ` \ ` below it are its ports |
 * | ` \ PORT: CLIENT` | a port of a hub, and what is plugged into it |
 * | `CLIENT` | a NIC, or a backend that no NIC has |
 * | ` \ CLIENT` | the backend of the NIC above |
 *
 * CLIENT is `NAME: index=QUEUE,type=TYPE,INFO`. A NIC of several queues has a line for each. INFO of a NIC is
 * `model=MODEL,macaddr=MAC`, for the first queue only; of a tap it is `ifname=NAME,script=…`, `fd=NUMBER` or `helper=…`.
 */

/** The host's side of a NIC: a netdev. */
export interface NetBackend {
  /** Its id. */
  readonly name: string;
  /** `tap`, `user`, `vhost-user`, `socket`, … */
  readonly type: string;
  /** The device as it was called when it was opened. */
  readonly ifname?: string;
  /** Descriptors of the VMM, one for each queue; none where they are not told. */
  readonly fds: readonly number[];
}

/** A NIC of the guest. */
export interface NetNic {
  /** The id of its device, or one that QEMU made up. */
  readonly name: string;
  /** The type of its device, as QEMU's object model has it. */
  readonly model?: string;
  /** What the property `netdev` of its device says: the backend's id, or the port of a hub; empty where it has none. */
  readonly netdev: string;
  /** Absent where nothing is plugged in, or a hub connects it with others. */
  readonly backend?: NetBackend;
  /** On a hub with others, whose frames the hub's backends count too. */
  readonly isShared: boolean;
}

/** The most lines of NICs and backends that are read. */
export const MAX_NET_CLIENTS = 4096;

/**
 * The NICs, in QEMU's order: as they were created. What is no line of these kinds is passed over.
 * @throws HMP_TEXT_INVALID for a text that is too long
 */
export function parseInfoNetwork(text: string): readonly NetNic[] {
  if (text.length > MAX_TEXT_LENGTH) throw tooLong(`${text.length} characters`, MAX_TEXT_LENGTH);
  const reader = new Reader();
  for (const line of text.split(/\r?\n/)) reader.take(line);
  return reader.finish();
}

/** One CLIENT. */
interface Client {
  readonly name: string;
  readonly queue: number;
  readonly type: string;
  readonly info: string;
}

interface NicClient {
  readonly name: string;
  readonly model?: string;
  netdev: string;
  backend?: NetBackend & { readonly fds: number[] };
  hub?: Hub;
}

interface Hub {
  nics: number;
  readonly backends: Client[];
}

class Reader {
  readonly #nics: NicClient[] = [];
  /** By the name of the backend: later queues have names of their own. */
  readonly #byBackend = new Map<string, NicClient>();
  #hub: Hub | undefined;
  /** The NIC whose backend comes next: undefined for a later queue. */
  #above: NicClient | undefined;
  #clients = 0;

  take(line: string): void {
    if (/^hub \d+$/.test(line)) {
      this.#hub = { nics: 0, backends: [] };
      return;
    }
    const isBelow = line.startsWith(' \\ ');
    if (!isBelow) this.#hub = undefined;
    const text = isBelow ? line.slice(3) : line;
    if (this.#hub !== undefined) this.#takePort(text, this.#hub);
    else {
      const client = clientOf(text);
      if (client === undefined) return;
      this.#count();
      if (isBelow) this.#takeBackend(client);
      else this.#above = this.#takeNic(client);
    }
  }

  finish(): readonly NetNic[] {
    return this.#nics.map(({ name, model, netdev, backend, hub }) => {
      const isShared = hub !== undefined && hub.backends.length > 0 && hub.nics + hub.backends.length > 2;
      const [onHub] = hub?.backends ?? [];
      const own = onHub === undefined ? backend : backendOf(onHub);
      return {
        name,
        ...(model !== undefined && { model }),
        netdev,
        ...(own !== undefined && !isShared && { backend: own }),
        isShared,
      };
    });
  }

  #takePort(text: string, hub: Hub): void {
    const [, port = '', rest = ''] = /^(.*?): (.*)$/.exec(text) ?? [];
    const client = clientOf(rest);
    if (client === undefined) return;
    this.#count();
    if (client.type !== 'nic') {
      hub.backends.push(client);
      return;
    }
    const nic = this.#takeNic(client);
    if (nic === undefined) return;
    nic.netdev = port;
    nic.hub = hub;
    hub.nics++;
  }

  #takeNic({ name, queue, type, info }: Client): NicClient | undefined {
    if (type !== 'nic' || queue > 0) return undefined;
    const model = /^model=([^,]+)/.exec(info)?.[1];
    const nic: NicClient = { name, ...(model !== undefined && { model }), netdev: '' };
    this.#nics.push(nic);
    return nic;
  }

  #takeBackend(client: Client): void {
    const nic = this.#above ?? this.#byBackend.get(client.name);
    if (nic === undefined) return;
    const backend = backendOf(client);
    if (nic.backend !== undefined) {
      nic.backend.fds.push(...backend.fds);
      return;
    }
    nic.netdev = client.name;
    nic.backend = backend;
    this.#byBackend.set(client.name, nic);
  }

  #count(): void {
    if (++this.#clients > MAX_NET_CLIENTS) throw tooLong('more network clients', MAX_NET_CLIENTS);
  }
}

function clientOf(text: string): Client | undefined {
  const [, name, queue, type, info] = /^(.+?): index=(\d{1,9}),type=([\w-]+),(.*)$/.exec(text) ?? [];
  if (name === undefined || type === undefined) return undefined;
  return { name, queue: Number(queue), type, info: info ?? '' };
}

function backendOf({ name, type, info }: Client): NetBackend & { readonly fds: number[] } {
  // A name may have commas.
  const ifname = /^ifname=(.+?),script=/.exec(info)?.[1];
  const fd = /^fd=(\d{1,9})$/.exec(info)?.[1];
  return { name, type, ...(ifname !== undefined && { ifname }), fds: fd === undefined ? [] : [Number(fd)] };
}

function tooLong(has: string, limit: number): VirtstatError {
  return new VirtstatError('HMP_TEXT_INVALID', `the text of info network has ${has}; at most ${limit} are read`);
}
