import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { virtstat } from './lab/cli.ts';
import { DaemonProcess } from './lab/daemon.ts';
import { ListeningSocket } from './lab/listening-socket.ts';
import { NotifyReceiver } from './lab/notify.ts';
import { startQemu, type Vm, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';

const CAPTURES = `kvm+file:${fileURLToPath(new URL('../captures/kvm', import.meta.url))}`;
const LIMIT_MS = 15_000;
const READER_UID = 4242;

let folder: string;
let runtimeDir: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vsd-'));
  chmodSync(folder, 0o755);
  runtimeDir = join(folder, 'run');
  file = join(folder, 'virtstat.toml');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('virtstatd without VMs', () => {
  it('is ready, and stops cleanly on SIGTERM and SIGINT', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      await using daemon = await DaemonProcess.ready('-c', CAPTURES, '--runtime-dir', runtimeDir);
      expect(await daemon.end(signal)).toBe(0);
      expect(daemon.lines.map(({ msg }) => msg).slice(-3)).toEqual(['ready', 'stopping', 'stopped']);
      expect(daemon.lines.filter(({ msg }) => msg === 'domain came').length).toBeGreaterThan(0);
    }
  });

  it('is refused a directory that another one serves, and takes over what a killed one left', async () => {
    const args = ['-c', CAPTURES, '--runtime-dir', runtimeDir] as const;
    await using first = await DaemonProcess.ready(...args);
    const { status, stderr } = await virtstat('serve', ...args);
    expect(status).toBe(1);
    expect(stderr.split('\n').at(-2)).toBe(
      `virtstat: another virtstatd (process ${first.child.pid}) serves ${runtimeDir}; stop it, or give this one another --runtime-dir`,
    );
    expect(await first.end('SIGKILL')).toBe('SIGKILL');
    const socket = join(runtimeDir, 'varlink');
    expect(existsSync(socket)).toBe(true);
    await using second = await DaemonProcess.ready(...args);
    const client = createConnection(socket);
    await once(client, 'connect');
    client.destroy();
    expect(await second.end('SIGTERM')).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it('reloads on SIGHUP what changed, and keeps the old where the new is wrong', async () => {
    const write = (text: string): void =>
      writeFileSync(file, `connect = ["${CAPTURES}"]\nruntime-dir = "${runtimeDir}"\n${text}`);
    write('');
    await using daemon = await DaemonProcess.ready('--config', file);
    daemon.child.kill('SIGHUP');
    expect(await daemon.said('reloaded the configuration')).toMatchObject({ changed: [] });
    write('timeout = "soon"');
    daemon.child.kill('SIGHUP');
    const said = await daemon.said('the configuration has a mistake; the old one stays');
    expect(said).toMatchObject({
      level: 'error',
      mistake: expect.stringContaining(`${file}:3: timeout: "soon" is no`),
    });
    write('timeout = "9s"\nsocket.mode = "0600"\nlog.level = "warn"\n[[access]]\nusers = ["*"]\ndomains = ["*"]');
    daemon.child.kill('SIGHUP');
    expect(await daemon.said('this key takes a restart; the old value stays')).toMatchObject({ key: 'socket' });
    rmSync(file);
    daemon.child.kill('SIGHUP');
    await daemon.said('the configuration has a mistake; the old one stays', 2);
    // At level `warn` nothing is said about the end.
    expect(await daemon.end('SIGTERM')).toBe(0);
    expect(daemon.lines.some(({ msg }) => msg === 'stopping')).toBe(false);
  });

  it('ends at once where it cannot start', async () => {
    writeFileSync(file, '');
    const { status, stderr } = await virtstat('serve', '-c', CAPTURES, '--runtime-dir', `${file}/run`);
    expect([status, stderr.split('\n').at(-2)]).toEqual([
      1,
      `virtstat: ${file}/run is no directory; choose another --runtime-dir`,
    ]);
  });

  it('tells the service manager', async () => {
    const address = join(folder, 'notify');
    using manager = new NotifyReceiver(address);
    await using daemon = new DaemonProcess(['-c', CAPTURES, '--runtime-dir', runtimeDir], {
      env: { NOTIFY_SOCKET: address, WATCHDOG_USEC: '200000' },
    });
    expect(await manager.next()).toMatch(/^READY=1\nSTATUS=serving [1-9]\d* domains?$/);
    expect(await manager.next()).toBe('WATCHDOG=1');
    daemon.child.kill('SIGHUP');
    expect(await manager.next('WATCHDOG=1')).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    expect(await manager.next('WATCHDOG=1')).toMatch(/^READY=1\n/);
    expect(await daemon.end('SIGTERM')).toBe(0);
    expect(await manager.next('WATCHDOG=1')).toBe('STOPPING=1');
  });
});

describe('virtstatd --check', () => {
  it('prints the whole configuration, which is right itself', async () => {
    const first = await virtstat('serve', '--check', '--runtime-dir', runtimeDir, '--log.level', 'warn');
    expect([first.status, first.stderr]).toEqual([0, '']);
    expect(first.stdout).toContain(`runtime-dir = "${runtimeDir}"`);
    writeFileSync(file, first.stdout);
    const second = await virtstat('serve', '--check', '--config', file);
    expect(second).toEqual(first);
    expect(existsSync(runtimeDir)).toBe(false);
  });

  it('prints every mistake on a line of its own, and exits 2', async () => {
    writeFileSync(file, 'timeuot = "1s"\n[log]\nlevel = "loud"\n[[access]]\nusers = ["no-such-user"]\ndomains = []\n');
    const { status, stdout, stderr } = await virtstat(
      'serve',
      '--check',
      '--config',
      file,
      '-c',
      'nope:',
      '--socket.mode',
      '9',
    );
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr.trimEnd().split('\n').sort()).toEqual([
      expect.stringMatching(/^virtstat: --connect: connect\[0\]: nope:: no source is known/),
      'virtstat: --socket.mode: socket.mode: "9" is no mode; write octal digits, like "0660"',
      `virtstat: ${file}:1: timeuot: no such key; did you mean timeout?`,
      `virtstat: ${file}:3: log.level: "loud" is not one of "debug", "info", "warn", "error"`,
      `virtstat: ${file}:5: access[0].users[0]: no user of this machine is named "no-such-user"`,
      `virtstat: ${file}:6: access[0].domains: is empty; at least 1 must be named`,
    ]);
    const flag = await virtstat('serve', '--log.levle', 'info');
    expect([flag.status, flag.stderr]).toEqual([2, expect.stringContaining('--log.level')]);
  });
});

