import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { virtstatJson } from './lab/cli.ts';
import { DaemonProcess } from './lab/daemon.ts';
import { ListeningSocket } from './lab/listening-socket.ts';
import { startQemu, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';

const CAPTURES = `kvm+file:${fileURLToPath(new URL('../captures/kvm', import.meta.url))}`;
const CROWD_UID = 4242;
const CROWD = 10_000;
/** What a flood of connections may cost the daemon at its default bounds, in bytes. */
const CROWD_BYTES = 200 * 2 ** 20;

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

/** Another user's process with many connections to a socket, all kept open; each may send something first. */
class Crowd implements AsyncDisposable {
  readonly #child;

  private constructor(path: string, count: number, sent: string) {
    const program = `
      const { createConnection } = require('node:net');
      const [path, count, sent] = process.argv.slice(1);
      let [tried, open] = [0, 0];
      const next = () => {
        if (tried === Number(count)) return process.stdout.write('done ' + open + '\\n');
        tried++;
        const socket = createConnection(path, () => {
          open++;
          if (sent) socket.write(sent);
          setImmediate(next);
        });
        socket.on('close', () => open--);
        socket.on('error', (error) => {
          if (error.code !== 'EAGAIN') return;
          tried--; open++;
          setTimeout(next, 5);
        });
      };
      next();
      process.stdin.on('end', () => process.exit()).resume();
    `;
    const ids = [`--reuid=${CROWD_UID}`, `--regid=${CROWD_UID}`, '--clear-groups'];
    this.#child = spawn('setpriv', [...ids, process.execPath, '-e', program, path, String(count), sent], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
  }

  /** Resolves when all have tried. */
  static async gather(path: string, count: number, sent = ''): Promise<Crowd> {
    const crowd = new Crowd(path, count, sent);
    await once(crowd.#child.stdout, 'data');
    return crowd;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#child, 'close');
    this.#child.stdin.end();
    await closed;
  }
}

describe('many connections', () => {
  it.for([
    ['that say nothing', ''],
    ['that stop in the middle of a call', '{"method":"org.varl'],
  ] as const)('of one user %s lock nobody out, and cost what the bounds allow', async ([, sent], context) => {
    if (process.getuid?.() !== 0) return context.skip('another user takes root');
    await using daemon = await DaemonProcess.ready('-c', CAPTURES, '--runtime-dir', runtimeDir);
    const path = join(runtimeDir, 'varlink');
    const list = (): Promise<unknown> => virtstatJson('-c', `virtstat+unix:${path}`, 'list');
    await list();
    const beforeBytes = daemon.residentBytes;
    const gathering = Crowd.gather(path, CROWD, sent);
    expect(await list()).toHaveLength(3);
    await using _crowd = await gathering;
    const startedMs = performance.now();
    expect(await list()).toHaveLength(3);
    expect(performance.now() - startedMs).toBeLessThan(5000);
    const told = await daemon.said('connections of a user were closed: there are too many');
    expect(told).toMatchObject({ uid: CROWD_UID, count: expect.any(Number) });
    expect(daemon.lines.filter(({ msg }) => msg === told.msg).length).toBeLessThan(10);
    expect(daemon.residentBytes - beforeBytes).toBeLessThan(CROWD_BYTES);
    expect(await daemon.end('SIGTERM')).toBe(0);
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
