import type { CallOptions, MonitorRelay } from '../../model/provider.ts';
import type { JsonValue } from '../../protocol/json/json.ts';
import { nameDisks, typeIn } from '../../protocol/libvirt/disk-names.ts';
import { type BlockBackend, decodeBlockBackends } from '../../protocol/qmp/block-devices.ts';

/** A disk of a domain, in the words of libvirt's definitions. */
export interface Disk {
  /** `vda`. */
  readonly target: string;
  /** `virtio`; absent where it is not known. */
  readonly bus?: string;
  readonly device: 'disk' | 'cdrom' | 'floppy';
  /** Path of its image on the host; absent where it is no file, or is nobody's business. */
  readonly source?: string;
  /** `qcow2`, `raw`, …; absent where it is not known. */
  readonly format?: string;
  /** Number of the image, where libvirt made it. */
  readonly backingIndex?: bigint;
  readonly isReadOnly: boolean;
}

/** How long what is in the drives stays good, in milliseconds: somebody has to change it by hand. */
const MAX_AGE_MS = 10_000;

/** What many share ends with none of them; the monitor's own limit bounds it. */
const NEVER: CallOptions = { signal: new AbortController().signal };

/** The disks of one domain as its monitor describes them. What it told last stays good while it cannot be asked. */
export class DomainDisks {
  readonly #monitor: MonitorRelay;
  /** By path: what a device is does not change. */
  readonly #types = new Map<string, string>();
  #last: ReadonlyMap<string, Disk> = new Map();
  #asking: Promise<void> | undefined;
  #askedMs = -Infinity;

  constructor(monitor: MonitorRelay) {
    this.#monitor = monitor;
  }

  /** By path; waits no longer than `patienceMs`. Never rejects. */
  async get(patienceMs: number): Promise<ReadonlyMap<string, Disk>> {
    if (performance.now() - this.#askedMs >= MAX_AGE_MS) {
      this.#askedMs = performance.now();
      this.#asking = this.#ask().finally(() => {
        this.#asking = undefined;
      });
    }
    if (this.#asking !== undefined) await atMost(patienceMs, this.#asking);
    return this.#last;
  }

  async #ask(): Promise<void> {
    try {
      const backends = decodeBlockBackends((await this.#monitor.ask('query-block', undefined, NEVER)) as JsonValue);
      await Promise.all(backends.map(({ path }) => this.#learnType(path)));
      this.#last = this.#describe(backends);
    } catch {
      // Statistics of disks are of use without it, too.
    }
  }

  async #learnType(path: string | undefined): Promise<void> {
    if (path === undefined || !path.startsWith('/') || this.#types.has(path)) return;
    const known = typeIn(path);
    const type = known ?? (await this.#monitor.ask('qom-get', { path, property: 'type' }, NEVER).catch(() => ''));
    this.#types.set(path, String(type));
  }

  #describe(backends: readonly BlockBackend[]): ReadonlyMap<string, Disk> {
    const paths = backends.flatMap(({ path }) => path ?? []);
    const names = nameDisks(paths.map((path) => ({ path, type: this.#types.get(path) })));
    return new Map(
      backends.flatMap(({ path = '', isRemovable, medium }) => {
        const name = names.get(path);
        if (name === undefined) return [];
        const { target, bus } = name;
        const isFloppy = bus === 'fdc';
        const backingIndex = indexIn(medium?.nodeName);
        const disk: Disk = {
          target,
          ...(bus !== undefined && { bus }),
          device: isFloppy ? 'floppy' : isRemovable ? 'cdrom' : 'disk',
          ...(medium?.file.startsWith('/') && { source: medium.file }),
          ...(medium?.format !== undefined && { format: medium.format }),
          ...(backingIndex !== undefined && { backingIndex }),
          isReadOnly: medium?.isReadOnly === true,
        };
        return [[path, disk] as const];
      }),
    );
  }
}

/** libvirt names the nodes of its images `libvirt-2-format`. */
function indexIn(nodeName: string | undefined): bigint | undefined {
  const [, digits] = /^libvirt-(\d{1,9})-/.exec(nodeName ?? '') ?? [];
  return digits === undefined ? undefined : BigInt(digits);
}

/** Resolves when the work is done, or after that long. */
function atMost(ms: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void work.finally(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
