import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { hashSync } from 'bcryptjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type IssuedCertificate, TestAuthority, whyNoCertificates } from '../src/testing/certificates.ts';
import { DaemonProcess } from './lab/daemon.ts';
import { freePort, ListeningSocket } from './lab/listening-socket.ts';

const CAPTURES = `kvm+file:${fileURLToPath(new URL('../captures/kvm', import.meta.url))}`;
const BIN = fileURLToPath(new URL('../bin/virtstatd.cjs', import.meta.url));
const USELESS = 'files that have changed are of no use; the old ones stay in effect';
const TAKEN = 'took files that have changed: certificates, or the web configuration';

let folder: string;
let port: number;
let webFile: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vsw-'));
  chmodSync(folder, 0o755);
  port = await freePort();
  webFile = join(folder, 'web.yml');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A web configuration file with these users, whose password is their name, and more. */
function write(users: readonly string[], more = ''): void {
  const list = users.map((user) => `  ${user}: ${hashSync(user, 4)}\n`).join('');
  // As an editor does, and whoever hands out secrets: another file takes the place at once.
  writeFileSync(`${webFile}.new`, `basic_auth_users:\n${list}${more}`);
  renameSync(`${webFile}.new`, webFile);
}

const TLS = 'tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n';

function install({ certFile, keyFile }: Pick<IssuedCertificate, 'certFile' | 'keyFile'>): void {
  copyFileSync(certFile, join(folder, 'server.crt'));
  copyFileSync(keyFile, join(folder, 'server.key'));
}

/** Arguments of a daemon that may be read by whoever has a password. */
function args(): readonly string[] {
  const rule = '{ web-users = ["*"], domains = ["*"] }';
  const web = ['--web.config.file', webFile, '--web.listen-address', `127.0.0.1:${port}`];
  return ['-c', CAPTURES, '--runtime-dir', join(folder, 'run'), '--access', rule, ...web];
}

/** What a client sees: the status, and the common name of the server's certificate; or the code of what went wrong. */
interface Seen {
  readonly status?: number | undefined;
  readonly server?: string | undefined;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly code?: string | undefined;
}

function get(user: string, options: RequestOptions): Promise<Seen> {
  const at = { host: '127.0.0.1', port, path: '/metrics', auth: `${user}:${user}`, agent: false as const };
  return new Promise((resolve) => {
    const asked = request({ ...at, ...options }, (answer) => {
      const server = (answer.socket as TLSSocket).getPeerCertificate().subject?.CN as string | undefined;
      const { statusCode: status, headers } = answer;
      answer.resume().on('end', () => resolve({ status, server, headers }));
    });
    asked.on('error', (error: NodeJS.ErrnoException) => resolve({ code: error.code })).end();
  });
}

async function statusOf(user: string): Promise<number> {
  const authorization = `Basic ${Buffer.from(`${user}:${user}`).toString('base64')}`;
  return (await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { authorization } })).status;
}

describe('the web configuration file', () => {
  it('holds as it is at a reload: users, headers, certificates, and what clients have to show', async (context) => {
    const why = whyNoCertificates();
    if (why !== undefined) return context.skip(why);
    const authority = new TestAuthority(folder);
    install(authority.issue('first', 'serverAuth'));
    write(['old'], TLS);
    await using daemon = await DaemonProcess.ready(...args());
    const ca = readFileSync(authority.caFile);
    expect(await get('old', { ca })).toMatchObject({ status: 200, server: 'first' });
    expect(await get('new', { ca })).toMatchObject({ status: 401 });

    install(authority.issue('second', 'serverAuth'));
    const clients = '  client_ca_file: authority.crt\n  client_auth_type: RequireAndVerifyClientCert\n';
    write(['new'], `${TLS}${clients}http_server_config: { headers: { X-Frame-Options: deny } }\n`);
    daemon.child.kill('SIGHUP');
    await daemon.said('reloaded the configuration');
    expect(await get('new', { ca })).toMatchObject({ code: expect.any(String) });
    const { certFile, keyFile } = authority.issue('client', 'clientAuth');
    const shown = { ca, cert: readFileSync(certFile), key: readFileSync(keyFile) };
    expect(await get('new', shown)).toMatchObject({
      ...{ status: 200, server: 'second', headers: { 'x-frame-options': 'deny' } },
    });
    expect(await get('old', shown)).toMatchObject({ status: 401 });

    write(['new'], TLS);
    daemon.child.kill('SIGHUP');
    await daemon.said('reloaded the configuration', 2);
    expect(await get('new', { ca })).toMatchObject({ status: 200, server: 'second' });
    expect(await daemon.end('SIGTERM')).toBe(0);
  });

  it('holds without a reload too, as do renewed certificates; what is of no use is told once, and changes nothing', async (context) => {
    const why = whyNoCertificates();
    if (why !== undefined) return context.skip(why);
    const authority = new TestAuthority(folder);
    const [first, second] = [authority.issue('first', 'serverAuth'), authority.issue('second', 'serverAuth')];
    install(first);
    write(['old'], TLS);
    await using daemon = await DaemonProcess.ready(...args());
    const ca = readFileSync(authority.caFile);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await get('old', { ca, agent })).toMatchObject({ status: 200, server: 'first' });

    copyFileSync(second.certFile, join(folder, 'server.crt'));
    expect(await daemon.said(USELESS)).toMatchObject({ reason: expect.stringContaining('is not the key of') });
    expect(await get('old', { ca })).toMatchObject({ status: 200, server: 'first' });
    install(second);
    await daemon.said(TAKEN);
    expect(await get('old', { ca })).toMatchObject({ status: 200, server: 'second' });
    // A connection that stands stays as it is.
    expect(await get('old', { ca, agent })).toMatchObject({ status: 200, server: 'first' });
    agent.destroy();

    write(['new'], TLS);
    await daemon.said(TAKEN, 2);
    expect(await get('new', { ca })).toMatchObject({ status: 200 });
    expect(await get('old', { ca })).toMatchObject({ status: 401 });
    write(['new'], 'nonsense: 1\n');
    await daemon.said(USELESS, 2);
    write(['new'], '');
    expect(await daemon.said(USELESS, 3)).toMatchObject({ reason: expect.stringContaining('takes a restart') });
    expect(await get('new', { ca })).toMatchObject({ status: 200, server: 'second' });
    expect(daemon.lines.filter(({ msg }) => msg === USELESS)).toHaveLength(3);
    expect(await daemon.end('SIGTERM')).toBe(0);
  });

  it('is read again where it has no TLS', async () => {
    write(['old']);
    await using daemon = await DaemonProcess.ready(...args());
    expect([await statusOf('old'), await statusOf('new')]).toEqual([200, 401]);
    write(['new']);
    await daemon.said(TAKEN);
    expect([await statusOf('old'), await statusOf('new')]).toEqual([401, 200]);
  });
});

