import { excerpt } from '../json/json.ts';
import type { XdrCodec } from './xdr-codec.ts';
import { invalid, type XdrReader } from './xdr-reader.ts';
import type { XdrWriter } from './xdr-writer.ts';

/** Longest name of a parameter, in bytes: VIR_TYPED_PARAM_FIELD_LENGTH less its NUL. */
export const MAX_FIELD_BYTES = 79;

/** Longest text in a message, in bytes. */
export const MAX_STRING_BYTES: number = 4 * 2 ** 20;

/** A named value that knows its type: 64-bit ones are exact. */
export type TypedParameter =
  | { readonly field: string; readonly type: 'int'; readonly value: number }
  | { readonly field: string; readonly type: 'uint'; readonly value: number }
  | { readonly field: string; readonly type: 'llong'; readonly value: bigint }
  | { readonly field: string; readonly type: 'ullong'; readonly value: bigint }
  | { readonly field: string; readonly type: 'double'; readonly value: number }
  | { readonly field: string; readonly type: 'boolean'; readonly value: boolean }
  | { readonly field: string; readonly type: 'string'; readonly value: string };

/** What a {@link TypedParameter} is, by libvirt's names. */
export type TypedParameterType = TypedParameter['type'];

/** The number of each type. */
const CODES: Readonly<Record<TypedParameterType, number>> = {
  int: 1,
  uint: 2,
  llong: 3,
  ullong: 4,
  double: 5,
  boolean: 6,
  string: 7,
};

/**
 * A typed parameter:
 *
 * | field | form |
 * | --- | --- |
 * | field | string of at most 79 bytes |
 * | type | int: 1 int, 2 unsigned int, 3 hyper, 4 unsigned hyper, 5 double, 6 bool, 7 string |
 * | value | by type |
 *
 * libvirt's own clients refuse a whole reply in which one name is longer.
 */
export const TYPED_PARAMETER: XdrCodec<TypedParameter> = {
  minBytes: 12,
  decode: decodeParameter,
  encode: encodeParameter,
};

/** Most replies are made of these: the loop that reads them is as short as it can be. */
function decodeParameter(reader: XdrReader): TypedParameter {
  const field = reader.string(MAX_FIELD_BYTES);
  const code = reader.int();
  switch (code) {
    case CODES.ullong:
      return { field, type: 'ullong', value: reader.uhyper() };
    case CODES.uint:
      return { field, type: 'uint', value: reader.uint() };
    case CODES.int:
      return { field, type: 'int', value: reader.int() };
    case CODES.string:
      return { field, type: 'string', value: reader.string(MAX_STRING_BYTES) };
    case CODES.boolean:
      return { field, type: 'boolean', value: reader.bool() };
    case CODES.llong:
      return { field, type: 'llong', value: reader.hyper() };
    case CODES.double:
      return { field, type: 'double', value: reader.double() };
    default:
      throw invalid(`parameter ${excerpt(field)} has the unknown type ${code}`);
  }
}

function encodeParameter(writer: XdrWriter, parameter: TypedParameter): void {
  writer.string(parameter.field, MAX_FIELD_BYTES);
  writer.int(CODES[parameter.type]);
  if (parameter.type === 'ullong') writer.uhyper(parameter.value);
  else if (parameter.type === 'llong') writer.hyper(parameter.value);
  else if (parameter.type === 'uint') writer.uint(parameter.value);
  else if (parameter.type === 'int') writer.int(parameter.value);
  else if (parameter.type === 'double') writer.double(parameter.value);
  else if (parameter.type === 'boolean') writer.bool(parameter.value);
  else writer.string(parameter.value, MAX_STRING_BYTES);
}
