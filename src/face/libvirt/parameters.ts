import { U64_MAX } from '../../model/u64.ts';
import type { TypedParameter } from '../../protocol/libvirt/typed-parameter.ts';

/** The largest number of an unsigned long long, and of a long long. */
const [ULLONG_MAX, LLONG_MAX] = [U64_MAX, U64_MAX >> 1n];

/** The largest number of an unsigned int. */
const UINT_MAX = 0xffff_ffffn;

/** The largest number of an int. */
const INT_MAX = 0x7fff_ffffn;

/** Parameters. Each of these functions gives one, or none where there is no value or none that the type can hold. */
export type Parameters = readonly TypedParameter[];

/** An unsigned long long. */
export function ullong(field: string, value: bigint | undefined): Parameters {
  return isUpTo(ULLONG_MAX, value) ? [{ field, type: 'ullong', value }] : [];
}

/** A long long. */
export function llong(field: string, value: bigint | undefined): Parameters {
  return isUpTo(LLONG_MAX, value) ? [{ field, type: 'llong', value }] : [];
}

/** An unsigned int. */
export function uint(field: string, value: bigint | undefined): Parameters {
  return isUpTo(UINT_MAX, value) ? [{ field, type: 'uint', value: Number(value) }] : [];
}

/** An int. */
export function int(field: string, value: bigint | undefined): Parameters {
  return isUpTo(INT_MAX, value) ? [{ field, type: 'int', value: Number(value) }] : [];
}

/** An unsigned int where the number fits, else an unsigned long long. */
export function uintOrUllong(field: string, value: bigint | undefined): Parameters {
  return value !== undefined && value > UINT_MAX ? ullong(field, value) : uint(field, value);
}

/** A text. */
export function text(field: string, value: string | undefined): Parameters {
  return value === undefined ? [] : [{ field, type: 'string', value }];
}

function isUpTo(max: bigint, value: bigint | undefined): value is bigint {
  return value !== undefined && value >= 0n && value <= max;
}
