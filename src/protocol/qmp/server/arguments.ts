import { QmpCommandError } from '../messages.ts';
import { NameTable } from './name-table.ts';
import { isDict, type QmpDict, type QmpValue } from './value.ts';

/** What an argument may be: the types of QAPI that our commands use. */
export type ArgumentType =
  | { readonly kind: 'string' | 'integer' | 'boolean' }
  | { readonly kind: 'enum'; readonly words: readonly string[] }
  | { readonly kind: 'list'; readonly item: ArgumentType }
  | ({ readonly kind: 'object' } & ObjectType);

/** Members in the order of the schema, which is the order in which they are checked. */
export interface ObjectType {
  readonly members: readonly Member[];
  /** A flat union: what the member `tag` says decides which members there are beside the others. */
  readonly union?: { readonly tag: string; readonly branches: Readonly<Record<string, readonly Member[]>> };
}

/** One member of an object. */
export interface Member {
  readonly name: string;
  readonly type: ArgumentType;
  readonly isOptional?: boolean;
}

/** Arguments that have been checked; a member that was not given is not there. */
export interface CheckedArguments {
  readonly [name: string]: CheckedValue;
}

/** A checked argument: a string, an integer, a boolean, or made of these. */
export type CheckedValue = string | bigint | boolean | readonly CheckedValue[] | CheckedArguments;

/**
 * Checks arguments as QEMU's input visitor does: members in the order of the schema, each for being there, its type and its
 * word, into the depth; then, when an object closes, for members that nobody knows.
 * @throws QMP_COMMAND_FAILED with QEMU's words, as a {@link QmpCommandError}
 */
export function checkArguments(command: string, args: QmpDict, type: ObjectType): CheckedArguments {
  return new Checker(command).object(args, type, '');
}

const INT64_MAX = 2n ** 63n - 1n;

class Checker {
  readonly #command: string;

  constructor(command: string) {
    this.#command = command;
  }

  object(dict: QmpDict, { members, union }: ObjectType, path: string): CheckedArguments {
    const unknown = new NameTable(dict.keys());
    const checked: Record<string, CheckedValue> = {};
    const visit = (member: Member): void => {
      unknown.remove(member.name);
      const where = path === '' ? member.name : `${path}.${member.name}`;
      const value = dict.get(member.name);
      if (value !== undefined) checked[member.name] = this.#value(value, member.type, where, member.name);
      else if (member.isOptional !== true) throw this.#refuse(`Parameter '${where}' is missing`);
    };
    members.forEach(visit);
    if (union !== undefined) union.branches[checked[union.tag] as string]?.forEach(visit);
    const first = unknown.first();
    if (first === undefined) return checked;
    throw this.#refuse(`Parameter '${path === '' ? first : `${path}.${first}`}' is unexpected`);
  }

  #value(value: QmpValue, type: ArgumentType, where: string, name: string | undefined): CheckedValue {
    switch (type.kind) {
      case 'string':
        if (typeof value === 'string') return value;
        break;
      case 'integer':
        if (typeof value === 'bigint' && value <= INT64_MAX) return value;
        break;
      case 'boolean':
        if (typeof value === 'boolean') return value;
        break;
      case 'enum':
        return this.#word(value, type.words, where, name);
      case 'list':
        if (!Array.isArray(value)) throw this.#wrongType(where, 'array');
        return (value as readonly QmpValue[]).map((item, index) =>
          this.#value(item, type.item, `${where}[${index}]`, undefined),
        );
      default:
        if (isDict(value)) return this.object(value, type, where);
    }
    throw this.#wrongType(where, type.kind);
  }

  /** What is wrong with a word is told by the member's own name; an item of a list has none, which C prints as `null`. */
  #word(value: QmpValue, words: readonly string[], where: string, name = 'null'): string {
    if (typeof value !== 'string') throw this.#wrongType(where, 'string');
    if (words.includes(value)) return value;
    throw this.#refuse(`Parameter '${name}' does not accept value '${value}'`);
  }

  #wrongType(where: string, expected: string): QmpCommandError {
    return this.#refuse(`Invalid parameter type for '${where}', expected: ${expected}`);
  }

  #refuse(desc: string): QmpCommandError {
    return new QmpCommandError(this.#command, 'GenericError', desc);
  }
}
