import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestAuthority, whyNoCertificates } from '../src/testing/certificates.ts';
import { virtstatJson } from './lab/cli.ts';
import { DaemonProcess } from './lab/daemon.ts';
import { freePort, ListeningSocket } from './lab/listening-socket.ts';
import { startQemu, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';

const BIN = fileURLToPath(new URL('../bin/virtstatd.cjs', import.meta.url));
const CAPTURES = `kvm+file:${fileURLToPath(new URL('../captures/kvm', import.meta.url))}`;
const CROWD_UID = 4242;
const CROWD = 10_000;
/** What a flood of connections may cost the daemon at its default bounds, in bytes. */
const CROWD_BYTES = 300 * 2 ** 20;

let folder: string;
let runtimeDir: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vsd-'));
  chmodSync(folder, 0o755);
  runtimeDir = join(folder, 'run');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a socket of the service manager', () => {
  it('is taken over as it is, and outlives the daemon', async () => {
    const path = join(folder, 'from-the-manager');
    using socket = ListeningSocket.unix(path);
    chmodSync(path, 0o622);
    const args = ['-c', CAPTURES, '--runtime-dir', runtimeDir, '--faces', 'varlink'];
    // Somebody asks before the daemon is there, and again while it is away.
    const early = virtstatJson('-c', `virtstat+unix:${path}`, 'list');
    for (const asked of [early, virtstatJson('-c', `virtstat+unix:${path}`, 'list')]) {
      await using daemon = new DaemonProcess(args, { sockets: { varlink: socket } });
      await daemon.said('ready');
      expect(await asked).toHaveLength(3);
      expect(await daemon.end('SIGTERM')).toBe(0);
      expect(statSync(path).mode & 0o777).toBe(0o622);
      expect(existsSync(join(runtimeDir, 'varlink'))).toBe(false);
    }
  });

  it('comes from systemd with its name', async (context) => {
    const tool = 'systemd-socket-activate';
    if (spawnSync(tool, ['--version']).status !== 0) return context.skip(`${tool} is not installed`);
    const path = join(folder, 'by-systemd');
    const daemon = [process.execPath, BIN, '-c', CAPTURES, '--runtime-dir', runtimeDir];
    const child = spawn(tool, ['--listen', path, '--fdname', 'varlink', ...daemon], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    try {
      await expect.poll(() => existsSync(path), { timeout: 15_000 }).toBe(true);
      expect(await virtstatJson('-c', `virtstat+unix:${path}`, 'list')).toHaveLength(3);
      expect(existsSync(join(runtimeDir, 'varlink'))).toBe(false);
    } finally {
      const closed = once(child, 'close');
      child.kill('SIGTERM');
      await closed;
    }
  });

  it('is refused where it is of the wrong kind, and left alone where nobody takes it', async () => {
    using wrong = ListeningSocket.unix(join(folder, 'deaf'), { listens: false });
    const args = ['-c', CAPTURES, '--runtime-dir', runtimeDir];
    await using refused = new DaemonProcess(args, { sockets: { varlink: wrong } });
    expect(await refused.exited).toBe(2);
    expect(refused.text).toContain('descriptor 3, which was passed on, is no listening unix socket');
    using other = ListeningSocket.unix(join(folder, 'other'));
    await using daemon = new DaemonProcess(args, { sockets: { other } });
    expect(await daemon.said('no face takes this socket of the service manager')).toMatchObject({ socket: 'other' });
    await daemon.said('ready');
  });
});

/** Where a crowd goes: a unix socket, or a port of the loopback, from an address of its own. */
type Where = { readonly path: string } | { readonly port: number; readonly localAddress: string };

/** Another user's process with many connections to a socket, all kept open; each may send something first. */
class Crowd implements AsyncDisposable {
  readonly #child;

