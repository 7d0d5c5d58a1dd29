import type { IdlError, IdlMethod, IdlTypeMember } from './idl.ts';
import { parseIdl } from './idl-parse.ts';

/** An interface, ready to check values against. */
export interface VarlinkInterface {
  readonly name: string;
  /** The definition as it was written; this is what a service gives to those who ask. */
  readonly text: string;
  readonly types: ReadonlyMap<string, IdlTypeMember>;
  readonly methods: ReadonlyMap<string, IdlMethod>;
  readonly errors: ReadonlyMap<string, IdlError>;
}

/** Reads a definition. @throws VARLINK_IDL_INVALID */
export function defineInterface(text: string): VarlinkInterface {
  const { name, members } = parseIdl(text);
  return {
    name,
    text,
    types: new Map(members.flatMap((member) => (member.kind === 'type' ? [[member.name, member]] : []))),
    methods: new Map(members.flatMap((member) => (member.kind === 'method' ? [[member.name, member]] : []))),
    errors: new Map(members.flatMap((member) => (member.kind === 'error' ? [[member.name, member]] : []))),
  };
}

/** The two parts of `org.example.name.Member`; the first is empty where there is no dot. */
export function splitName(fullName: string): readonly [interfaceName: string, member: string] {
  const dot = fullName.lastIndexOf('.');
  return [fullName.slice(0, Math.max(dot, 0)), fullName.slice(dot + 1)];
}