describe('virtstatd with VMs', () => {
  let vm: Vm | undefined;

  beforeAll(async () => {
    if (whyNoVm() === undefined) vm = await startQemu({ name: `daemon-${process.pid}` });
  });
  afterAll(() => vm?.stop());

  /** Path of the domain's socket, once it is there. */
  async function socketOf({ name }: Vm): Promise<string> {
    const path = join(runtimeDir, 'qmp', `${name}.sock`);
    await expect.poll(() => existsSync(path), { timeout: LIMIT_MS }).toBe(true);
    return path;
  }

  it('serves many at once through a reload, and again after SIGKILL', async (context) => {
    if (vm === undefined) return context.skip(whyNoVm());
    const write = (text: string): void => {
      writeFileSync(file, `connect = ["qmp+unix:${vm?.qmpPath}"]\nruntime-dir = "${runtimeDir}"\n${text}`);
    };
    write('');
    await using daemon = await DaemonProcess.ready('--config', file);
    const path = await socketOf(vm);
    const clients = await Promise.all(Array.from({ length: 5 }, () => RawQmp.open(path)));
    write(`timeout = "5s"\nconnect2 = 1`);
    daemon.child.kill('SIGHUP');
    await daemon.said('the configuration has a mistake; the old one stays');
    write('timeout = "5s"');
    daemon.child.kill('SIGHUP');
    expect(await daemon.said('reloaded the configuration')).toMatchObject({ changed: ['timeout'] });
    for (const client of clients) {
      expect(await client.execute('query-name')).toEqual({ name: vm.name });
      client.close();
    }
    expect(await daemon.end('SIGKILL')).toBe('SIGKILL');
    expect(existsSync(path)).toBe(true);
    // That of a VM which went meanwhile is nobody's.
    using _stale = ListeningSocket.unix(join(runtimeDir, 'qmp', 'gone.sock'));
    await using next = await DaemonProcess.ready('--config', file);
    const client = await RawQmp.open(await socketOf(vm));
    expect(await client.execute('query-name')).toEqual({ name: vm.name });
    client.close();
    expect(await next.end('SIGTERM')).toBe(0);
    expect(readdirSync(join(runtimeDir, 'qmp'))).toEqual([]);
  });

  it('sees VMs come and go', async (context) => {
    if (vm === undefined) return context.skip(whyNoVm());
    await using daemon = await DaemonProcess.ready('--runtime-dir', runtimeDir, '--discovery-interval', '200ms');
    const name = `${vm.name}-2`;
    await using second = await startQemu({ name });
    const path = await socketOf(second);
    const client = await RawQmp.open(path);
    await second.stop();
    await expect.poll(() => existsSync(path), { timeout: LIMIT_MS }).toBe(false);
    client.close();
    const told = daemon.lines.filter(({ domain }) => domain === name).map(({ msg }) => msg);
    expect(told).toEqual(expect.arrayContaining(['domain came', 'domain went']));
  });

  /** Asks for one stat twice, the second time while its VMM is stopped, through a daemon with the usual limits. */
  async function askTwice(pid: number, qmpPath: string, words: readonly string[]): Promise<readonly unknown[]> {
    await using _daemon = await DaemonProcess.ready('-c', `qmp+unix:${qmpPath}`, '--runtime-dir', runtimeDir);
    const ask = async (): Promise<unknown> => {
      const { stdout } = await virtstat('-c', `virtstat+unix:${runtimeDir}/varlink`, 'query', ...words, '--json');
      return JSON.parse(stdout);
    };
    const before = await ask();
    process.kill(pid, 'SIGSTOP');
    try {
      return [before, await ask()];
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }

  const STALE = [{ stale: { code: 'TIMEOUT', reason: expect.stringContaining('no answer within 2000 ms') } }];

  it('gives the last values of a VM that hangs, before its reader loses patience', async (context) => {
    const reason = whyNoVm({ accel: 'kvm' });
    if (reason !== undefined) return context.skip(reason);
    await using hung = await startQemu({ accel: 'kvm', paused: true, smp: 1 });
    const [before, stale] = await askTwice(hung.pid, hung.qmpPath, ['vcpu', 'exits', 'kvm']);
    expect(before).toEqual([expect.not.objectContaining({ stale: expect.anything() })]);
    expect(stale).toMatchObject(STALE);
  });

  it('gives the last values of a monitor that hangs, before its reader loses patience', async () => {
    const qmpPath = join(folder, 'monitor');
    const program = `
      const { FakeMonitor } = await import(${JSON.stringify(new URL('../dist/testing.js', import.meta.url).href)});
      const stats = [{ name: 'pages', value: 7n }];
      await FakeMonitor.listen({
        path: ${JSON.stringify(qmpPath)},
        schemas: [{ provider: 'kvm', target: 'vm', stats: [{ name: 'pages', type: 'instant', exponent: 0 }] }],
        results: { vm: [{ provider: 'kvm', stats }] },
      });
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    try {
      await expect.poll(() => existsSync(qmpPath), { timeout: LIMIT_MS }).toBe(true);
      const [before, stale] = await askTwice(child.pid as number, qmpPath, ['vm', 'pages']);
      const stats = [{ name: 'pages', value: 7 }];
      expect(before).toEqual([expect.not.objectContaining({ stale: expect.anything() })]);
      expect([before, stale]).toMatchObject([[{ stats }], [{ ...STALE[0], stats }]]);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('is not there for whom no rule names, until one does', async (context) => {
    if (vm === undefined) return context.skip(whyNoVm());
    if (process.getuid?.() !== 0) return context.skip('another user takes root');
    const write = (text: string): void => {
      writeFileSync(file, `connect = ["qmp+unix:${vm?.qmpPath}"]\nruntime-dir = "${runtimeDir}"\n${text}`);
    };
    write('');
    await using daemon = await DaemonProcess.ready('--config', file);
    const path = await socketOf(vm);
    expect(await greetingFor(READER_UID, path)).toBe('');
    expect(await greetingFor(0, path)).toContain('"QMP"');
    write(`[[access]]\nusers = ["${READER_UID}"]\ndomains = ["${vm.name}"]`);
    daemon.child.kill('SIGHUP');
    await daemon.said('reloaded the configuration');
    expect(await greetingFor(READER_UID, path)).toContain('"QMP"');
    expect(await greetingFor(READER_UID + 1, path)).toBe('');
  });
});

/** What a user's process reads from the socket before anything is sent. */
async function greetingFor(uid: number, path: string): Promise<string> {
  const program = `
    const socket = require('node:net').createConnection(process.argv[1]);
    socket.once('data', (text) => { process.stdout.write(text); socket.destroy(); });
    socket.on('error', (error) => { process.stdout.write(error.code); });
  `;
  const ids = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
  const child = spawn('setpriv', [...ids, process.execPath, '-e', program, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: LIMIT_MS,
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(child, 'close');
  return text;
}
