import { stringify } from 'smol-toml';
import { readBounded } from '../../host/files.ts';
import { VirtstatError } from '../../model/errors.ts';
import { openSources } from '../../source/open.ts';
import type { Accounts, Config } from './config.ts';
import { type Given, givenByEnvironment, givenByFlags, hint } from './given.ts';
import { CONFIG_KEYS, type ConfigKey } from './keys.ts';
import { type Checked, checkConfig, type Finding, MAX_SOURCES, wordsAt } from './schema.ts';
import { wrongTlsFiles } from './tls-files.ts';
import { readToml, TomlLines, type TomlTable } from './toml.ts';
import { readWebConfig } from './web-config.ts';

/** Where the configuration lies unless somebody says otherwise. It need not exist. */
export const DEFAULT_CONFIG_FILE = '/etc/virtstat/virtstat.toml';

/** The largest file that is read, in bytes. */
export const MAX_CONFIG_BYTES: number = 256 << 10;

/** The most mistakes that are told at once. */
export const MAX_MISTAKES = 100;

/** Where values come from; a later one of these wins: defaults, file, variables, flags. */
export interface ConfigInput {
  /** A file that must exist; absent: the default one, where it exists. */
  readonly file?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By the names of keys: `{ 'log.level': ['debug'] }`. */
  readonly flags: Readonly<Record<string, readonly string[]>>;
  /** Whose daemon it is. */
  readonly uid: number;
  readonly accounts: Accounts;
  readonly signal: AbortSignal;
  /** In place of {@link DEFAULT_CONFIG_FILE}. */
  readonly defaultFile?: string;
}

/** A configuration that is right, or everything that is wrong with it. */
export type ConfigOutcome =
  | { readonly config: Config; readonly effective: string }
  | { readonly mistakes: readonly string[] };

/**
 * Reads the configuration from everywhere and checks it. A mistake is one line, `where: key: reason`; `where` is a file and
 * a line, a variable or a flag. `effective` is the whole configuration as a file, defaults included. Never rejects for what
 * is configured.
 */
export async function loadConfig(input: ConfigInput): Promise<ConfigOutcome> {
  const file = await readConfigFile(input);
  const [variables, flags] = [givenByEnvironment(input.env), givenByFlags(input.flags)];
  const given = [...variables.given, ...flags.given];
  const settings = merge(defaultSettings(input), file.table, given);
  const checked = checkConfig(settings, input.accounts);
  const ofValues = 'findings' in checked ? checked.findings : [];
  const ofFiles = await wrongTlsFiles(settings, ofValues, input.signal);
  const ofWeb = await wrongWebConfig(checked, input.signal);
  const findings = [...ofValues, ...(await wrongSources(settings, ofValues)), ...ofFiles, ...ofWeb];
  const mistakes = [
    ...file.mistakes,
    ...[...variables.bad, ...flags.bad].map(({ origin, reason }) => `${origin}: ${reason}`),
    ...findings.slice(0, MAX_MISTAKES).map((finding) => mistakeText(finding, file, given)),
  ].map((line) => line.replaceAll(/\p{Cc}/gu, '?'));
  if ('config' in checked && mistakes.length === 0) return { config: checked.config, effective: stringify(settings) };
  const untold = mistakes.length + Math.max(0, findings.length - MAX_MISTAKES) - MAX_MISTAKES;
  return { mistakes: untold > 0 ? [...mistakes.slice(0, MAX_MISTAKES), `and ${untold} more`] : mistakes };
}

/** What is no source, beside what `findings` know. Opening one reads nothing: it only understands the URI, or not. */
async function wrongSources(settings: TomlTable, findings: readonly Finding[]): Promise<readonly Finding[]> {
  const uris: unknown = settings['connect'];
  if (!Array.isArray(uris) || uris.length > MAX_SOURCES) return [];
  const known = new Set(findings.flatMap(({ path: [key, index] }) => (key === 'connect' ? [index] : [])));
  const wrong = uris.map(async (uri: unknown, index): Promise<readonly Finding[]> => {
    const path = ['connect', index];
    if (typeof uri !== 'string' || known.has(index)) return [];
    if (uris.indexOf(uri) < index) return [{ path, reason: `${uri} is named twice` }];
    try {
      const sources = await openSources([uri]);
      await Promise.all(sources.map((source) => source.close()));
      return [];
    } catch (error) {
      return [{ path, reason: VirtstatError.from(error, 'URI_INVALID', `${uri} cannot be opened`).message }];
    }
  });
  return (await Promise.all(wrong)).flat();
}

/** What is wrong in the web configuration file; nothing where the configuration has mistakes of its own. */
async function wrongWebConfig(checked: Checked, signal: AbortSignal): Promise<readonly Finding[]> {
  const file = 'config' in checked ? checked.config.web.configFile : undefined;
  if (file === undefined) return [];
  const outcome = await readWebConfig(file, signal);
  const mistakes = 'mistakes' in outcome ? outcome.mistakes : [];
  return mistakes.map((mistake) => ({ path: ['web', 'config', 'file'], reason: `${file}: ${mistake}` }));
}

