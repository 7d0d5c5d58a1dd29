/**
 * The arguments of `info stats target [names] [provider]`, cut up as QEMU's monitor does it (monitor/hmp.c, argument
 * types `s`, `s?`, `s?`):
 *
 * | part            | rule                                                                             |
 * | --------------- | -------------------------------------------------------------------------------- |
 * | between         | any run of blanks, tabs and line ends                                            |
 * | word            | up to the next of those                                                          |
 * | `"quoted"`      | up to the closing quote; `\n`, `\r`, `\\`, `\'`, `\"` inside; empty is a value   |
 * | longest word    | 1023 bytes: what is above is cut off silently                                    |
 */
export interface InfoStatsArguments {
  readonly target: string;
  /** Absent: all. An empty list selects nothing. */
  readonly names?: readonly string[];
  readonly provider?: string;
}

/** A command line either says what is asked, or is answered by these lines and nothing else. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly lines: readonly string[] };

/** The words that QEMU's own enumerations have; ours add what the schemas have. */
export interface KnownWords {
  readonly targets: readonly string[];
  readonly providers: readonly string[];
}

/** QEMU 8.0 and newer (qapi/stats.json). */
export const QEMU_WORDS: KnownWords = { targets: ['vm', 'vcpu', 'cryptodev'], providers: ['kvm', 'cryptodev'] };

/** Longest argument in bytes. */
export const MAX_ARGUMENT_BYTES = 1023;

/** The help line of the command, as QEMU prints it. */
export const INFO_STATS_HELP: string =
  'info stats target [names] [provider] -- show statistics for the given target (vm or vcpu); optionally filter by' +
  'name (comma-separated list, or * for all) and provider';

const HINT = 'Try "help info stats" for more information';

/** Cuts up and checks what follows `info stats` on a command line. */
export function parseInfoStatsArguments(text: string, known: KnownWords = QEMU_WORDS): Parsed<InfoStatsArguments> {
  const reader = new ArgumentReader(text);
  const target = reader.next();
  const names = target === undefined || reader.atEnd() ? undefined : reader.next();
  const provider = names === undefined || reader.atEnd() ? undefined : reader.next();
  if (target === undefined || reader.failed) return refuse('stats: string expected', HINT);
  if (!reader.atEnd()) return refuse('stats: extraneous characters at the end of line', HINT);
  if (!known.targets.includes(target)) return refuse(`invalid stats target ${target}`);
  if (provider !== undefined && !known.providers.includes(provider)) {
    return refuse(`invalid stats provider ${provider}`);
  }
  const list = names === undefined ? undefined : parseNames(names);
  return {
    ok: true,
    value: { target, ...(list !== undefined && { names: list }), ...(provider !== undefined && { provider }) },
  };
}

/** The names of a comma-separated list; undefined for `*`, which stands for all. An empty name selects nothing. */
export function parseNames(text: string): readonly string[] | undefined {
  return text === '*' ? undefined : text.split(',').filter((name) => name !== '');
}

/** What QEMU says to a command that it does not have: `command` with its parents, as typed. */
export function unknownCommand(command: string): string {
  return `unknown command: '${command}'`;
}

/** What QEMU says to a CPU number that it does not have. */
export const INVALID_CPU_INDEX = 'invalid CPU index';

function refuse(...lines: string[]): { ok: false; lines: readonly string[] } {
  return { ok: false, lines };
}

/** The characters that C's isspace() takes for blanks. */
const BLANK = /[ \t\n\v\f\r]/;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', '\\': '\\', "'": "'", '"': '"' };

/** Takes arguments off a command line, one at a time. */
class ArgumentReader {
  readonly #text: string;
  #position = 0;
  /** True once an argument was malformed: a quote without its end, an escape that does not exist. */
  failed = false;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    while (BLANK.test(this.#text.charAt(this.#position))) this.#position++;
    return this.#position >= this.#text.length;
  }

  /** The next argument; undefined where there is none, or a malformed one. */
  next(): string | undefined {
    if (this.atEnd() || this.failed) return undefined;
    const value = this.#text.charAt(this.#position) === '"' ? this.#quoted() : this.#word();
    return value === undefined ? undefined : cut(value);
  }

  #word(): string {
    const start = this.#position;
    while (this.#position < this.#text.length && !BLANK.test(this.#text.charAt(this.#position))) this.#position++;
    return this.#text.slice(start, this.#position);
  }

  #quoted(): string | undefined {
    let value = '';
    for (this.#position++; this.#position < this.#text.length; this.#position++) {
      let char: string | undefined = this.#text.charAt(this.#position);
      if (char === '"') {
        this.#position++;
        return value;
      }
      if (char === '\\') char = ESCAPES[this.#text.charAt(++this.#position)];
      if (char === undefined) break;
      value += char;
    }
    this.failed = true;
    return undefined;
  }
}

function cut(value: string): string {
  const bytes = new TextEncoder().encode(value);
  return bytes.length <= MAX_ARGUMENT_BYTES ? value : new TextDecoder().decode(bytes.subarray(0, MAX_ARGUMENT_BYTES));
}
