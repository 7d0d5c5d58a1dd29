import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { virtstatUnder } from './lab/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'bad-config-'));
const file = join(folder, 'virtstat.toml');
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => rmSync(file, { recursive: true, force: true }));

/** Runs `virtstat serve --check` on a file; the variables are the only ones of the daemon's. */
async function check(content: string | Uint8Array, flags: readonly string[] = [], env: readonly string[] = []) {
  writeFileSync(file, content);
  const { status, stdout, stderr } = await virtstatUnder(
    ['env', ...env],
    ...['serve', '--check', '--config', file, ...flags],
  );
  expect(stderr).toMatch(/^(virtstat: [^\n]+\n)+$/);
  expect([status, stdout]).toEqual([2, '']);
  return stderr
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^virtstat: /, '').replaceAll(file, 'F'));
}

/**
 * Every kind of mistake that a value can have. A line with a mistake ends with `#!`, the key as it is told, and what the
 * reason says; lines of a rule are mistakes of that rule.
 */
const MISTAKES = `
timeuot = "1s"                                  #! timeuot: no such key; did you mean timeout?
timeout = 5                                     #! timeout: must be a duration in quotes
discovery-interval = "2 s"                      #! discovery-interval: "2 s" is no duration
runtime-dir = "run/virtstat"                    #! runtime-dir: "run/virtstat" is no absolute path
faces = ["qmp", "smtp"]                         #! faces[1]: "smtp" is not one of "qmp", "libvirt", "varlink", "http"
qmp.max-age = "2h"                              #! qmp.max-age: "2h" is out of bounds; it must be from 0s to 1h
connect = [                                     #! connect[0]: nope:: no source is known
  "nope:", "local:", "local:", 5, "", "local"   #! connect[2]: local: is named twice
]
[socket]
mode = "0999"                                   #! socket.mode: "0999" is no mode
user = "no such user"                           #! socket.user: "no such user" is not right
group = "4294967295"                            #! socket.group: no group of this machine is named
owner = "root"                                  #! socket.owner: no such key
[log]
level = "loud"                                  #! log.level: "loud" is not one of
[[access]]                                      #! access[0]: gives rights to nobody
domains = ["*"]
[[access]]                                      #! access[1].domains: is missing
users = ["*"]
[[access]]
users = "nobody"                                #! access[2].users: must be a list in square brackets
groups = ["no-such-group"]                      #! access[2].groups[0]: no group of this machine is named "no-such-group"
tokens = ["secret"]                             #! access[2].tokens[0]: "secret" is not right; it must be sha256:
certificates = ["sha256:12"]                    #! access[2].certificates[0]: "sha256:12" is not right
domains = []                                    #! access[2].domains: is empty
providers = [""]                                #! access[2].providers[0]: is empty
domain = "web"                                  #! access[2].domain: no such key; did you mean domains
`;

/** Those of `connect` that stand on its line too: elements of a list are told with the line where it begins. */
const OF_CONNECT = [
  'connect[2]: local: is named twice',
  'connect[3]: ',
  'connect[4]: is empty',
  'connect[5]: "local" is not right',
];

