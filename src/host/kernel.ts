import { release } from 'node:os';
import { VirtstatError } from '../model/errors.ts';

/** A kernel's version: `[6, 1, 43]` for 6.1.43. */
export type KernelVersion = readonly [major: number, minor: number, patch: number];

/** What the gate looks at; tests give their own. */
export interface KernelFacts {
  /** As `uname -r` prints it; this machine's if absent. */
  readonly release?: string;
  /** This process's environment if absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** The first kernel that has stats files. */
const FIRST_WITH_STATS: KernelVersion = [5, 14, 0];

/**
 * Kernels in which a stats file does not keep its VM alive, so that reading it after the VM's end touches freed memory:
 * from the first version (included) to the second (excluded). Mended by Linux commit eed3013faa40 and its backports.
 */
const UNSAFE_RANGES: readonly (readonly [from: KernelVersion, mended: KernelVersion])[] = [
  [FIRST_WITH_STATS, [5, 15, 124]],
  [
    [5, 16, 0],
    [6, 1, 43],
  ],
  [
    [6, 2, 0],
    [6, 4, 8],
  ],
];

/** Numbers at the start of a release string; undefined where it has none. */
export function parseKernelRelease(text: string): KernelVersion | undefined {
  const [, major, minor, patch = '0'] = /^(\d{1,5})\.(\d{1,5})(?:\.(\d{1,5}))?/.exec(text) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  return [Number(major), Number(minor), Number(patch)];
}

/**
 * Why stats files of another process must not be read on this kernel; undefined where they may. The environment variable
 * VIRTSTAT_TRUST_KERNEL=1 lets every kernel pass, for distributions that carry the mend under an older version.
 * The error's code is KERNEL_UNSAFE, or PLATFORM_UNSUPPORTED where the kernel has no stats files at all.
 */
export function kernelObjection(facts: KernelFacts = {}): VirtstatError | undefined {
  const { release: text = release(), env = process.env } = facts;
  if (env['VIRTSTAT_TRUST_KERNEL'] === '1') return undefined;
  const version = parseKernelRelease(text);
  if (version === undefined || isBefore(version, FIRST_WITH_STATS)) {
    return new VirtstatError(
      'PLATFORM_UNSUPPORTED',
      `kernel ${text} has no stats files of VMs (Linux 5.14 has); use a QEMU monitor instead`,
    );
  }
  const range = UNSAFE_RANGES.find(([from, mended]) => !isBefore(version, from) && isBefore(version, mended));
  if (range === undefined) return undefined;
  return new VirtstatError(
    'KERNEL_UNSAFE',
    `kernel ${text} may crash when a stats file outlives its VM (mended in ${range[1].join('.')}); update it, or set ` +
      'VIRTSTAT_TRUST_KERNEL=1 where the distribution has backported the mend',
  );
}

function isBefore(a: KernelVersion, b: KernelVersion): boolean {
  const differing = a.findIndex((number, index) => number !== b[index]);
  return differing >= 0 && a[differing]! < b[differing]!;
}
