import type { TypedParameter } from '../../protocol/libvirt/typed-parameter.ts';

/** The largest number of an unsigned int. */
const UINT_MAX = 0xffff_ffffn;

/** The largest number of an int. */
const INT_MAX = 0x7fff_ffffn;

/**
 * Parameters that leave out what is not there: each of these gives one or none.
 */
export type Parameters = readonly TypedParameter[];

/** An unsigned long long. */
export function ullong(field: string, value: bigint | undefined): Parameters {
  return value === undefined ? [] : [{ field, type: 'ullong', value }];
}

/** A long long. */
export function llong(field: string, value: bigint | undefined): Parameters {
  return value === undefined ? [] : [{ field, type: 'llong', value }];
}

/** An unsigned int; none where the number is too large for one. */
export function uint(field: string, value: bigint | undefined): Parameters {
  return value === undefined || value > UINT_MAX ? [] : [{ field, type: 'uint', value: Number(value) }];
}

/** An int; none where the number is too large for one. */
export function int(field: string, value: bigint | undefined): Parameters {
  return value === undefined || value > INT_MAX ? [] : [{ field, type: 'int', value: Number(value) }];
}

/** An unsigned int where the number fits, else an unsigned long long. */
export function uintOrUllong(field: string, value: bigint | undefined): Parameters {
  return value !== undefined && value > UINT_MAX ? ullong(field, value) : uint(field, value);
}

/** A text. */
export function text(field: string, value: string | undefined): Parameters {
  return value === undefined ? [] : [{ field, type: 'string', value }];
}
