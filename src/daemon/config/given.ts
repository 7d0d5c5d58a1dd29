import { nearest } from '../../registry/check.ts';
import { CONFIG_KEYS, type ConfigKey, VARIABLE_PREFIX } from './keys.ts';
import { readToml } from './toml.ts';

/** A value that was given beside the file. */
export interface Given {
  readonly key: ConfigKey;
  /** As it would stand in the file. */
  readonly value: unknown;
  /** Who gave it: `VIRTSTATD_TIMEOUT`, `--timeout`. */
  readonly origin: string;
}

/** A word that could not be taken for a value, or that names no key. */
export interface BadWord {
  readonly origin: string;
  readonly reason: string;
}

/** What was said beside the file, and what of it makes no sense. */
export interface Spoken {
  readonly given: readonly Given[];
  readonly bad: readonly BadWord[];
}

/** The largest variable that is looked at, in characters. */
const MAX_VARIABLE_LENGTH = 65_536;

/**
 * The values of environment variables. A list is written with spaces between, or as in the file; the rules as in the file:
 * `VIRTSTATD_ACCESS='[{ users = ["nobody"], domains = ["*"] }]'`. An empty variable says nothing.
 */
export function givenByEnvironment(env: Readonly<Record<string, string | undefined>>): Spoken {
  const spoken = Object.entries(env).flatMap(([variable, text]) => {
    if (!variable.startsWith(VARIABLE_PREFIX) || text === undefined || text === '') return [];
    const key = CONFIG_KEYS.find((each) => each.variable === variable);
    if (key === undefined) return [{ origin: variable, reason: `no such variable${hint(variable, variables())}` }];
    return [variableValue(key, text, variable)];
  });
  return sorted(spoken);
}

/** The values of flags by the names of their keys, each as often as it was given. */
export function givenByFlags(flags: Readonly<Record<string, readonly string[]>>): Spoken {
  const spoken = Object.entries(flags).map(([name, texts]) => {
    const key = CONFIG_KEYS.find((each) => each.name === name);
    const origin = `--${name}`;
    if (key === undefined) return { origin, reason: 'no such flag' };
    if (key.form === 'text' || key.form === 'switch') return { key, value: texts.at(-1), origin };
    if (key.form === 'list') return { key, value: texts, origin };
    const values = texts.map((text) => tomlValue(text));
    const wrong = values.find((each) => 'reason' in each);
    return wrong !== undefined && 'reason' in wrong
      ? { origin, reason: wrong.reason }
      : { key, value: values.map((each) => ('value' in each ? each.value : undefined)), origin };
  });
  return sorted(spoken);
}

function variableValue(key: ConfigKey, text: string, origin: string): Given | BadWord {
  if (text.length > MAX_VARIABLE_LENGTH) return { origin, reason: `is longer than ${MAX_VARIABLE_LENGTH} characters` };
  if (key.form === 'text' || key.form === 'switch') return { key, value: text, origin };
  if (key.form === 'list' && !text.trimStart().startsWith('[')) {
    return { key, value: text.split(/\s+/).filter((part) => part !== ''), origin };
  }
  const outcome = tomlValue(text);
  return 'reason' in outcome ? { origin, reason: outcome.reason } : { key, value: outcome.value, origin };
}

/** A value as it stands behind the `=` of a file. */
function tomlValue(text: string): { readonly value: unknown } | { readonly reason: string } {
  const outcome = readToml(`value = ${text}`);
  if ('table' in outcome && Object.keys(outcome.table).length === 1) return { value: outcome.table['value'] };
  const reason = 'table' in outcome ? 'there is more than one value' : outcome.reason;
  return { reason: `${JSON.stringify(text.slice(0, 80))} is no TOML value: ${reason}` };
}

function sorted(spoken: readonly (Given | BadWord)[]): Spoken {
  return {
    given: spoken.filter((each): each is Given => 'key' in each),
    bad: spoken.filter((each): each is BadWord => 'reason' in each),
  };
}

function variables(): readonly string[] {
  return CONFIG_KEYS.map(({ variable }) => variable);
}

/** `; did you mean …?`, or nothing where nothing is near. */
export function hint(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`;
}
