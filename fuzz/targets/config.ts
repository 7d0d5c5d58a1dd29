import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { CONFIG_KEYS } from '../../src/daemon/config/keys.ts';
import { type ConfigOutcome, loadConfig, MAX_MISTAKES } from '../../src/daemon/config/load.ts';
import { type FuzzTarget, must, mustEqual, outcomeOf } from '../target.ts';
import { anyText, utf8 } from '../texts.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtstat-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const FILE = join(folder, 'c.toml');
const USERS: Readonly<Record<string, number>> = { nobody: 65534, monitor: 990 };

function load(env: Readonly<Record<string, string>>, content?: Uint8Array): Promise<ConfigOutcome> {
  if (content !== undefined) writeFileSync(FILE, content);
  return loadConfig({
    ...(content !== undefined && { file: FILE }),
    defaultFile: join(folder, 'missing'),
    ...{ env, flags: {}, uid: 0, signal: new AbortController().signal },
    accounts: { userId: (name) => USERS[name], groupId: (name) => USERS[name] },
  });
}

/** Every mistake is one line that says where: the file and a line of it, or who else said it. */
function checkMistakes(mistakes: readonly string[], where: string, lines: number): string {
  must(mistakes.length > 0 && mistakes.length <= MAX_MISTAKES + 1, `tells ${mistakes.length} mistakes`);
  const words = mistakes.map((mistake) => {
    must(!/\p{Cc}/u.test(mistake), `a mistake is not one line of text: ${JSON.stringify(mistake)}`);
    if (/^and \d+ more$/.test(mistake)) return 'more';
    must(mistake.startsWith(where), `a mistake does not say where: ${mistake}`);
    const rest = mistake.slice(where.length);
    const line = Number(/^:(\d+)/.exec(rest)?.[1] ?? 1);
    must(line >= 1 && line <= lines, `line ${line} is none of the text`);
    return rest.replaceAll(/"[^"]*"|[\d[\]]+/g, '').slice(0, 60);
  });
  return outcomeOf(words);
}

/** What a right configuration says of itself as a file means the same. */
async function checkEffective(outcome: Extract<ConfigOutcome, { config: unknown }>): Promise<void> {
  const again = await load({}, Buffer.from(outcome.effective));
  mustEqual(again, outcome, 'a configuration changes when it is written');
}

async function check(input: Uint8Array): Promise<string> {
  const text = Buffer.from(input).toString('utf8');
  const file = await load({}, input);
  const variable = await load({ VIRTSTATD_ACCESS: text });
  const words = [];
  // The parser counts a line end more than there are lines.
  if ('mistakes' in file) words.push(checkMistakes(file.mistakes, FILE, text.split('\n').length + 1));
  else await checkEffective(file);
  if ('mistakes' in variable) words.push(checkMistakes(variable.mistakes, 'VIRTSTATD_ACCESS', 1).slice(0, 40));
  else if (text !== '') words.push('rules');
  return words.join(' || ');
}

const key = fc.constantFrom(...CONFIG_KEYS.map(({ name }) => name), 'timeuot', '"a b"', 'log', 'access', '__proto__');
const value = fc.oneof(
  fc.constantFrom('"1s"', '"500ms"', '"0660"', '"info"', '["local:"]', '["qmp"]', '"nobody"', '[]', '"/run/v"', '1'),
  fc.constantFrom(
    'true',
    '1979-05-27T07:32:00Z',
    '{ level = "warn" }',
    '["kvm+file:/x", "nope:"]',
    '"""\nx\n"""',
    '0x7f',
    '9223372036854775807',
  ),
  anyText(6).map((each) => JSON.stringify(each)),
);
const rule = fc
  .array(
    fc.tuple(
      fc.constantFrom('users', 'groups', 'certificates', 'tokens', 'domains', 'providers', 'x'),
      fc.constantFrom(
        '["*"]',
        '["nobody"]',
        '["no-such"]',
        '[]',
        '"web"',
        '["web-*", 5]',
        '[["a"]]',
        `["sha256:${'a'.repeat(64)}"]`,
      ),
    ),
    { maxLength: 4 },
  )
  .map((members) => members.map(([name, each]) => `${name} = ${each}`));
const part = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(key, value).map(([name, each]) => `${name} = ${each}`) },
  { weight: 1, arbitrary: rule.map((members) => ['[[access]]', ...members].join('\n')) },
  { weight: 1, arbitrary: fc.constantFrom('[log]', '[socket]', '[qmp]', '# note', '', '[[access]]', 'access = [') },
  { weight: 1, arbitrary: rule.map((members) => `[{ ${members.join(', ')} }]`) },
);

/** The daemon's configuration: text of a file, or of a variable, that somebody wrote. */
export const config: FuzzTarget = {
  name: 'config',
  words: [
    ...[
      '[',
      ']',
      '{',
      '}',
      '=',
      ',',
      '.',
      '"',
      "'",
      '"""',
      '\n',
      '\r\n',
      '#',
      '[[access]]\n',
      '[log]\n',
      'users = ["*"]\n',
    ],
    ...['[1, ', '{a=', '[[', 'domains = ["*"]\n', 'timeout = "1s"\n', '\\u0000', '\\', '"\\u007f"', 'a.', 'x = 1\n'],
    ...[
      'connect = ["local:"]\n',
      'access = [\n',
      ']\n',
      '1979-05-27',
      'inf',
      '0x',
      '_',
      'qmp+unix:',
      'kvm+file:',
      '"a"=1\n',
    ],
  ],
  inputs: fc.array(part, { maxLength: 8 }).map((parts) => utf8(parts.join('\n'))),
  check,
};
