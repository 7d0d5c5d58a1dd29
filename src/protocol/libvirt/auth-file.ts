import { VirtstatError } from '../../model/errors.ts';
import { excerpt } from '../json/json.ts';

/** Longest file of credentials, in bytes. */
export const MAX_AUTH_FILE_BYTES: number = 64 * 1024;

/** What a file of credentials has for a host. */
export interface StoredCredentials {
  /** Who we are, to SASL. */
  readonly authname?: string;
  readonly password?: string;
}

/** A value as it stands in the file, and its line. */
interface Entry {
  readonly raw: string;
  readonly line: number;
}

type Group = ReadonlyMap<string, Entry>;

/** `[NAME]`, blanks behind it. */
const GROUP = /^\[([^[\]\p{Cc}]+)\][ \t]*$/u;

/** A key may name a language behind it; nobody has more than one here. */
const KEY = /^[^[\]]*[^[\] ](?:\[[\p{L}\p{N}_.@-]*\])?$/u;

const BLANK = String.raw`[\t-\r ]`;
const LEADING_BLANKS = new RegExp(`^${BLANK}+`);
/** Begins to look only at the first of some blanks: a line may have thousands of them. */
const TRAILING_BLANKS = new RegExp(`(?<!${BLANK})${BLANK}+$`);

const ESCAPES: Readonly<Record<string, string>> = { s: ' ', n: '\n', t: '\t', r: '\r', '\\': '\\' };

/**
 * libvirt's file of a client's credentials, `auth.conf`: groups `[credentials-NAME]` with the keys `authname` and `password`, and
 * groups `[auth-SERVICE-HOST]` with the key `credentials`, which names one of the former. What else is in it is for others.
 *
 * The grammar is that of GLib's key files, which libvirt reads it with: `#` begins a comment where it begins a line, blanks count
 * behind a value and not before it, `\s`, `\n`, `\t`, `\r` and `\\` are escapes, a group may be continued further below, and
 * of a key that is there twice the last one counts.
 *
 * Spec: "Client configuration" of libvirt's page about authentication.
 */
export class AuthFile {
  readonly #path: string;
  readonly #groups: ReadonlyMap<string, Group>;

  private constructor(path: string, groups: ReadonlyMap<string, Group>) {
    this.#path = path;
    this.#groups = groups;
  }

  /**
   * Reads the text of a file; `path` is its name, for messages. No message tells what stands in a line: it may be a password.
   * @throws LIBVIRT_AUTH_FAILED
   */
  static parse(text: string, path: string): AuthFile {
    const groups = new Map<string, Map<string, Entry>>();
    let current: Map<string, Entry> | undefined;
    for (const [index, whole] of text.split('\n').entries()) {
      const line = index + 1;
      const content = whole.replace(/\r$/, '').replace(LEADING_BLANKS, '');
      if (content.includes('\0')) throw failed(`line ${line} of ${path} has a character with the number 0`);
      if (content === '' || content.startsWith('#')) continue;
      const [, name] = GROUP.exec(content) ?? [];
      if (name !== undefined) {
        current = groups.get(name) ?? new Map();
        groups.set(name, current);
        continue;
      }
      const [key, raw] = entryIn(content);
      if (key === undefined || raw === undefined) {
        throw failed(`line ${line} of ${path} is no group ([NAME]), no entry (KEY=VALUE) and no comment (#…)`);
      }
      if (current === undefined) throw failed(`line ${line} of ${path} is an entry before the first group`);
      current.set(key, { raw, line });
    }
    return new AuthFile(path, groups);
  }

  /**
   * What there is for a host's service: that of its own group, else of the group for the host `default`; undefined where there is
   * neither.
   * @throws LIBVIRT_AUTH_FAILED where a group names no credentials, or some that are not there
   */
  find(service: string, host: string): StoredCredentials | undefined {
    const names = [`auth-${service}-${host}`, `auth-${service}-default`];
    const groupName = names.find((name) => this.#groups.has(name));
    const group = groupName === undefined ? undefined : this.#groups.get(groupName);
    if (group === undefined) return undefined;
    const name = this.#value(group, 'credentials');
    if (name === undefined) {
      throw failed(`${this.#path}: the group [${excerpt(`${groupName}`)}] has no entry credentials=NAME`);
    }
    const credentials = this.#groups.get(`credentials-${name}`);
    if (credentials === undefined) {
      const names = `[${excerpt(`credentials-${name}`)}], which [${excerpt(`${groupName}`)}] names`;
      throw failed(`${this.#path}: there is no group ${names}`);
    }
    const [authname, password] = ['authname', 'password'].map((key) => this.#value(credentials, key));
    return { ...(authname !== undefined && { authname }), ...(password !== undefined && { password }) };
  }

  #value(group: Group, key: string): string | undefined {
    const entry = group.get(key);
    return entry?.raw.replaceAll(/\\(.?)/gsu, (_, letter: string) => {
      const meant = ESCAPES[letter];
      if (meant !== undefined) return meant;
      throw failed(
        `line ${entry.line} of ${this.#path} has a backslash that is none of \\s, \\n, \\t, \\r, \\\\: write \\\\ for one`,
      );
    });
  }
}

function entryIn(content: string): readonly [key?: string, raw?: string] {
  const place = content.indexOf('=');
  const key = content.slice(0, Math.max(0, place)).replace(TRAILING_BLANKS, '');
  return KEY.test(key) ? [key, content.slice(place + 1).replace(LEADING_BLANKS, '')] : [];
}

function failed(why: string): VirtstatError {
  return new VirtstatError('LIBVIRT_AUTH_FAILED', `libvirt's credentials cannot be read: ${why}`);
}
