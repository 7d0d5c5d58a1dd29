import type { MonitorRelay } from '../../model/provider.ts';
import { type DevicesOptions, NEVER, Occasional } from './occasional.ts';

/** A NIC of a domain, in the words of libvirt's definitions. */
export interface Nic {
  /** As QEMU was told: `52:54:00:12:34:56`; absent where it is not known. */
  readonly address?: string;
  /** `virtio`, `e1000`, …; absent where it is not known. */
  readonly model?: string;
}

/** Most NICs of one domain that are asked about. */
const MAX_NICS = 256;

const ADDRESS = /^[\da-f]{2}(:[\da-f]{2}){5}$/i;

/** The NICs of one domain as its monitor describes them. What it told last stays good while it cannot be asked. */
export class DomainNics {
  readonly #monitor: MonitorRelay;
  /** By path. */
  readonly #known = new Map<string, Nic>();
  readonly #occasional = new Occasional();

  constructor(monitor: MonitorRelay) {
    this.#monitor = monitor;
  }

  /** By path; waits no longer than `patienceMs`, and not when the signal fires. Never rejects. */
  async get(paths: readonly string[], options: DevicesOptions): Promise<ReadonlyMap<string, Nic>> {
    const ask = () => this.#ask(paths.filter((path) => path.startsWith('/machine/')).slice(0, MAX_NICS));
    await this.#occasional.refresh(ask, options);
    return this.#known;
  }

  async #ask(paths: readonly string[]): Promise<void> {
    for (const path of this.#known.keys()) if (!paths.includes(path)) this.#known.delete(path);
    await Promise.all(
      paths.map(async (path) => {
        const [address, type] = await Promise.all(['mac', 'type'].map((property) => this.#property(path, property)));
        if (address === undefined && type === undefined) return;
        this.#known.set(path, {
          ...(address !== undefined && ADDRESS.test(address) && { address }),
          // libvirt has one word for a model on whatever bus.
          ...(type !== undefined && { model: type.startsWith('virtio-net') ? 'virtio' : type }),
        });
      }),
    );
  }

  /** Undefined where it cannot be had. */
  async #property(path: string, property: string): Promise<string | undefined> {
    try {
      const value = await this.#monitor.ask('qom-get', { path, property }, NEVER);
      return typeof value === 'string' ? value : undefined;
    } catch {
      return undefined;
    }
  }
}
