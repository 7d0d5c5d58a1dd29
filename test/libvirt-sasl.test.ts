import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, type TestContext, vi } from 'vitest';
import { LibvirtConnection } from '../src/source/libvirt/connection.ts';
import { virtstat } from './lab/cli.ts';
import { type LibvirtLab, startLibvirt, whyNoSasl } from './lab/libvirt.ts';
import { TmuxTerminal, whyNoTmux } from './lab/tmux.ts';

const LIMIT_MS = 60_000;
const SCREEN_LIMIT_MS = 15_000;
const BIN = fileURLToPath(new URL('../bin/virtstat.cjs', import.meta.url));

/** One plain password, and one that has of everything. */
const USERS = { joe: 'pw', fred: String.raw`12 3\456#x=; ` };

const whyNot = whyNoSasl();
const folder = mkdtempSync(join(tmpdir(), 'virtstat-sasl-'));
const file = join(folder, 'auth.conf');
let lab: LibvirtLab | undefined;
let port = 0;

function need(context: TestContext): LibvirtLab {
  if (lab === undefined) context.skip(whyNot ?? 'there is no libvirtd');
  return lab as LibvirtLab;
}

beforeAll(async () => {
  if (whyNot !== undefined) return;
  const script = `cd ${folder} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout serverkey.pem -out cacert.pem && cp cacert.pem servercert.pem`;
  execFileSync('sh', ['-ec', script], { stdio: 'ignore' });
  port = await freePort();
  lab = await startLibvirt({ users: USERS, mechanisms: ['scram-sha-256'], tls: { port, folder } });
  await lab.start({ name: 'behind', paused: true, disksMib: [] });
  // Its QEMU takes seconds for what it is asked first.
  await lab.virsh('domstats');
}, LIMIT_MS);

afterAll(async () => {
  await lab?.stop();
  rmSync(folder, { recursive: true, force: true });
});

afterEach(() => vi.unstubAllEnvs());

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** A file whose credentials for this host are these lines. */
function whole(credentials: string, host = 'localhost'): string {
  return `[credentials-test]\n${credentials}[auth-libvirt-${host}]\ncredentials=test\n`;
}

const OK = 'authname=joe\npassword=pw\n';

/** What `virtstat list` prints, with a file of credentials; nobody is there to be asked. */
async function list(uri: string, text: string) {
  writeFileSync(file, text);
  vi.stubEnv('LIBVIRT_AUTH_FILE', file);
  return virtstat('-c', uri, 'list');
}

