import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestAuthority, whyNoCertificates } from '../src/testing/certificates.ts';
import { virtstat, virtstatJson } from './lab/cli.ts';
import { DaemonProcess } from './lab/daemon.ts';
import { freePort, ListeningSocket } from './lab/listening-socket.ts';

const CAPTURES = `kvm+file:${fileURLToPath(new URL('../captures/kvm', import.meta.url))}`;
const BIN = fileURLToPath(new URL('../bin/virtstat.cjs', import.meta.url));
const TOKEN = 'b0de3f4fa6c1';

let folder: string;
let file: string;
let runtimeDir: string;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vst-'));
  chmodSync(folder, 0o755);
  file = join(folder, 'virtstat.toml');
  runtimeDir = join(folder, 'run');
  port = await freePort();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A configuration with TLS, and more. */
function configure(files: { certFile: string; keyFile: string; clientCaFile?: string }, more = ''): void {
  writeFileSync(
    file,
    `connect = ["${CAPTURES}"]
runtime-dir = "${runtimeDir}"
[tls]
cert-file = "${files.certFile}"
key-file = "${files.keyFile}"
${files.clientCaFile === undefined ? '' : `client-ca-file = "${files.clientCaFile}"`}
${more}`,
  );
}

/** `virtstat query --watch` while it runs. */
class Watching implements AsyncDisposable {
  readonly #child: ChildProcess;
  #lines = 0;
  errors = '';

  constructor(uri: string) {
    const args = ['-c', uri, 'query', 'vm', '--watch=0.2', '--json'];
    this.#child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (text: Buffer) => (this.#lines += String(text).split('\n').length - 1));
    this.#child.stderr?.on('data', (text: Buffer) => (this.errors += text));
  }

  /** Resolves after so many more. */
  async sweeps(count: number): Promise<void> {
    const enough = this.#lines + count;
    await expect.poll(() => this.#lines, { timeout: 15_000 }).toBeGreaterThanOrEqual(enough);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }
}

const RULES = `
[[access]]
tokens = ["sha256:${createHash('sha256').update(TOKEN).digest('hex')}"]
domains = ["lab.t0"]
[[access]]
certificates = ["grafana"]
domains = ["*"]
`;

describe('virtstatd on TLS', () => {
  it('is read by every command, as far as the rules let the reader', async (context) => {
    const why = whyNoCertificates();
    if (why !== undefined) return context.skip(why);
    const authority = new TestAuthority(folder);
    const server = authority.issue('server', 'serverAuth');
    const client = authority.issue('grafana', 'clientAuth');
    configure({ ...server, clientCaFile: authority.caFile }, `listen-address = ["127.0.0.1:${port}"]${RULES}`);
    await using daemon = await DaemonProcess.ready('--config', file);
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, `${TOKEN}\n`);
    const base = `virtstat+tls://localhost:${port}?ca=${authority.caFile}`;
    const byToken = `${base}&token-file=${tokenFile}`;
    const byCertificate = `${base}&cert=${client.certFile}&key=${client.keyFile}`;
    const namesOf = async (uri: string): Promise<unknown> =>
      ((await virtstatJson('-c', uri, 'list')) as { name: string }[]).map(({ name }) => name);
    expect(await namesOf(byToken)).toEqual(['lab.t0']);
    expect(await namesOf(byCertificate)).toEqual(['lab.t0', 'lab.t1', 'lab.t2']);

    for (const words of [
      ['schemas', '--target', 'vm', '--domain', 'lab.t0'],
      ['query', 'vcpu', 'exits,halt_wait_hist', '--domain', 'lab.t0'],
      ['info', 'stats', 'vcpu', 'exits,guest_mode', '--domain', 'lab.t0'],
    ]) {
      const here = await virtstat('-c', CAPTURES, ...words);
      expect(here.status).toBe(0);
      expect(await virtstat('-c', byToken, ...words)).toEqual(here);
    }

    const { status, stderr } = await virtstat('-c', base, 'query', 'vm');
    expect([status, stderr]).toEqual([1, expect.stringMatching(/does not know who we are; name a token .*\n$/)]);
    writeFileSync(tokenFile, 'wrong');
    const wrong = await virtstat('-c', byToken, 'list', '--json');
    expect([wrong.status, wrong.stdout]).toEqual([1, expect.stringContaining('"code":"AUTHENTICATION_FAILED"')]);
    expect(await daemon.said('a token was refused: no access rule names it')).toMatchObject({ address: '127.0.0.1' });
    expect(daemon.text).not.toContain(TOKEN);
    expect(await daemon.end('SIGTERM')).toBe(0);
  });

  it('takes new certificates with a reload, keeps its readers, and the old certificates where the new are broken', async (context) => {
    const why = whyNoCertificates();
    if (why !== undefined) return context.skip(why);
    const authority = new TestAuthority(folder);
    const next = new TestAuthority(folder, 'next');
    const [first, second] = [authority.issue('first', 'serverAuth'), next.issue('second', 'serverAuth')];
    const current = { certFile: join(folder, 'server.crt'), keyFile: join(folder, 'server.key') };
    const install = ({ certFile, keyFile }: typeof current): void => {
      copyFileSync(certFile, current.certFile);
      copyFileSync(keyFile, current.keyFile);
    };
    install(first);
    configure(current, `listen-address = ["127.0.0.1:${port}"]${RULES}`);
    await using daemon = await DaemonProcess.ready('--config', file);
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, TOKEN);
    const uri = (caFile: string): string => `virtstat+tls://localhost:${port}?ca=${caFile}&token-file=${tokenFile}`;
    const works = async (caFile: string): Promise<boolean> => (await virtstat('-c', uri(caFile), 'list')).status === 0;
    expect([await works(authority.caFile), await works(next.caFile)]).toEqual([true, false]);

    await using reader = new Watching(uri(authority.caFile));
    await reader.sweeps(2);
    install({ certFile: second.certFile, keyFile: first.keyFile });
    daemon.child.kill('SIGHUP');
    expect(await daemon.said('the configuration has a mistake; the old one stays')).toMatchObject({
      mistake: expect.stringContaining(`tls.key-file: ${current.keyFile} is not the key of the certificate in`),
    });
    expect([await works(authority.caFile), await works(next.caFile)]).toEqual([true, false]);
    install(second);
    daemon.child.kill('SIGHUP');
    await daemon.said('reloaded the configuration');
    expect([await works(authority.caFile), await works(next.caFile)]).toEqual([false, true]);
    await reader.sweeps(2);
    expect(reader.errors).toBe('');
  });

  it('takes over the port of the service manager', async (context) => {
    const why = whyNoCertificates();
    if (why !== undefined) return context.skip(why);
    const authority = new TestAuthority(folder);
    configure(authority.issue('server', 'serverAuth'), RULES);
    using socket = ListeningSocket.tcp(port);
    await using daemon = new DaemonProcess(['--config', file], { sockets: { tls: socket } });
    await daemon.said('ready');
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, TOKEN);
    const uri = `virtstat+tls://127.0.0.1:${port}?ca=${authority.caFile}&token-file=${tokenFile}`;
    expect(await virtstatJson('-c', uri, 'list')).toHaveLength(1);
  });

