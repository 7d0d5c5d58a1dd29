import { VirtstatError } from '../../model/errors.ts';
import type { IdlField, IdlInterface, IdlMember, IdlStruct, IdlType } from './idl.ts';

/** Longest definition that is taken, in characters (1 MiB). */
export const MAX_IDL_LENGTH: number = 2 ** 20;

/** How deep types may nest in each other. */
export const MAX_IDL_DEPTH = 64;

/** A definition breaks the grammar: VARLINK_IDL_INVALID with the place. */
export class VarlinkIdlError extends VirtstatError {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;

  constructor(line: number, column: number, problem: string) {
    super('VARLINK_IDL_INVALID', `an interface definition is wrong at line ${line}, column ${column}: ${problem}`);
    this.line = line;
    this.column = column;
  }
}

/**
 * Reads an interface definition: grammar, unique names, and that every named type is defined.
 * @throws VARLINK_IDL_INVALID as a {@link VarlinkIdlError}
 */
export function parseIdl(text: string): IdlInterface {
  return new Parser(text).interface();
}

const SPACE = /[ \t\r\n]*/y;
const COMMENT = /#[ \t]?([^\n]*)/y;
const KEYWORD = /[a-z]+/y;
const INTERFACE_NAME = /[A-Za-z0-9.-]+/y;
const IS_INTERFACE_NAME = /^[A-Za-z](?:-*[A-Za-z0-9])*(?:\.[A-Za-z0-9](?:-*[A-Za-z0-9])*)+$/;
const MEMBER_NAME = /[A-Z][A-Za-z0-9]*/y;
const FIELD_NAME = /[A-Za-z](?:_?[A-Za-z0-9])*/y;
const WORD = /[A-Za-z][A-Za-z0-9]*/y;

