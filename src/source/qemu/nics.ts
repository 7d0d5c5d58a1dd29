import type { CallOptions } from '../../model/provider.ts';
import { type NetBackend, type NetNic, parseInfoNetwork } from '../../protocol/hmp/info-network.ts';
import type { JsonValue } from '../../protocol/json/json.ts';
import { QmpCommandError } from '../../protocol/qmp/messages.ts';
import { asArray, asObject, asString } from '../../protocol/qmp/shape.ts';
import { Kept } from './kept.ts';
import type { Monitor } from './monitor.ts';

/** A NIC of a VM. */
export interface Nic {
  /** Its QOM path; a name of our own where that is not known. */
  readonly path: string;
  /** What people call it: its id, else its path. */
  readonly name: string;
  /** The host's side; absent where there is none, or a hub connects it with others. */
  readonly backend?: NetBackend;
  /** On a hub with others. */
  readonly isShared: boolean;
}

/** How long what a monitor told of NICs stays good, in milliseconds: they may be plugged and unplugged. */
export const NICS_MAX_AGE_MS = 5000;

const PERIPHERAL = '/machine/peripheral';
/** Where devices without an id are: those that the user made, then those of the board. */
const WITHOUT_ID = ['/machine/peripheral-anon', '/machine/unattached'] as const;

/** The most NICs without an id whose device is looked for. */
const MAX_LOOKED_FOR = 256;

/**
 * The NICs of a VM as its monitor tells, kept for a while. Which backend a NIC has and which device of the host that is, QEMU
 * tells only people (`info network`); which object a NIC is, only its object model.
 */
export class MonitorNics {
  readonly #monitor: Monitor;
  readonly #nics: Kept<readonly Nic[]>;

  /** `monitor` belongs to one known process. */
  constructor(monitor: Monitor) {
    this.#monitor = monitor;
    this.#nics = new Kept(monitor, { maxAgeMs: NICS_MAX_AGE_MS, isOneProcess: true }, (call) => this.#ask(call));
    monitor.subscribe(({ name }) => {
      if (name === 'DEVICE_DELETED') this.forget();
    });
  }

  /** In the order in which they were created. @throws as {@link Monitor.execute}; HMP_TEXT_INVALID, QMP_REPLY_INVALID */
  get(options: CallOptions): Promise<readonly Nic[]> {
    return this.#nics.get(options);
  }

  /** They may have changed. */
  forget(): void {
    this.#nics.forget();
  }

  async #ask(options: CallOptions): Promise<readonly Nic[]> {
    const [text, withId] = await Promise.all([
      this.#monitor.execute('human-monitor-command', { 'command-line': 'info network' }, options),
      this.#children(PERIPHERAL, options),
    ]);
    const nics = parseInfoNetwork(asString(text, 'human-monitor-command'));
    const ids = new Set(withId.map(({ name }) => name));
    const paths = await this.#pathsWithoutId(
      nics.filter(({ name }) => !ids.has(name)),
      options,
    );
    return nics.map((nic) => {
      const { backend, isShared } = nic;
      const rest = { ...(backend !== undefined && { backend }), isShared };
      if (ids.has(nic.name)) return { path: `${PERIPHERAL}/${nic.name}`, name: nic.name, ...rest };
      const path = paths.get(nic) ?? nic.name;
      return { path, name: path, ...rest };
    });
  }

  /** A NIC and its device name the same backend; the address would not do, since a guest may change it. */
  async #pathsWithoutId(nics: readonly NetNic[], options: CallOptions): Promise<ReadonlyMap<NetNic, string>> {
    const paths = new Map<NetNic, string>();
    for (const folder of WITHOUT_ID) {
      const missing = nics.filter((nic) => nic.netdev !== '' && !paths.has(nic)).slice(0, MAX_LOOKED_FOR);
      if (missing.length === 0) break;
      const types = new Set(missing.map(({ model }) => `child<${model}>`));
      const devices = (await this.#children(folder, options)).filter(({ type }) => types.has(type));
      const netdevs = await Promise.all(
        devices.slice(0, MAX_LOOKED_FOR).map(async ({ name }) => {
          const path = `${folder}/${name}`;
          return [await this.#netdevOf(path, options), path] as const;
        }),
      );
      const byNetdev = new Map(netdevs);
      for (const nic of missing) {
        const path = byNetdev.get(nic.netdev);
        if (path !== undefined) paths.set(nic, path);
      }
    }
    return paths;
  }

  async #children(path: string, options: CallOptions): Promise<readonly { name: string; type: string }[]> {
    const reply = await this.#monitor.execute('qom-list', { path }, options);
    return asArray(reply, 'qom-list').map((json, index) => {
      const { name, type } = asObject(json, `qom-list[${index}]`);
      return { name: asString(name, `qom-list[${index}].name`), type: asString(type, `qom-list[${index}].type`) };
    });
  }

  /** Undefined where the device was unplugged meanwhile. */
  async #netdevOf(path: string, options: CallOptions): Promise<JsonValue | undefined> {
    try {
      return await this.#monitor.execute('qom-get', { path, property: 'netdev' }, options);
    } catch (error) {
      if (error instanceof QmpCommandError) return undefined;
      throw error;
    }
  }
}