  it('works with what the commands in its documentation make', async (context) => {
    const why = whyNoCertificates();
    if (why !== undefined) return context.skip(why);
    const docs = readFileSync(new URL('../docs/virtstatd.md', import.meta.url), 'utf8');
    // Other blocks of the page install the daemon on this machine: only these two may be run.
    const blocks = [...docs.matchAll(/```sh\n(.*?)```/gs)].map(([, commands = '']) => commands);
    const [certificates = 'false', token = 'false'] = ['new="openssl req ', 'openssl rand '].map((begin) =>
      blocks.find((commands) => commands.startsWith(begin)),
    );
    const sh = (commands: string): string =>
      execFileSync('sh', ['-e', '-c', commands], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    const [fingerprint, tokenHash] = [sh(certificates), sh(token)].map((text) => text.slice(0, 64));
    const at = (name: string): string => join(folder, name);
    const rule = (who: string, domain: string): string => `[[access]]\n${who}\ndomains = ["${domain}"]\n`;
    configure(
      { certFile: at('server.crt'), keyFile: at('server.key'), clientCaFile: at('ca.crt') },
      `listen-address = ["127.0.0.1:${port}"]
${rule('certificates = ["grafana"]', 'lab.t0')}
${rule(`certificates = ["sha256:${fingerprint}"]`, 'lab.t1')}
${rule(`tokens = ["sha256:${tokenHash}"]`, 'lab.t2')}`,
    );
    await using _daemon = await DaemonProcess.ready('--config', file);
    const base = `virtstat+tls://localhost:${port}?ca=${at('ca.crt')}`;
    const namesOf = async (uri: string): Promise<unknown> =>
      ((await virtstatJson('-c', uri, 'list')) as { name: string }[]).map(({ name }) => name);
    expect(await namesOf(`${base}&cert=${at('grafana.crt')}&key=${at('grafana.key')}`)).toEqual(['lab.t0', 'lab.t1']);
    expect(await namesOf(`${base}&token-file=${at('token')}`)).toEqual(['lab.t2']);
  });

  it('--check says what is wrong with it', async (context) => {
    const why = whyNoCertificates();
    if (why !== undefined) return context.skip(why);
    const authority = new TestAuthority(folder);
    const [one, other] = [authority.issue('one', 'serverAuth'), authority.issue('other', 'serverAuth')];
    const check = async (): Promise<readonly string[]> => {
      const { stderr } = await virtstat('serve', '--check', '--config', file);
      return stderr
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(`virtstat: ${file}:`, ''));
    };
    configure({ certFile: one.certFile, keyFile: other.keyFile, clientCaFile: join(folder, 'none') });
    expect(await check()).toEqual([
      `6: tls.client-ca-file: ${folder}/none does not exist; check the path`,
      `5: tls.key-file: ${other.keyFile} is not the key of the certificate in ${one.certFile}`,
    ]);
    const tls = `[tls]\ncert-file = "${one.certFile}"\n`;
    writeFileSync(file, `${tls}listen-address = ["nowhere", "[::1]:${port}"]\n`);
    expect(await check()).toEqual([
      expect.stringMatching(/^3: tls.listen-address\[0\]: "nowhere" is not right; it must be/),
    ]);
    writeFileSync(file, tls);
    expect(await check()).toEqual(['1: tls.key-file: is missing; cert-file and key-file go together']);
  });
});