describe('virtstat with credentials in libvirt’s file', () => {
  it('is let in by SCRAM-SHA-256, on a unix socket', async (context) => {
    const { readOnlyUri } = need(context);
    const right = await list(readOnlyUri, whole(OK));
    expect(right).toEqual({ status: 0, stdout: expect.stringContaining('behind'), stderr: '' });
    const wrong = await list(readOnlyUri, whole('authname=joe\npassword=secret\n'));
    expect(wrong).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('authentication failed') });
    expect(wrong.stderr).not.toContain('secret');
  });

  it('is let in through TLS, by the name of the host, and prints what virsh prints', async (context) => {
    const own = need(context);
    const uri = `qemu+tls://localhost:${port}/system?pkipath=${folder}`;
    writeFileSync(file, whole(OK, 'elsewhere'));
    vi.stubEnv('LIBVIRT_AUTH_FILE', file);
    expect(await virtstat('-c', uri, 'domstats', '--state')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('[auth-libvirt-localhost]'),
    });
    writeFileSync(file, whole(OK, 'default'));
    const { status, stdout } = await virtstat('-c', uri, 'domstats', '--state');
    expect([status, stdout.trim()]).toEqual([0, (await own.virsh('domstats', '--state')).trim()]);
    const other = await virtstat('-c', uri.replace('//', '//fred@'), 'domstats', '--state');
    expect(other).toMatchObject({ status: 1, stderr: expect.stringContaining('has those of joe for localhost') });
  });

  it('is let in by PLAIN where there is nothing better', async (context) => {
    const own = need(context);
    own.offer(['plain']);
    await own.kill();
    await own.restart();
    try {
      const ok = await list(own.readOnlyUri, whole('authname=fred\npassword=12 3\\\\456#x=;\\s\n'));
      expect(ok).toMatchObject({ status: 0, stdout: expect.stringContaining('behind') });
      expect(await list(own.readOnlyUri, whole('authname=fred\npassword=pw\n'))).toMatchObject({ status: 1 });
    } finally {
      own.offer(['scram-sha-256']);
      await own.kill();
      await own.restart();
    }
  });

  it('looks for it where libvirt does', async (context) => {
    const { readOnlyUri } = need(context);
    const named = join(folder, 'named.conf');
    const config = join(folder, 'config');
    mkdirSync(join(config, 'libvirt'), { recursive: true });
    const write = (path: string, isRight: boolean): void =>
      writeFileSync(path, whole(isRight ? OK : 'authname=joe\npassword=x\n'));
    const opens = async (uri: string): Promise<boolean> =>
      LibvirtConnection.open(uri).then(
        async (connection) => {
          await connection.close();
          return true;
        },
        () => false,
      );
    vi.stubEnv('XDG_CONFIG_HOME', config);
    const withFile = `${readOnlyUri}&authfile=${named}`;
    write(join(config, 'libvirt/auth.conf'), true);
    expect(await opens(readOnlyUri)).toBe(true);
    write(named, false);
    expect([await opens(withFile), await virshOpens(withFile)]).toEqual([false, false]);
    write(named, true);
    write(join(config, 'libvirt/auth.conf'), false);
    expect([await opens(withFile), await virshOpens(withFile)]).toEqual([true, true]);
    write(file, false);
    vi.stubEnv('LIBVIRT_AUTH_FILE', file);
    expect([await opens(withFile), await virshOpens(withFile)]).toEqual([false, false]);
    rmSync(file);
    expect([await opens(withFile), await virshOpens(withFile)]).toEqual([false, false]);
  });
});

/** Whether virsh is let in; it has nobody to ask. */
async function virshOpens(uri: string): Promise<boolean> {
  const env = { ...process.env, LC_ALL: 'C.UTF-8' };
  const work = promisify(execFile)('virsh', ['-r', '-c', uri, 'uri'], { timeout: LIMIT_MS, env });
  work.child.stdin?.end();
  return work.then(
    () => true,
    () => false,
  );
}

const DEFAULT = '[auth-libvirt-default]\ncredentials=test\n';

