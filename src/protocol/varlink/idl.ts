/**
 * What a varlink interface definition says, as data. Comments stand without their `#`, one line of text for each line,
 * `''` where there are none.
 *
 * Spec: https://varlink.org/Interface-Definition, and `any`, which systemd added.
 */

/** A type as it is written. */
export type IdlType =
  | { readonly kind: 'bool' | 'int' | 'float' | 'string' | 'object' | 'any' }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  | IdlStruct
  /** `?T`: null or absent is allowed; never directly within another one. */
  | { readonly kind: 'maybe'; readonly of: IdlType }
  /** `[]T` */
  | { readonly kind: 'array'; readonly of: IdlType }
  /** `[string]T` */
  | { readonly kind: 'dict'; readonly of: IdlType }
  /** A type of the same interface. */
  | { readonly kind: 'named'; readonly name: string };

/** `(name: type, …)` */
export interface IdlStruct {
  readonly kind: 'struct';
  readonly fields: readonly IdlField[];
}

/** One field of a struct. */
export interface IdlField {
  readonly name: string;
  readonly type: IdlType;
  readonly comment: string;
}

/** `type Name (…)` */
export interface IdlTypeMember {
  readonly kind: 'type';
  readonly name: string;
  readonly comment: string;
  readonly type: Extract<IdlType, { kind: 'struct' | 'enum' }>;
}

/** `method Name(…) -> (…)` */
export interface IdlMethod {
  readonly kind: 'method';
  readonly name: string;
  readonly comment: string;
  readonly input: IdlStruct;
  readonly output: IdlStruct;
}

/** `error Name (…)` */
export interface IdlError {
  readonly kind: 'error';
  readonly name: string;
  readonly comment: string;
  readonly parameters: IdlStruct;
}

/** Anything that an interface defines; all share one space of names. */
export type IdlMember = IdlTypeMember | IdlMethod | IdlError;

/** A whole definition, in the order of its text. */
export interface IdlInterface {
  /** Reversed domain name: `org.varlink.service`. */
  readonly name: string;
  readonly comment: string;
  readonly members: readonly IdlMember[];
}