/** Where sockets lie for this user unless somebody says otherwise. */
export function defaultRuntimeDir({ env, uid }: Pick<ConfigInput, 'env' | 'uid'>): string {
  const own = env['XDG_RUNTIME_DIR'];
  return uid === 0 ? '/run/virtstat' : `${own || `/run/user/${uid}`}/virtstat`;
}

/** Where files lie that are to outlive the daemon; the service manager names a directory that it has made. */
function defaultStateDir({ env, uid }: Pick<ConfigInput, 'env' | 'uid'>): string {
  const [given] = (env['STATE_DIRECTORY'] ?? '').split(':');
  if (given) return given;
  if (uid === 0) return '/var/lib/virtstat';
  return `${env['XDG_STATE_HOME'] || `${env['HOME'] || `/var/tmp/virtstat-${uid}`}/.local/state`}/virtstat`;
}

interface ConfigFile {
  readonly path: string;
  readonly lines: TomlLines;
  readonly table: TomlTable;
  readonly mistakes: readonly string[];
}

async function readConfigFile({ file, signal, defaultFile }: ConfigInput): Promise<ConfigFile> {
  const path = file ?? defaultFile ?? DEFAULT_CONFIG_FILE;
  const nothing = { path, lines: new TomlLines(''), table: {} };
  try {
    const content = await readBounded(path, { maxSizeBytes: MAX_CONFIG_BYTES, signal });
    if (content === undefined) return { ...nothing, mistakes: [`${path}: is larger than ${MAX_CONFIG_BYTES} bytes`] };
    const text = decoded(content.bytes);
    if (text === undefined) return { ...nothing, mistakes: [`${path}: is no UTF-8 text`] };
    const outcome = readToml(text);
    if ('table' in outcome) return { path, lines: new TomlLines(text), table: outcome.table, mistakes: [] };
    return { ...nothing, mistakes: [`${path}:${outcome.line}:${outcome.column}: ${outcome.reason}`] };
  } catch (error) {
    const reason = VirtstatError.from(error, 'INTERNAL', `reading ${path} failed`);
    if (reason.code === 'PATH_NOT_FOUND' && file === undefined) return { ...nothing, mistakes: [] };
    if (reason.code === 'CANCELLED') throw reason;
    return { ...nothing, mistakes: [`${path}: cannot be read: ${reason.message}`] };
  }
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function defaultSettings(input: ConfigInput): TomlTable {
  const known = CONFIG_KEYS.flatMap((key) => {
    const value = defaultOf(key, input);
    return value === undefined ? [] : [{ key, value, origin: 'default' }];
  });
  return known.reduce<TomlTable>((settings, { key, value }) => withValue(settings, key.path, value), {});
}

function defaultOf(key: ConfigKey, input: ConfigInput): unknown {
  if (key.name === 'runtime-dir') return defaultRuntimeDir(input);
  if (key.name === 'state-dir') return defaultStateDir(input);
  // As for every command.
  const uri = input.env['VIRTSTAT_DEFAULT_URI'];
  return key.name === 'connect' && uri ? [uri] : key.default;
}

/** The file's tables lie over the defaults key by key; what is no table where one belongs stays, and is refused later. */
function merge(defaults: TomlTable, file: TomlTable, given: readonly Given[]): TomlTable {
  const merged = Object.fromEntries(
    [...new Set([...Object.keys(defaults), ...Object.keys(file)])].map((name) => {
      const [below, above] = [defaults[name], Object.hasOwn(file, name) ? file[name] : undefined];
      return [name, isTable(below) && isTable(above) ? merge(below, above, []) : (above ?? below)];
    }),
  );
  return given.reduce<TomlTable>((settings, { key, value }) => withValue(settings, key.path, value), merged);
}

function withValue(settings: TomlTable, [part = '', ...rest]: readonly string[], value: unknown): TomlTable {
  const inner = Object.hasOwn(settings, part) ? settings[part] : undefined;
  return { ...settings, [part]: rest.length === 0 ? value : withValue(isTable(inner) ? inner : {}, rest, value) };
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function mistakeText({ path, reason, unknownKey }: Finding, file: ConfigFile, given: readonly Given[]): string {
  const name = path.map((part, index) =>
    typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${String(part)}`,
  );
  const hinted = unknownKey === undefined ? reason : `${reason}${hint(unknownKey, wordsAt(path.slice(0, -1)))}`;
  return `${originOf(path, file, given)}: ${name.join('')}: ${hinted}`;
}

/** Who gave the value: the last flag or variable of its key, else the file. */
function originOf(path: readonly PropertyKey[], file: ConfigFile, given: readonly Given[]): string {
  const isInKey = ({ key }: Given): boolean => key.path.every((part, index) => path[index] === part);
  const spoken = given.findLast(isInKey);
  if (spoken !== undefined) return spoken.origin;
  const line = file.lines.of(path);
  return line === undefined ? file.path : `${file.path}:${line}`;
}