describe('a port of the service manager', () => {
  const started = (...more: readonly string[]): readonly string[] => [
    ...['-c', CAPTURES, '--runtime-dir', join(folder, 'run'), '--faces', 'http', ...more],
  ];
  const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

  it('is taken over as http, in place of web.listen-address, and waits while the daemon restarts', async () => {
    using socket = ListeningSocket.tcp(port);
    const other = await freePort();
    // Somebody asks before the daemon is there, and again while it is away.
    for (const flags of [['--web.listen-address', `127.0.0.1:${other}`], ['--web.systemd-socket']]) {
      const early = metrics();
      await using daemon = new DaemonProcess(started(...flags), { sockets: { http: socket } });
      expect(await daemon.said('listening for HTTP')).toMatchObject({ ports: [port] });
      expect(await early).toContain('\nkvm_vcpu_exits_total{domain="lab.t0"');
      await expect(fetch(`http://127.0.0.1:${other}/metrics`)).rejects.toThrow();
      expect(await daemon.end('SIGTERM')).toBe(0);
    }
  });

  it('speaks TLS where the web configuration file says so', async (context) => {
    const why = whyNoCertificates();
    if (why !== undefined) return context.skip(why);
    const authority = new TestAuthority(folder);
    install(authority.issue('first', 'serverAuth'));
    write(['old'], TLS);
    using socket = ListeningSocket.tcp(port);
    const flags = ['--web.config.file', webFile, '--access', '{ web-users = ["*"], domains = ["*"] }'];
    await using daemon = new DaemonProcess(started(...flags), { sockets: { http: socket } });
    await daemon.said('ready');
    expect(await get('old', { ca: readFileSync(authority.caFile) })).toMatchObject({ status: 200, server: 'first' });
  });

  it('has to be there where it is asked for, and has to be one of TCP', async () => {
    await using absent = new DaemonProcess(started('--web.systemd-socket'));
    expect(await absent.exited).toBe(2);
    expect(absent.text).toContain('the service manager passed no socket named http on');
    using unix = ListeningSocket.unix(join(folder, 'unix'));
    await using wrong = new DaemonProcess(started(), { sockets: { http: unix } });
    expect(await wrong.exited).toBe(2);
    expect(wrong.text).toContain('is no listening tcp socket');
  });

  it('comes from systemd with its name', async (context) => {
    const tool = 'systemd-socket-activate';
    if (spawnSync(tool, ['--version']).status !== 0) return context.skip(`${tool} is not installed`);
    const command = ['--listen', `127.0.0.1:${port}`, '--fdname', 'http', process.execPath, BIN, ...started()];
    const child = spawn(tool, command, { stdio: 'ignore' });
    try {
      const page = async (): Promise<string> => metrics().catch(() => '');
      await expect.poll(page, { timeout: 15_000 }).toContain('\nkvm_vcpu_exits_total{domain="lab.t0"');
    } finally {
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      await closed;
    }
  });
});
