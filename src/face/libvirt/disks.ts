import type { MonitorRelay } from '../../model/provider.ts';
import type { JsonValue } from '../../protocol/json/json.ts';
import { nameDisks, typeIn } from '../../protocol/libvirt/disk-names.ts';
import { type BackingImage, type BlockBackend, decodeBlockBackends } from '../../protocol/qmp/block-devices.ts';
import { type BackingNode, decodeBackingNodes } from '../../protocol/qmp/block-stats.ts';
import { type DevicesOptions, NEVER, Occasional } from './occasional.ts';

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
  /** The images below that one, the uppermost first. */
  readonly backing: readonly BackingDisk[];
}

/** An image below another one. */
export interface BackingDisk extends Pick<Disk, 'source' | 'format' | 'backingIndex'> {
  /** In bytes: what the guest sees, what it takes up where it lies, how far it was written. */
  readonly capacity?: bigint;
  readonly physical?: bigint;
  readonly allocation?: bigint;
}

type BackingNodes = ReadonlyMap<string, readonly BackingNode[]>;

/** The disks of one domain as its monitor describes them. What it told last stays good while it cannot be asked. */
export class DomainDisks {
  readonly #monitor: MonitorRelay;
  /** By path: what a device is does not change. */
  readonly #types = new Map<string, string>();
  #last: ReadonlyMap<string, Disk> = new Map();
  readonly #occasional = new Occasional();

  constructor(monitor: MonitorRelay) {
    this.#monitor = monitor;
  }

  /** By path; waits no longer than `patienceMs`, and not when the signal fires. Never rejects. */
  async get(options: DevicesOptions): Promise<ReadonlyMap<string, Disk>> {
    await this.#occasional.refresh(() => this.#ask(), options);
    return this.#last;
  }

  async #ask(): Promise<void> {
    try {
      const [blocks, nodes] = await Promise.all([this.#monitor.ask('query-block', undefined, NEVER), this.#askNodes()]);
      const backends = decodeBlockBackends(blocks as JsonValue);
      await Promise.all(backends.map(({ path }) => this.#learnType(path)));
      this.#last = this.#describe(backends, nodes);
    } catch {
      // Statistics of disks are of use without it, too.
    }
  }

  /** Images below others are of use without the names of their nodes, too. */
  async #askNodes(): Promise<BackingNodes> {
    try {
      return decodeBackingNodes((await this.#monitor.ask('query-blockstats', undefined, NEVER)) as JsonValue);
    } catch {
      return new Map();
    }
  }

  async #learnType(path: string | undefined): Promise<void> {
    if (path === undefined || !path.startsWith('/') || this.#types.has(path)) return;
    const known = typeIn(path);
    const type = known ?? (await this.#monitor.ask('qom-get', { path, property: 'type' }, NEVER).catch(() => ''));
    this.#types.set(path, String(type));
  }

  #describe(backends: readonly BlockBackend[], nodes: BackingNodes): ReadonlyMap<string, Disk> {
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
          ...(medium !== undefined && imageOf(medium)),
          ...(backingIndex !== undefined && { backingIndex }),
          isReadOnly: medium?.isReadOnly === true,
          backing: backingOf(medium?.backing ?? [], nodes.get(path) ?? []),
        };
        return [[path, disk] as const];
      }),
    );
  }
}

/** Of disks that no monitor describes: what they are called, told from their paths. */
export function disksByPath(paths: readonly string[]): ReadonlyMap<string, Disk> {
  const names = nameDisks(paths.map((path) => ({ path, type: typeIn(path) })));
  return new Map(
    [...names].map(([path, { target, bus }]) => [
      path,
      { target, ...(bus !== undefined && { bus }), device: 'disk', isReadOnly: false, backing: [] },
    ]),
  );
}

function imageOf({ file, format }: Pick<BackingImage, 'file' | 'format'>): Pick<Disk, 'source' | 'format'> {
  return { ...(file.startsWith('/') && { source: file }), ...(format !== undefined && { format }) };
}

/** Both tell of the same chain; where a filter stands in between, only one of them does. */
function backingOf(images: readonly BackingImage[], nodes: readonly BackingNode[]): readonly BackingDisk[] {
  return images.map((image, index) => {
    const node = nodes.length === images.length ? nodes[index] : undefined;
    const backingIndex = indexIn(node?.nodeName);
    const { capacity, physical } = image;
    return {
      ...imageOf(image),
      ...(backingIndex !== undefined && { backingIndex }),
      ...(capacity !== undefined && { capacity }),
      ...(physical !== undefined && { physical }),
      ...(node?.allocation !== undefined && { allocation: node.allocation }),
    };
  });
}

/** libvirt names the nodes of its images `libvirt-2-format`. */
function indexIn(nodeName: string | undefined): bigint | undefined {
  const [, digits] = /^libvirt-(\d{1,9})-/.exec(nodeName ?? '') ?? [];
  return digits === undefined ? undefined : BigInt(digits);
}
