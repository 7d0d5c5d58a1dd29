import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { DEFAULT_DEADLINE_MS } from '../../model/limits.ts';
import { TestAuthority, whyNoCertificates } from '../../testing/certificates.ts';
import type { Config } from './config.ts';
import { CONFIG_KEYS } from './keys.ts';
import { type ConfigInput, loadConfig, MAX_CONFIG_BYTES, MAX_MISTAKES } from './load.ts';
import { MAX_RULES, wordsAt } from './schema.ts';

const folder = mkdtempSync(join(tmpdir(), 'virtstat-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const noCertificates = whyNoCertificates();
const authority = noCertificates === undefined ? new TestAuthority(folder) : ({ caFile: '' } as TestAuthority);
const { certFile, keyFile } =
  noCertificates === undefined ? authority.issue('server', 'serverAuth') : { certFile: '', keyFile: '' };
const CERTIFICATE = { certFile, keyFile };

const FILE = join(folder, 'virtstat.toml');
const USERS: Readonly<Record<string, number>> = { nobody: 65534, monitor: 990 };
const HASH = 'ab'.repeat(32);

function load(text: string | Uint8Array | undefined, others: Partial<ConfigInput> = {}) {
  if (text !== undefined) writeFileSync(FILE, text);
  return loadConfig({
    ...(text !== undefined && { file: FILE }),
    defaultFile: join(folder, 'not-there.toml'),
    env: {},
    flags: {},
    uid: 0,
    accounts: { userId: (name) => USERS[name], groupId: (name) => USERS[name] },
    signal: new AbortController().signal,
    ...others,
  });
}

async function right(text: string | undefined, others?: Partial<ConfigInput>): Promise<Config> {
  const outcome = await load(text, others);
  if ('mistakes' in outcome) throw new Error(outcome.mistakes.join('\n'));
  return outcome.config;
}

/** The mistakes, with the name of the file cut down. */
async function wrong(text: string | Uint8Array | undefined, others?: Partial<ConfigInput>): Promise<readonly string[]> {
  const outcome = await load(text, others);
  if ('config' in outcome) throw new Error('there was no mistake');
  return outcome.mistakes.map((line) => line.replaceAll(FILE, 'F'));
}

describe('a right configuration', () => {
  it('is whole without a file', async () => {
    expect(await right(undefined)).toEqual({
      connect: ['local:'],
      timeoutMs: 2000,
      discoveryIntervalMs: 2000,
      runtimeDir: '/run/virtstat',
      faces: ['qmp', 'libvirt', 'varlink', 'http'],
      qmpMaxAgeMs: 1000,
      libvirtMaxAgeMs: 1000,
      socket: { mode: 0o666, maxConnections: 4096, maxConnectionsPerPeer: 1024 },
      tlsAddresses: [],
      web: {
        addresses: [{ host: '127.0.0.1', port: 16516 }],
        isDefaultAddress: true,
        telemetryPath: '/metrics',
        requiresSocket: false,
      },
      metrics: { profile: 'curated', deny: [], maxSeries: 200_000, maxAgeMs: 1000 },
      logLevel: 'info',
      access: [],
      balloon: [],
      stateDir: '/var/lib/virtstat',
      pushes: [],
      record: [],
    });
    expect((await right(undefined, { uid: 7, env: { XDG_RUNTIME_DIR: '/x' } })).runtimeDir).toBe('/x/virtstat');
    expect((await right(undefined, { uid: 7 })).runtimeDir).toBe('/run/user/7/virtstat');
    expect((await right(undefined, { env: { VIRTSTAT_DEFAULT_URI: 'qmp+unix:/q' } })).connect).toEqual(['qmp+unix:/q']);
  });

  it('takes every key from a file', async (context) => {
    if (noCertificates !== undefined) context.skip(noCertificates);
    const { certFile, keyFile } = CERTIFICATE;
    const webFile = join(folder, 'web.yml');
    writeFileSync(webFile, `tls_server_config: { cert_file: ${certFile}, key_file: ${keyFile} }\n`);
    const text = `
      connect = ["kvm+file:/tmp", "qmp+unix:/a"]
      timeout = "1m"
      discovery-interval = "500ms"
      runtime-dir = "/srv/v"
      state-dir = "/srv/s"
      faces = []
      qmp.max-age = "0s"
      libvirt.max-age = "2s"
      socket = { mode = "0600", user = "monitor", group = "17", max-connections = 9, max-connections-per-user = "8" }
      [tls]
      listen-address = ["[::]:16515"]
      cert-file = "${certFile}"
      key-file = "${keyFile}"
      client-ca-file = "${authority.caFile}"
      [web]
      listen-address = [":9177", "[::1]:9"]
      telemetry-path = "/a/b"
      systemd-socket = true
      config.file = "${webFile}"
      [metrics]
      profile = "full"
      allow = ["kvm_*"]
      deny = ["*_hist_*"]
      max-series = 7
      max-age = "0s"
      [log]
      level = "debug"
      [[access]]
      users = ["nobody", "12", "*"]
      groups = ["monitor"]
      certificates = ["grafana", "sha256:${HASH}"]
      tokens = ["sha256:${HASH}"]
      web-users = ["prometheus", "*"]
      anonymous = true
      domains = ["web-*"]
      providers = ["kvm"]
      [[balloon]]
      domains = ["web-*", "db"]
      poll = "1.5m"
      [[record]]
      stats = ["exits", "kvm:vcpu/*"]
      every = "2s"
      directory = "/srv/r"
      keep-age = "7d"
      keep-size = "1GiB"
    `;
    expect(await right(text)).toEqual({
      connect: ['kvm+file:/tmp', 'qmp+unix:/a'],
      timeoutMs: 60_000,
      discoveryIntervalMs: 500,
      runtimeDir: '/srv/v',
      faces: [],
      qmpMaxAgeMs: 0,
      libvirtMaxAgeMs: 2000,
      socket: { mode: 0o600, uid: 990, gid: 17, maxConnections: 9, maxConnectionsPerPeer: 8 },
      tlsAddresses: [{ host: '::', port: 16515 }],
      tlsFiles: { ...CERTIFICATE, clientCaFile: authority.caFile },
      web: {
        addresses: [
          { host: '', port: 9177 },
          { host: '::1', port: 9 },
        ],
        isDefaultAddress: false,
        telemetryPath: '/a/b',
        configFile: webFile,
        requiresSocket: true,
      },
      metrics: { profile: 'full', allow: ['kvm_*'], deny: ['*_hist_*'], maxSeries: 7, maxAgeMs: 0 },
      logLevel: 'debug',
      access: [
        {
          users: [65534, 12, '*'],
          groups: [990],
          certificates: ['grafana', `sha256:${HASH}`],
          tokens: [`sha256:${HASH}`],
          webUsers: ['prometheus', '*'],
          anonymous: true,
          domains: ['web-*'],
          providers: ['kvm'],
        },
      ],
      balloon: [{ domains: ['web-*', 'db'], intervalSeconds: 90 }],
      stateDir: '/srv/s',
      pushes: [],
      record: [
        {
          stats: ['exits', 'kvm:vcpu/*'],
          everyMs: 2000,
          directory: '/srv/r',
          ageMs: 7 * 86_400_000,
          sizeBytes: 1024 ** 3,
        },
      ],
    });
  });

  it('prefers flags to variables, variables to the file, and the file to defaults, key by key', async () => {
    const text = 'timeout = "4s"\nlog.level = "warn"\nsocket.mode = "0640"\nconnect = ["qmp+unix:/file"]';
    const env = { VIRTSTATD_TIMEOUT: '5s', VIRTSTATD_LOG_LEVEL: 'error', VIRTSTATD_CONNECT: '', OTHER: 'x' };
    const config = await right(text, { env, flags: { timeout: ['6s', '7s'] } });
    expect(config).toMatchObject({
      timeoutMs: 7000,
      logLevel: 'error',
      socket: { mode: 0o640 },
      discoveryIntervalMs: 2000,
    });
    expect(config.connect).toEqual(['qmp+unix:/file']);
  });

  it('takes lists and rules from variables and flags', async () => {
    const rule = '{ users = ["nobody"], domains = ["*"] }';
    const env = { VIRTSTATD_CONNECT: ' qmp+unix:/a  qmp+unix:/b', VIRTSTATD_ACCESS: `[${rule}, ${rule}]` };
    const config = await right(undefined, { env });
    expect(config.connect).toEqual(['qmp+unix:/a', 'qmp+unix:/b']);
    expect(config.access).toHaveLength(2);
    expect((await right(undefined, { env: { VIRTSTATD_CONNECT: '["qmp+unix:/a b"]' } })).connect).toEqual([
      'qmp+unix:/a b',
    ]);
    const flags = { access: [rule], connect: ['qmp+unix:/c'] };
    expect(await right(undefined, { env, flags })).toMatchObject({
      connect: ['qmp+unix:/c'],
      access: [{ users: [65534] }],
    });
  });

  it('gives domains less time than readers wait for the answer', async () => {
    expect((await right(undefined)).timeoutMs).toBeLessThan(DEFAULT_DEADLINE_MS * 0.75);
  });

  it('is shown so that it is the same when it is read again', async () => {
    const outcome = await load('socket.group = "monitor"\n[[access]]\nusers = ["*"]\ndomains = ["a"]');
    if ('mistakes' in outcome) throw new Error('there was a mistake');
    expect(await right(outcome.effective)).toEqual(outcome.config);
  });
});

describe('a mistake', () => {
  it.each([
    ['timeout = 3', 'F:1: timeout: must be a duration in quotes, from 10ms to 5m, like "1s"'],
    ['\ntimeout = "9ms"', 'F:2: timeout: "9ms" is out of bounds; it must be from 10ms to 5m, like "1s" or "500ms"'],
    ['log = 3', 'F:1: log: must be a table'],
    ['[log]\nlevle = "info"', 'F:2: log.levle: no such key; did you mean level?'],
    ['[log]\nlevel = "loud"', 'F:2: log.level: "loud" is not one of "debug", "info", "warn", "error"'],
    ['runtimedir = "/x"', 'F:1: runtimedir: no such key; did you mean runtime-dir?'],
    ['connect = []', 'F:1: connect: is empty; at least 1 must be named'],
    ['connect = ["local:",\n"nope:"]', 'F:1: connect[1]: nope:: no source is known for nope:; there are'],
    ['connect = ["local:", "local:"]', 'F:1: connect[1]: local: is named twice'],
    ['connect = ["qmp+unix:"]', 'F:1: connect[0]:'],
    ['socket.user = "who"', 'F:1: socket.user: no user of this machine is named "who"'],
    ['socket.group = "*"', 'F:1: socket.group: "*" is not right; it must be the name of a group, or a number'],
    ['socket.mode = "rw"', 'F:1: socket.mode: "rw" is no mode; write octal digits, like "0660"'],
    ['access = {}', 'F:1: access: must be a list in square brackets'],
    ['access = [3]', 'F:1: access[0]: must be a table'],
    ['balloon = [3]', 'F:1: balloon[0]: must be a table'],
    ['[[balloon]]\npoll = "2s"', 'F:1: balloon[0].domains: is missing; it must be a list'],
    ['[[balloon]]\ndomains = ["*"]\npoll = "1500ms"', 'F:3: balloon[0].poll: must be a whole number of seconds'],
    ['[[balloon]]\ndomains = ["*"]\npoll = "999ms"', 'F:3: balloon[0].poll: "999ms" is out of bounds'],
    ['[[balloon]]\ndomains = ["*"]\npoll = "25h"', 'F:3: balloon[0].poll: "25h" is out of bounds'],
    ['[[balloon]]\ndomains = ["*"]\npoll = "2s"\npole = 1', 'F:4: balloon[0].pole: no such key; did you mean poll?'],
    [
      '[[access]]\ndomains = ["*"]',
      'F:1: access[0]: gives rights to nobody; name users, groups, certificates, tokens, web-users or anonymous',
    ],
    ['[[access]]\nusers = ["nobody"]', 'F:1: access[0].domains: is missing; it must be a list'],
    ['[[access]]\nusers = ["who"]\ndomains = ["a"]', 'F:2: access[0].users[0]: no user of this machine is named "who"'],
    ['[[access]]\nusers = [12]\ndomains = ["a"]', 'F:2: access[0].users[0]: must be a text in quotes'],
    ['[[access]]\nusers = ["4294967295"]\ndomains = ["a"]', 'F:2: access[0].users[0]: no user of this machine'],
    [
      '[[access]]\ntokens = ["secret"]\ndomains = ["a"]',
      'F:2: access[0].tokens[0]: "secret" is not right; it must be sha256: and the token\'s',
    ],
    ['[[access]]\ncertificates = ["sha256:12"]\ndomains = ["a"]', 'F:2: access[0].certificates[0]:'],
    [
      '[[access]]\nuser = ["nobody"]\nusers = ["*"]\ndomains = ["a"]',
      'F:2: access[0].user: no such key; did you mean users?',
    ],
    ['__proto__ = 1', 'F:1: __proto__: no such key'],
    ['constructor.prototype = 1', 'F:1: constructor: no such key'],
    ['runtime-dir = "/x\\u0000y"', 'F:1: runtime-dir: "/x\\u0000y" is no absolute path'],
    ['"a\\u001b[31m" = 1', 'F:1: a?[31m: no such key'],
    ['tls.listen-address = ["nowhere"]', 'F:1: tls.listen-address[0]: "nowhere" is not right; it must be HOST:PORT'],
    ['tls.listen-address = ["a:1"]', 'F:1: tls.cert-file: is missing; listening takes cert-file and key-file'],
    ['[tls]\ncert-file = "/c"', 'F:1: tls.key-file: is missing; cert-file and key-file go together'],
    ['[tls]\nkey-file = "/c"', 'F:1: tls.cert-file: is missing; cert-file and key-file go together'],
    ['[tls]\ncert-file = "c"\nkey-file = "/k"', 'F:2: tls.cert-file: "c" is no absolute path; begin it with /'],
    ['a = = 1', 'F:1:5: '],
    ['timeout = "1s"\ntimeout = "2s"', 'F:2:1: '],
  ])('in %j is told with its place and reason', async (text, start) => {
    const mistakes = await wrong(text);
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]?.slice(0, start.length)).toBe(start);
  });

  it('may be in the files of TLS', async (context) => {
    if (noCertificates !== undefined) context.skip(noCertificates);
    const { certFile } = CERTIFICATE;
    const { keyFile } = authority.issue('other', 'serverAuth');
    expect(await wrong(`[tls]\ncert-file = "${certFile}"\nkey-file = "${keyFile}"\nclient-ca-file = "/none"`)).toEqual([
      'F:4: tls.client-ca-file: /none does not exist; check the path',
      `F:3: tls.key-file: ${keyFile} is not the key of the certificate in ${certFile}`,
    ]);
  });

  it('does not hide another', async () => {
    const text = 'timeout = 1\nconnect = ["x:y", 3]\n[[access]]\nusers = ["who"]\ndomain = ["*"]';
    expect((await wrong(text)).map((line) => line.split(': ', 2).join(': '))).toEqual([
      'F:2: connect[1]',
      'F:1: timeout',
      'F:4: access[0].users[0]',
      'F:3: access[0].domains',
      'F:5: access[0].domain',
      'F:2: connect[0]',
    ]);
  });

  it('is laid to who made it', async () => {
    const env = { VIRTSTATD_TIMEOUT: '1', VIRTSTATD_LOG_LEVLE: 'info', VIRTSTATD_ACCESS: '[{]' };
    const mistakes = await wrong('[log]\nlevel = "loud"', {
      env,
      flags: { 'socket.mode': ['x'], access: ['1\nb = 2'] },
    });
    expect(mistakes).toEqual([
      expect.stringMatching(/^VIRTSTATD_LOG_LEVLE: no such variable; did you mean VIRTSTATD_LOG_LEVEL/),
      expect.stringMatching(/^VIRTSTATD_ACCESS: "\[\{\]" is no TOML value: /),
      expect.stringMatching(/^--access: "1\\nb = 2" is no TOML value: there is more than one/),
      expect.stringMatching(/^VIRTSTATD_TIMEOUT: timeout: "1" is no duration/),
      expect.stringMatching(/^--socket.mode: socket.mode: "x" is no mode/),
      expect.stringMatching(/^F:2: log.level: /),
    ]);
  });

  it('is also a file that is missing, no file, too large, or no text', async () => {
    expect(await wrong(undefined, { file: join(folder, 'no.toml') })).toEqual([
      expect.stringContaining('does not exist'),
    ]);
    expect(await wrong(undefined, { file: folder })).toEqual([expect.stringContaining('no regular file')]);
    expect(await wrong(Buffer.alloc(MAX_CONFIG_BYTES + 1, '#'))).toEqual([
      `F: is larger than ${MAX_CONFIG_BYTES} bytes`,
    ]);
    await right(`#${' '.repeat(MAX_CONFIG_BYTES - 2)}\n`);
    expect(await wrong(Uint8Array.of(0x23, 0xff))).toEqual(['F: is no UTF-8 text']);
  });

  it('is told a bounded number of times', async () => {
    const text = Array.from({ length: MAX_MISTAKES + 20 }, (_, index) => `k${index} = 1`).join('\n');
    const mistakes = await wrong(text);
    expect(mistakes).toHaveLength(MAX_MISTAKES + 1);
    expect(mistakes.at(-1)).toBe('and 20 more');
  });

  it('is one rule too many', async () => {
    const rules = (count: number): string => '[[access]]\nusers=["*"]\ndomains=["a"]\n'.repeat(count);
    expect((await right(rules(MAX_RULES))).access).toHaveLength(MAX_RULES);
    expect(await wrong(rules(MAX_RULES + 1))).toEqual([`F:1: access: has more than ${MAX_RULES} elements`]);
  });

  it('never throws, whatever the file says', async () => {
    const word = fc.constantFrom(
      ...CONFIG_KEYS.map(({ name }) => name),
      'x',
      '"',
      '[',
      ']',
      '[[access]]',
      '=',
      '"1s"',
      '{',
      '}',
      ',',
      '\n',
      '#',
      "'''",
      '1979-05-27',
      '9007199254740993',
      'inf',
      'users',
      'domains',
      '"*"',
      '\0',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 30 }), async (words) => {
        const outcome = await load(words.join(' '));
        if ('mistakes' in outcome) for (const line of outcome.mistakes) expect(line).toMatch(/^\/[^\n]+: [^\n]+$/);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the keys', () => {
  it('are those that are checked', () => {
    const namesBelow = (path: readonly string[]): readonly string[] => {
      const words = wordsAt(path);
      return words.length === 0 ? [path.join('.')] : words.flatMap((word) => namesBelow([...path, word]));
    };
    expect(CONFIG_KEYS.map(({ name }) => name)).toEqual(namesBelow([]));
  });

  it('have variables of their own', () => {
    expect(new Set(CONFIG_KEYS.map(({ variable }) => variable)).size).toBe(CONFIG_KEYS.length);
  });
});