  private constructor(where: Where, count: number, sent: string) {
    const program = `
      const { createConnection } = require('node:net');
      const [where, count, sent] = process.argv.slice(1);
      let tried = 0;
      const next = () => {
        if (tried === Number(count)) return process.stdout.write('done');
        tried++;
        const socket = createConnection(JSON.parse(where), () => {
          if (sent) socket.write(sent);
          setImmediate(next);
        });
        socket.on('error', (error) => {
          if (error.syscall !== 'connect') return;
          // The queue of the listener is full.
          tried--;
          setTimeout(next, 5);
        });
      };
      next();
      process.stdin.on('end', () => process.exit()).resume();
    `;
    const ids = [`--reuid=${CROWD_UID}`, `--regid=${CROWD_UID}`, '--clear-groups'];
    const args = [...ids, process.execPath, '-e', program, JSON.stringify(where), String(count), sent];
    this.#child = spawn('setpriv', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  /** Resolves when all have tried. */
  static async gather(where: Where, count: number, sent = ''): Promise<Crowd> {
    const crowd = new Crowd(where, count, sent);
    await once(crowd.#child.stdout, 'data');
    return crowd;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#child, 'close');
    this.#child.stdin.end();
    await closed;
  }
}

/** Has a crowd come to a daemon, during and after which somebody else is still answered, in time, at bounded cost. */
async function withstand(
  daemon: DaemonProcess,
  gather: () => Promise<Crowd>,
  ask: () => Promise<unknown>,
): Promise<void> {
  await ask();
  const beforeBytes = daemon.residentBytes;
  const gathering = gather();
  await ask();
  await using _crowd = await gathering;
  const startedMs = performance.now();
  await ask();
  expect(performance.now() - startedMs).toBeLessThan(5000);
  const crowded = /^connections .* were closed: there are too many$/;
  await expect.poll(() => daemon.lines.filter(({ msg }) => crowded.test(msg)).length).toBeGreaterThan(0);
  expect(daemon.lines.filter(({ msg }) => crowded.test(msg)).length).toBeLessThan(10);
  expect(daemon.residentBytes - beforeBytes).toBeLessThan(CROWD_BYTES);
  expect(await daemon.end('SIGTERM')).toBe(0);
}

describe('many connections', () => {
  it.for([
    ['that say nothing', ''],
    ['that stop in the middle of a call', '{"method":"org.varl'],
  ] as const)('of one user %s lock nobody out, and cost what the bounds allow', async ([, sent], context) => {
    if (process.getuid?.() !== 0) return context.skip('another user takes root');
    await using daemon = await DaemonProcess.ready('-c', CAPTURES, '--runtime-dir', runtimeDir);
    const path = join(runtimeDir, 'varlink');
    await withstand(
      daemon,
      () => Crowd.gather({ path }, CROWD, sent),
      async () => expect(await virtstatJson('-c', `virtstat+unix:${path}`, 'list')).toHaveLength(3),
    );
  });

  it.for([
    ['never begin the handshake', ''],
    ['stop in the middle of it', '\x16\x03\x01\x02\x01\x01'],
  ] as const)('of one address that %s lock nobody out, and cost what the bounds allow', async ([, sent], context) => {
    const why = process.getuid?.() === 0 ? whyNoCertificates() : 'another user takes root';
    if (why !== undefined) return context.skip(why);
    const authority = new TestAuthority(folder);
    const { certFile, keyFile } = authority.issue('server', 'serverAuth');
    const port = await freePort();
    const token = createHash('sha256').update('secret').digest('hex');
    await using daemon = await DaemonProcess.ready(
      ...['-c', CAPTURES, '--runtime-dir', runtimeDir, '--tls.cert-file', certFile, '--tls.key-file', keyFile],
      ...['--tls.listen-address', `127.0.0.1:${port}`, '--access', `{ tokens = ["sha256:${token}"], domains = ["*"] }`],
    );
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, 'secret');
    const uri = `virtstat+tls://127.0.0.1:${port}?ca=${authority.caFile}&token-file=${tokenFile}`;
    await withstand(
      daemon,
      () => Crowd.gather({ port, localAddress: '127.0.0.2' }, CROWD, sent),
      async () => expect(await virtstatJson('-c', uri, 'list')).toHaveLength(3),
    );
  });

  it('of one reader of a VM lock no other out of its socket', async (context) => {
    const reason = process.getuid?.() === 0 ? whyNoVm() : 'another user takes root';
    if (reason !== undefined) return context.skip(reason);
    await using vm = await startQemu({ name: `crowd-${process.pid}` });
    const rule = `{ users = ["${CROWD_UID}"], domains = ["*"] }`;
    await using daemon = await DaemonProcess.ready(
      ...['-c', `qmp+unix:${vm.qmpPath}`, '--runtime-dir', runtimeDir, '--access', rule],
    );
    const path = join(runtimeDir, 'qmp', `${vm.name}.sock`);
    await withstand(
      daemon,
      () => Crowd.gather({ path }, CROWD),
      async () => {
        const client = await RawQmp.open(path);
        expect(await client.execute('query-name')).toEqual({ name: vm.name });
        client.close();
      },
    );
  });

  it('may be as many as the system allows, not only as it gives at first', async () => {
    const args = ['-c', CAPTURES, '--runtime-dir', runtimeDir];
    await using daemon = new DaemonProcess(args, { first: 'ulimit -Sn 256; ulimit -Hn 5000' });
    await daemon.said('ready');
    const limits = readFileSync(`/proc/${daemon.child.pid}/limits`, 'utf8');
    expect(limits).toMatch(/^Max open files +5000 +5000 /m);
  });

  it('of readers of one VM are served, 500 of one user', async (context) => {
    const reason = whyNoVm();
    if (reason !== undefined) return context.skip(reason);
    await using vm = await startQemu({ name: `many-${process.pid}` });
    await using daemon = await DaemonProcess.ready('-c', `qmp+unix:${vm.qmpPath}`, '--runtime-dir', runtimeDir);
    const path = join(runtimeDir, 'qmp', `${vm.name}.sock`);
    const clients = await Promise.all(Array.from({ length: 500 }, () => RawQmp.open(path)));
    const names = await Promise.all(clients.map((client) => client.execute('query-name')));
    expect(names).toEqual(clients.map(() => ({ name: vm.name })));
    for (const client of clients) client.close();
    expect(await daemon.end('SIGTERM')).toBe(0);
  });
});