const BASIC_TYPES: ReadonlySet<string> = new Set(['bool', 'int', 'float', 'string', 'object', 'any']);

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  /** The comment that ends right above the place that {@link #skip} went to last. */
  #comment = '';
  #skippedTo = -1;
  /** Named types that were used, and where. */
  readonly #used: { readonly name: string; readonly at: number }[] = [];

  constructor(text: string) {
    this.#text = text;
    if (text.length > MAX_IDL_LENGTH) this.#fail(`it is longer than ${MAX_IDL_LENGTH} characters`, 0);
  }

  interface(): IdlInterface {
    this.#skip();
    const comment = this.#comment;
    this.#expectKeyword(['interface']);
    const name = this.#interfaceName();
    const members = this.#members();
    const types = new Set(members.flatMap((member) => (member.kind === 'type' ? [member.name] : [])));
    const missing = this.#used.find((use) => !types.has(use.name));
    if (missing !== undefined) this.#fail(`type ${missing.name} is not defined`, missing.at);
    return { name, comment, members };
  }

  #interfaceName(): string {
    this.#skip();
    const at = this.#at;
    const name = this.#take(INTERFACE_NAME) ?? '';
    if (!IS_INTERFACE_NAME.test(name))
      this.#fail('a reversed domain name should be here, such as org.example.name', at);
    return name;
  }

  #members(): readonly IdlMember[] {
    const members: IdlMember[] = [];
    const names = new Set<string>();
    for (this.#skip(); this.#at < this.#text.length; this.#skip()) {
      const member = this.#member(names);
      members.push(member);
    }
    return members;
  }

  #member(names: Set<string>): IdlMember {
    const comment = this.#comment;
    const kind = this.#expectKeyword(['type', 'method', 'error']) as IdlMember['kind'];
    this.#skip();
    const at = this.#at;
    const name = this.#take(MEMBER_NAME) ?? this.#fail('a name that begins with a capital letter should be here');
    if (names.has(name)) this.#fail(`${name} is defined twice`, at);
    names.add(name);
    if (kind === 'type') return { kind, name, comment, type: this.#structOrEnum() };
    if (kind === 'error') return { kind, name, comment, parameters: this.#struct() };
    const input = this.#struct();
    this.#expect('->');
    return { kind, name, comment, input, output: this.#struct() };
  }

  #type(): IdlType {
    if (++this.#depth > MAX_IDL_DEPTH) this.#fail(`types nest deeper than ${MAX_IDL_DEPTH}`);
    this.#skip();
    const type = this.#typeHere();
    this.#depth--;
    return type;
  }

  #typeHere(): IdlType {
    const at = this.#at;
    if (this.#accept('?')) {
      const of = this.#type();
      if (of.kind === 'maybe') this.#fail('a second ? says nothing more', at);
      return { kind: 'maybe', of };
    }
    if (this.#accept('[]')) return { kind: 'array', of: this.#type() };
    if (this.#accept('[string]')) return { kind: 'dict', of: this.#type() };
    if (this.#text[at] === '(') return this.#structOrEnum();
    const word = this.#take(WORD) ?? this.#fail('a type should be here');
    if (BASIC_TYPES.has(word)) return { kind: word as 'bool' };
    if (word[0] !== word[0]?.toUpperCase()) this.#fail(`there is no type ${word}`, at);
    this.#used.push({ name: word, at });
    return { kind: 'named', name: word };
  }

  #struct(): IdlStruct {
    this.#skip();
    const at = this.#at;
    const type = this.#structOrEnum();
    return type.kind === 'struct' ? type : this.#fail('fields with types should be here', at);
  }

  /** What stands behind the first name tells the two apart; `()` is a struct without fields. */
  #structOrEnum(): Extract<IdlType, { kind: 'struct' | 'enum' }> {
    this.#expect('(');
    this.#skip();
    if (this.#accept(')')) return { kind: 'struct', fields: [] };
    const names = new Set<string>();
    const fields: IdlField[] = [];
    let isEnum: boolean | undefined;
    do {
      this.#skip();
      const comment = this.#comment;
      const name = this.#fieldName(names);
      this.#skip();
      isEnum ??= this.#text[this.#at] !== ':';
      if (isEnum) continue;
      this.#expect(':');
      fields.push({ name, type: this.#type(), comment });
      this.#skip();
    } while (this.#accept(','));
    this.#expect(')');
    return isEnum ? { kind: 'enum', values: [...names] } : { kind: 'struct', fields };
  }

  #fieldName(names: Set<string>): string {
    const at = this.#at;
    const name = this.#take(FIELD_NAME) ?? this.#fail('a name of letters, digits and single _ should be here');
    if (names.has(name)) this.#fail(`${name} is there twice`, at);
    names.add(name);
    return name;
  }

  #expectKeyword(keywords: readonly string[]): string {
    const at = this.#at;
    const word = this.#take(KEYWORD);
    if (word === undefined || !keywords.includes(word)) this.#fail(`${keywords.join(' or ')} should be here`, at);
    return word as string;
  }

  #expect(token: string): void {
    this.#skip();
    if (!this.#accept(token)) this.#fail(`${token} should be here`);
  }

  #accept(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found[0];
  }

  /** Goes behind spaces and comments. An empty line parts a comment from what follows. */
  #skip(): void {
    if (this.#at === this.#skippedTo) return;
    const lines: string[] = [];
    for (;;) {
      const space = this.#take(SPACE) ?? '';
      if (space.split('\n').length > (lines.length === 0 ? Number.POSITIVE_INFINITY : 2)) lines.length = 0;
      COMMENT.lastIndex = this.#at;
      const [whole, line] = COMMENT.exec(this.#text) ?? [];
      if (whole === undefined) break;
      this.#at += whole.length;
      lines.push((line as string).trimEnd());
    }
    this.#comment = lines.join('\n');
    this.#skippedTo = this.#at;
  }

  #fail(problem: string, at: number = this.#at): never {
    const before = this.#text.slice(0, at).split('\n');
    throw new VarlinkIdlError(before.length, (before.at(-1) as string).length + 1, problem);
  }
}
