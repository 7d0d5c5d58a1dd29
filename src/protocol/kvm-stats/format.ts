import { VirtstatError } from '../../model/errors.ts';
import type { StatType, StatUnit, UnknownCode } from '../../model/stat.ts';
import { IS_LITTLE_ENDIAN } from '../../model/u64.ts';

/**
 * Constants of the kernel's binary statistics format: `KVM_GET_STATS_FD` in the kernel's Documentation/virt/kvm/api.rst and
 * include/uapi/linux/kvm.h. All fields have the byte order of the machine that wrote them. What a file announces beyond
 * the bounds below is refused before memory is taken for it.
 */

/** How a file stores numbers of more than one byte. */
export type ByteOrder = 'little' | 'big';

/** The byte order of this machine, which is that of every stats file of its kernel. */
export const MACHINE_BYTE_ORDER: ByteOrder = IS_LITTLE_ENDIAN ? 'little' : 'big';

/** The header, which stands at the start of the file. */
export const HEADER_SIZE_BYTES = 24;
/** The part of a descriptor before its name. */
export const DESCRIPTOR_FIXED_BYTES = 16;
/** One value. */
export const VALUE_SIZE_BYTES = 8;
/** What current kernels give a name, and the id. */
export const USUAL_NAME_SIZE_BYTES = 48;

/** The smallest place for a name, and for the id, that is believed. */
export const MIN_NAME_SIZE_BYTES = 16;
/** The largest one. */
export const MAX_NAME_SIZE_BYTES = 1024;
/** The most descriptors that a file may have; the largest file of Linux 7.2 has 106. */
export const MAX_DESCRIPTORS = 4096;
/** The most values that a file may have, over all its descriptors; an x86 vCPU has 138. */
export const MAX_VALUES = 65_536;
/** The largest file, holes included. */
export const MAX_FILE_SIZE_BYTES: number = 16 * 1024 * 1024;

const TYPES: readonly StatType[] = ['cumulative', 'instant', 'peak', 'linear-histogram', 'log2-histogram'];
const UNITS: readonly (StatUnit | undefined)[] = [undefined, 'bytes', 'seconds', 'cycles', 'boolean'];
const BASES: readonly number[] = [10, 2];

/** A descriptor's `flags`, taken apart. */
export interface Flags {
  readonly type: StatType;
  /** Absent: a plain number. */
  readonly unit: StatUnit | undefined;
  readonly base: number | UnknownCode;
}

/** Takes `flags` apart: bits 0 to 3 type, 4 to 7 unit, 8 to 11 base. A code without a name becomes `unknown-N`. */
export function decodeFlags(flags: number): Flags {
  const [type, unit, base] = [flags & 0xf, (flags >> 4) & 0xf, (flags >> 8) & 0xf];
  return {
    type: TYPES[type] ?? `unknown-${type}`,
    unit: unit < UNITS.length ? UNITS[unit] : `unknown-${unit}`,
    base: BASES[base] ?? `unknown-${base}`,
  };
}

/**
 * Puts `flags` together: the inverse of {@link decodeFlags}.
 * @throws USAGE for a word that stands for no code of 0 to 15
 */
export function encodeFlags({ type, unit, base }: Flags): number {
  return codeOf(TYPES, type) | (codeOf(UNITS, unit) << 4) | (codeOf(BASES, base) << 8);
}

function codeOf<T>(words: readonly T[], word: T | UnknownCode): number {
  const known = words.indexOf(word as T);
  if (known >= 0) return known;
  const code = Number(/^unknown-(\d+)$/.exec(String(word))?.[1]);
  if (code <= 0xf) return code;
  throw new VirtstatError('USAGE', `${JSON.stringify(word)} has no code in the KVM statistics format; use unknown-N`);
}

/** Shorthand for the one error that decoding raises most. */
export function invalid(message: string): VirtstatError {
  return new VirtstatError('STATS_FILE_INVALID', `${message}; capture the file again`);
}

/** A file that announces more than the bounds above allow. */
export function tooLarge(what: string, announced: number, limit: number): VirtstatError {
  return new VirtstatError(
    'STATS_FILE_TOO_LARGE',
    `the stats file announces ${announced} ${what}, more than the bound of ${limit}; check that it is a KVM stats file`,
  );
}

/** A file of `actual` bytes that should have `needed`. */
export function truncated(what: string, needed: number, actual: number): VirtstatError {
  return new VirtstatError(
    'STATS_FILE_TRUNCATED',
    `the stats file ends after ${actual} bytes, but ${what} needs ${needed}; capture the whole file`,
  );
}
