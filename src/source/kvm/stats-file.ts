import { nowNs } from '../../host/clock.ts';
import type { OwnedFd } from '../../host/owned-fd.ts';
import type { Reading } from '../../model/sample.ts';
import { HEADER_SIZE_BYTES, truncated } from '../../protocol/kvm-stats/format.ts';
import { decodeHeader } from '../../protocol/kvm-stats/header.ts';
import type { Layout } from '../../protocol/kvm-stats/layout.ts';
import { LayoutCache } from '../../protocol/kvm-stats/layout-cache.ts';
import { lazyReading } from '../../protocol/kvm-stats/values.ts';

/** How values from a stats file, live or captured, are marked in {@link Reading.via}. */
export const VIA_KVM_FILE = 'kvm-file';

/** A stats file of this machine's kernel, open, with its layout. Owns its descriptor. */
export class StatsFile implements Disposable {
  readonly layout: Layout;
  /** `vcpu-M`; undefined for the file of a VM, which is the only one of its kind. */
  readonly path: string | undefined;
  readonly #file: OwnedFd;

  private constructor(file: OwnedFd, layout: Layout) {
    this.#file = file;
    this.layout = layout;
    this.path = pathOf(layout);
  }

  /**
   * Reads and decodes the layout; takes over the descriptor, and closes it where that fails. Files opened with the same
   * `cache` share what they have in common.
   * @throws STATS_FILE_TRUNCATED, STATS_FILE_TOO_LARGE, STATS_FILE_INVALID, STATS_FILE_UNREADABLE, CLOSED
   */
  static open(file: OwnedFd, cache: LayoutCache = new LayoutCache()): StatsFile {
    try {
      const header = decodeHeader(readUpTo(file, HEADER_SIZE_BYTES));
      return new StatsFile(file, cache.decode(readUpTo(file, header.layoutSizeBytes)));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Number of the descriptor; -1 once it is closed. */
  get fd(): number {
    return this.#file.fd;
  }

  /**
   * The values now: one copy of the data block, decoded when looked at. Says nothing about whether the VM still lives: the
   * file of a VM that has exited shows its last values for ever.
   * @param collectedAtNs - the time to give the reading; now if absent
   * @param path - what to call the object in the reading; {@link path} if absent
   * @throws STATS_FILE_TRUNCATED, STATS_FILE_UNREADABLE, CLOSED
   */
  sample(collectedAtNs: bigint = nowNs(), path: string | undefined = this.path): Reading {
    const { layout } = this;
    // From the pool: what is read fills it, and a buffer of its own costs as much as the system call.
    const data = Buffer.allocUnsafe(layout.dataSizeBytes);
    const count = this.#file.read(data, layout.dataOffset);
    if (count < data.length) throw truncated('its data block', data.length, count);
    const facts = { via: VIA_KVM_FILE, collectedAtNs };
    return lazyReading(layout, data, path === undefined ? facts : { path, ...facts });
  }

  /** Harmless when called twice. */
  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The path of readings of a file: `vcpu-M`, or undefined for the VM. */
export function pathOf({ scope }: Layout): string | undefined {
  return scope.target === 'vcpu' ? `vcpu-${scope.vcpuId}` : undefined;
}

function readUpTo(file: OwnedFd, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  return bytes.subarray(0, file.read(bytes, 0));
}