describe('virtstat serve --check', () => {
  it('tells every kind of mistake with its line, key and reason', async () => {
    const lines = MISTAKES.split('\n');
    const expected = lines.flatMap((line, index) => {
      const [, said] = /#! (.*)$/.exec(line) ?? [];
      return said === undefined || said.startsWith('connect[2]') ? [] : [`F:${index + 1}: ${said}`];
    });
    const connectLine = lines.findIndex((line) => line.startsWith('connect')) + 1;
    expected.push(...OF_CONNECT.map((said) => `F:${connectLine}: ${said}`));
    const mistakes = await check(MISTAKES.replaceAll(/ +#!.*$/gm, ''));
    const missing = expected.filter((said) => !mistakes.some((mistake) => mistake.startsWith(said)));
    expect([missing, mistakes.length]).toEqual([[], expected.length]);
    for (const mistake of mistakes) expect(mistake).toMatch(/^F:\d+: [a-z][\w.[\]-]*: .{10,}$/);
  });

  it.each([
    ['a text without its end', 'timeout = "1s\n', /^F:1:\d+: /],
    ['a key that is there twice', 'timeout = "1s"\ntimeout = "2s"\n', /^F:2:\d+: /],
    ['a list without its end', 'connect = [\n"local:"\n', /^F:\d+:\d+: /],
    ['a value of no type', 'log.level = info\n', /^F:1:\d+: /],
    ['a table where a value is', 'timeout = "1s"\n[timeout]\n', /^F:2:\d+: /],
    ['what is no UTF-8', Uint8Array.of(0x23, 0xff, 0x0a), /^F: is no UTF-8 text$/],
    ['too much', `# ${'x'.repeat(256 << 10)}`, /^F: is larger than 262144 bytes$/],
    ['a value where a table belongs', 'log = "info"\n', /^F:1: log: must be a table$/],
    ['a table where a value belongs', '[timeout]\nx = 1\n', /^F:1: timeout: must be a duration in quotes/],
    ['rules that are none', 'access = ["*"]\n', /^F:1: access\[0\]: must be a table$/],
    ['control characters', 'log.level = "\\u001b[2J"\n', /^F:1: log\.level: "[^\p{Cc}]*" is not one of/u],
  ])('tells one mistake of a file that has %s', async (_what, content, mistake) => {
    expect(await check(content)).toEqual([expect.stringMatching(mistake)]);
  });

  it('tells mistakes of flags and variables with their names', async () => {
    const flags = ['--qmp.max-age', 'old', '--socket.mode', '7', '--access', '{ users = ["*"] }', '--access', '{'];
    const env = [
      'VIRTSTATD_LOG_LEVEL=loud',
      'VIRTSTATD_FACES=qmp smtp',
      'VIRTSTATD_TIMEUOT=1s',
      'VIRTSTATD_TIMEOUT=0s',
    ];
    const mistakes = await check('timeout = "never mind"\n', flags, env);
    expect(mistakes.toSorted()).toEqual([
      expect.stringMatching(/^--access: "\{" is no TOML value: /),
      expect.stringMatching(/^--qmp\.max-age: qmp\.max-age: "old" is no duration/),
      expect.stringMatching(/^--socket\.mode: socket\.mode: "7" is no mode/),
      expect.stringMatching(/^VIRTSTATD_FACES: faces\[1\]: "smtp" is not one of/),
      expect.stringMatching(/^VIRTSTATD_LOG_LEVEL: log\.level: "loud" is not one of/),
      expect.stringMatching(/^VIRTSTATD_TIMEOUT: timeout: "0s" is out of bounds/),
      expect.stringMatching(/^VIRTSTATD_TIMEUOT: no such variable; did you mean VIRTSTATD_TIMEOUT\b/),
    ]);
  });

  it('tells a file that is not there, and one that is none', async () => {
    for (const make of [() => undefined, () => mkdirSync(file)]) {
      make();
      const { status, stderr } = await virtstatUnder([], 'serve', '--check', '--config', file);
      expect([status, stderr.replaceAll(file, 'F')]).toEqual([
        2,
        expect.stringMatching(/^virtstat: F: cannot be read: .+\n$/),
      ]);
    }
  });

  it('tells a hundred mistakes of hundreds, and how many more there are, in good time', async () => {
    const startMs = performance.now();
    const mistakes = await check(`connect = [\n${'"nope:x",\n'.repeat(400)}]\nfaces = [\n${'"x",\n'.repeat(400)}]\n`);
    expect(performance.now() - startMs).toBeLessThan(15_000);
    expect(mistakes).toHaveLength(101);
    expect(mistakes.at(-1)).toMatch(/^and \d+ more$/);
    for (const mistake of mistakes.slice(0, -1)) expect(mistake).toMatch(/^F:(1|403): (connect|faces)/);
  });
});