describe('a file of credentials', () => {
  it.for<[string, string | Buffer]>([
    ['is as libvirt’s page has it', whole(OK)],
    ['has blanks behind a value', whole('authname=joe\npassword=pw  \n')],
    ['has blanks around the sign', whole('authname = joe\npassword\t=  pw\n')],
    ['has escapes', whole('authname=fred\npassword=12\\s3\\\\456#x=;\\s\n')],
    ['has a password as it is', whole('authname=fred\npassword=12 3\\\\456#x=; \n')],
    ['has an escape that is none', whole('authname=joe\npassword=p\\w\n')],
    ['has an escape that is none elsewhere', whole(`${OK}other=p\\w\n`)],
    ['has a comment of another kind', whole(`; a\n${OK}`)],
    ['has a comment that is an entry', whole(`; a = b\n${OK}`)],
    ['has comments', `# a\n${whole(`  # b\n\n${OK}`)}`],
    ['has a key twice, right at last', whole(`password=x\n${OK}`)],
    ['has a key twice, wrong at last', whole(`${OK}password=x\n`)],
    ['has a group twice', `${whole('authname=joe\n')}[credentials-test]\npassword=pw\n`],
    ['has an entry before the first group', `a=b\n${whole(OK)}`],
    ['has something else', whole(`${OK}garbage\n`)],
    ['has something behind a group', `[credentials-test] a\n${OK}${DEFAULT}`],
    ['has blanks around a group', `  [credentials-test] \t\n${OK}${DEFAULT}`],
    ['has a bracket in a key', whole(`a[b=c\n${OK}`)],
    ['has a language in a key', whole(`a[b]=c\n${OK}`)],
    ['has a group without a name', `[]\n${whole(OK)}`],
    ['has a bracket in the name of a group', `[a[b]\n${whole(OK)}`],
    ['has no key', whole(`=a\n${OK}`)],
    ['has lines of DOS', whole(OK).replaceAll('\n', '\r\n')],
    ['has no end of its last line', whole(OK).trimEnd()],
    ['has a mark of byte order', `\ufeff${whole(OK)}`],
    ['is no UTF-8', Buffer.from(whole('authname=joe\npassword=p\xffw\n'), 'latin1')],
    ['has a name with a blank', `[credentials-a b]\n${OK}[auth-libvirt-localhost]\ncredentials=a b\n`],
    ['has those of the default', `[credentials-test]\n${OK}${DEFAULT}`],
    ['has those of the host, and a wrong default', `${whole(OK)}[auth-libvirt-default]\ncredentials=gone\n`],
    [
      'has a wrong group for the host, and a default',
      `[auth-libvirt-localhost]\ncredentials=gone\n${whole(OK, 'default')}`,
    ],
    ['names no credentials', `[credentials-test]\n${OK}[auth-libvirt-localhost]\na=b\n`],
    ['is for another service', whole(OK).replace('auth-libvirt', 'auth-esx')],
    ['has a user name instead of an authname', whole('username=joe\npassword=pw\n')],
    ['has another user name too', whole(`username=fred\nrealm=x\n${OK}`)],
    ['has no password', whole('authname=joe\n')],
    ['has an empty password', whole('authname=joe\npassword=\n')],
    ['is empty', ''],
  ])('that %s lets in whom it lets in with virsh', async ([, text], context) => {
    const { readOnlyUri } = need(context);
    writeFileSync(file, text);
    vi.stubEnv('LIBVIRT_AUTH_FILE', file);
    const ours = await LibvirtConnection.open(readOnlyUri).then(
      async (connection) => {
        await connection.close();
        return 'let in';
      },
      ({ code }) => code,
    );
    expect(ours).toBe((await virshOpens(readOnlyUri)) ? 'let in' : 'LIBVIRT_AUTH_FAILED');
  });
});

/** Somebody who runs `virtstat list` at a terminal, and sees its exit status. */
class Person implements Disposable {
  readonly terminal: TmuxTerminal;

  constructor(uri: string) {
    const script = '"$0" "$@"; echo "status $?"; sleep 60';
    this.terminal = TmuxTerminal.open(['sh', '-c', script, process.execPath, BIN, '-c', uri, 'list'], {
      ...{ columns: 120, rows: 20 },
      environment: ['TERM=xterm', `LIBVIRT_AUTH_FILE=${file}`],
    });
  }

  async sees(what: string): Promise<string> {
    const deadlineMs = performance.now() + SCREEN_LIMIT_MS;
    while (!this.terminal.text.includes(what)) {
      if (performance.now() > deadlineMs) throw new Error(`the screen does not show ${what}:\n${this.terminal.text}`);
      await sleep(50);
    }
    return this.terminal.text;
  }

  [Symbol.dispose](): void {
    this.terminal.close();
  }
}

describe('a person at a terminal', () => {
  it.for<[string, string, readonly string[]]>([
    ['is asked for name and password, of which nobody sees the latter', '', ['user name for', 'password of joe']],
    ['is asked only for the password where a file has the name', whole('authname=joe\n'), ['password of joe']],
  ])('%s', async ([, text, questions], context) => {
    const { readOnlyUri } = need(context);
    const noTmux = whyNoTmux();
    if (noTmux !== undefined) context.skip(noTmux);
    writeFileSync(file, text);
    using person = new Person(readOnlyUri);
    for (const question of questions) {
      await person.sees(`${question} `);
      const answer = question.startsWith('password') ? ['p', 'x', 'BSpace', 'w'] : ['j', 'o', 'e'];
      person.terminal.press(...answer, 'Enter');
    }
    const screen = await person.sees('status 0');
    expect(screen).toContain('behind');
    expect(screen).not.toContain('pw');
  });

  it('may say nothing', async (context) => {
    const { readOnlyUri } = need(context);
    const noTmux = whyNoTmux();
    if (noTmux !== undefined) context.skip(noTmux);
    writeFileSync(file, '');
    using person = new Person(readOnlyUri);
    await person.sees('user name for libvirt on localhost:');
    person.terminal.press('C-c');
    expect(await person.sees('status 1')).toContain('nobody answered');
  });
});
