import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LAB } from './folder.js';
import { hasKvm } from './qemu.ts';

const START_LIMIT_MS = 20_000;
const VIRSH_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 5_000;
/** libvirt's driver for QEMU; without it libvirtd starts, and has no domains. */
const DRIVER = '/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so';

/** Where the mechanisms of SASL are. */
const SCRAM = '/usr/lib/x86_64-linux-gnu/sasl2/libscram.so';

/** What libvirtd takes for its own, and the folder of the lab that lies over each in its mount namespace. */
const FOLDERS = {
  etc: '/etc/libvirt',
  lib: '/var/lib/libvirt',
  log: '/var/log/libvirt',
  cache: '/var/cache/libvirt',
  run: '/run/libvirt',
} as const;

/** A domain of the tests. */
export interface LibvirtDomain {
  readonly name: string;
  readonly uuid: string;
  /** A second monitor of QEMU's, beside libvirt's own. */
  readonly qmpPath: string;
}

/** How a domain is to be. */
export interface LibvirtDomainOptions {
  readonly name: string;
  /** 2 if absent. */
  readonly vcpus?: number;
  /** 32 if absent. */
  readonly memoryMib?: number;
  /** Sizes of its disks in MiB, qcow2 files on virtio; two of 16 if absent. */
  readonly disksMib?: readonly number[];
  /** Name of its tap device, made by libvirt; none if absent. */
  readonly tap?: string;
  /** Number of I/O threads, the first of which serves the first disk; none if absent. */
  readonly iothreads?: number;
  /** True: the vCPUs do not start. */
  readonly paused?: boolean;
  /** A file with a boot sector, which becomes the first disk's content. */
  readonly bootSector?: string;
  /** Seconds between questions to the balloon driver; 0 if absent: none. */
  readonly balloonPeriod?: number;
  /** False: nobody but libvirt can ask its QEMU; {@link LibvirtDomain.qmpPath} is nowhere then. */
  readonly ownMonitor?: boolean;
}

/** Whom a libvirtd lets in, through its read-only socket and its port. */
export interface SaslLabOptions {
  /** Passwords of users. */
  readonly users: Readonly<Record<string, string>>;
  /** By the names of SASL; {@link LibvirtLab.offer} changes them. */
  readonly mechanisms: readonly string[];
  /** Where it serves TLS on loopback with SASL: a port, and a folder of cacert.pem, servercert.pem and serverkey.pem. */
  readonly tls?: { readonly port: number; readonly folder: string };
}

/** A libvirtd of the tests. */
export interface LibvirtLab extends AsyncDisposable {
  /** Process id of the daemon, on this machine; another one after a restart. */
  readonly pid: number;
  /** Folder of its sockets. */
  readonly sockets: string;
  readonly folder: string;
  /** URI of the socket with all rights. */
  readonly uri: string;
  /** URI of the read-only socket. */
  readonly readOnlyUri: string;
  /** Defines and starts a domain. */
  start(options: LibvirtDomainOptions): Promise<LibvirtDomain>;
  /** Process id of a running domain's QEMU. */
  pidOf(domain: LibvirtDomain): number;
  /** Has it offer other mechanisms of SASL from its next start on. */
  offer(mechanisms: readonly string[]): void;
  /** What virsh prints. */
  virsh(...args: readonly string[]): Promise<string>;
  /** Kills the daemon; its domains run on. */
  kill(): Promise<void>;
  /** Starts it again, and waits until it answers. */
  restart(): Promise<void>;
  /** Ends all domains and the daemon. May be called again. */
  stop(): Promise<void>;
}

/** Makes the boot sector of a guest that reads and writes its disk ten times a second; returns its path in `folder`. */
export function diskGuest(folder: string): string {
  const [object, image] = [join(folder, 'disk-guest.o'), join(folder, 'disk-guest.bin')];
  execFileSync('as', ['--32', '-o', object, join(import.meta.dirname, 'disk-guest.S')]);
  execFileSync('ld', ['-m', 'elf_i386', '-Ttext', '0x7c00', '--oformat', 'binary', '-o', image, object]);
  return image;
}

/** Why no libvirtd can be started here, or undefined where one can: the reason to skip with. */
export function whyNoLibvirt(): string | undefined {
  if (process.getuid?.() !== 0) return 'a libvirtd of the tests needs root';
  for (const file of ['/usr/sbin/libvirtd', '/usr/bin/virsh', '/usr/bin/qemu-img', DRIVER]) {
    if (!existsSync(file)) return `${file} is not installed`;
  }
  return undefined;
}

/** The same for one that wants to know by SASL who comes. */
export function whyNoSasl(): string | undefined {
  for (const file of ['/usr/sbin/saslpasswd2', SCRAM]) if (!existsSync(file)) return `${file} is not installed`;
  return whyNoLibvirt();
}

/** Starts a libvirtd that has this machine's folders for itself: a libvirt of the machine's own stays as it is. */
export async function startLibvirt(sasl?: SaslLabOptions): Promise<LibvirtLab> {
  makeAccounts();
  mkdirSync(LAB, { recursive: true });
  const folder = mkdtempSync(join(LAB, 'lv-'));
  for (const [name, path] of Object.entries(FOLDERS)) {
    mkdirSync(join(folder, name));
    mkdirSync(path, { recursive: true });
  }
  writeConfiguration(folder, sasl);
  const lab = new Lab(folder, sasl?.tls !== undefined);
  if (sasl !== undefined) addUsers(folder, sasl.users);
  lab.offer(sasl?.mechanisms ?? []);
  try {
    await lab.restart();
    return lab;
  } catch (error) {
    await lab.stop();
    throw error;
  }
}

/** What is mounted goes with the daemon's mount namespace, and the daemon with this process. */
function spawnDaemon(folder: string, listens: boolean): ChildProcess {
  const binds = Object.entries(FOLDERS).map(([name, path]) => `mount --bind "${folder}/${name}" "${path}"`);
  const script = `${binds.join('; ')}; exec libvirtd --config "${folder}/etc/libvirtd.conf" --pid-file "${folder}/libvirtd.pid"${listens ? ' --listen' : ''}`;
  const args = [
    '--pdeathsig',
    'KILL',
    '--',
    'unshare',
    '--mount',
    '--propagation',
    'private',
    '--',
    'sh',
    '-ec',
    script,
  ];
  const env = { ...process.env, SASL_CONF_PATH: join(folder, SASL_FOLDER) };
  return spawn('setpriv', args, { stdio: ['ignore', 'ignore', 'ignore'], env });
}

class Lab implements LibvirtLab {
  readonly folder: string;
  readonly sockets: string;
  readonly uri: string;
  readonly readOnlyUri: string;
  readonly #listens: boolean;
  #child: ChildProcess | undefined;
  readonly #names = new Set<string>();
  #stopping: Promise<void> | undefined;
  readonly #onExit = (): void => this.#killDomains();

  constructor(folder: string, listens: boolean) {
    this.folder = folder;
    this.#listens = listens;
    this.sockets = join(folder, 'run');
    this.uri = `qemu+unix:///system?socket=${folder}/run/libvirt-sock`;
    this.readOnlyUri = `${this.uri}-ro`;
    process.on('exit', this.#onExit);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async restart(): Promise<void> {
    const child = spawnDaemon(this.folder, this.#listens);
    this.#child = child;
    const deadlineMs = performance.now() + START_LIMIT_MS;
    for (;;) {
      try {
        await this.virsh('list');
        return;
      } catch (error) {
        const lost = child.exitCode !== null;
        if (lost || performance.now() > deadlineMs) {
          throw new Error(
            `libvirtd ${lost ? 'ended' : 'does not answer'}: ${lastLine(`${this.folder}/log/libvirtd.log`)}`,
            {
              cause: error,
            },
          );
        }
      }
      await sleep(100);
    }
  }

  async start(options: LibvirtDomainOptions): Promise<LibvirtDomain> {
    const { name, disksMib = [16, 16], bootSector, paused } = options;
    const qmpPath = join(this.folder, `${name}.qmp`);
    for (const [index, sizeMib] of disksMib.entries()) {
      const image = this.#image(name, index);
      const args = bootSector !== undefined && index === 0 ? ['convert', '-O', 'qcow2', bootSector, image] : undefined;
      execFileSync('qemu-img', args ?? ['create', '-q', '-f', 'qcow2', image, `${sizeMib}M`], { stdio: 'ignore' });
    }
    const uuid = crypto.randomUUID();
    const path = join(this.folder, `${name}.xml`);
    writeFileSync(path, this.#xml(options, uuid, qmpPath, disksMib.length));
    this.#names.add(name);
    await this.virsh('create', path, ...(paused === true ? ['--paused'] : []));
    return { name, uuid, qmpPath };
  }

  pidOf({ name }: LibvirtDomain): number {
    return Number(readFileSync(`${this.folder}/run/qemu/${name}.pid`, 'utf8'));
  }

  offer(mechanisms: readonly string[]): void {
    const folder = join(this.folder, SASL_FOLDER);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, 'libvirt.conf'),
      `mech_list: ${mechanisms.join(' ')}\nsasldb_path: ${userDatabase(this.folder)}\n`,
    );
  }

  async virsh(...args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)('virsh', ['-q', '-c', this.uri, ...args], {
      timeout: VIRSH_LIMIT_MS,
      maxBuffer: 1 << 26,
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
    return stdout;
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    // Ended one by one by libvirt each would take as long as init takes to notice.
    this.#killDomains();
    await this.#end('SIGTERM');
    process.off('exit', this.#onExit);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await ended;
    clearTimeout(hard);
  }

  /** By the pid files that libvirt wrote, as far as each still means the QEMU of this lab. */
  #killDomains(): void {
    const folder = join(this.folder, 'run/qemu');
    if (!existsSync(folder)) return;
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.pid'))) {
      const pid = Number(readFileSync(join(folder, file), 'utf8'));
      if (commandLine(pid).includes(this.folder)) process.kill(pid, 'SIGKILL');
    }
  }

  #image(name: string, index: number): string {
    return join(this.folder, `${name}-${index}.qcow2`);
  }

  #xml(options: LibvirtDomainOptions, uuid: string, qmpPath: string, diskCount: number): string {
    const { name, vcpus = 2, memoryMib = 32, tap, iothreads = 0, balloonPeriod = 0, ownMonitor = true } = options;
    const disks = Array.from({ length: diskCount }, (_, index) => {
      const thread = index === 0 && iothreads > 0 ? " iothread='1'" : '';
      return `<disk type='file' device='disk'><driver name='qemu' type='qcow2'${thread}/>
        <source file='${this.#image(name, index)}'/><target dev='vd${'abcdefgh'[index]}' bus='virtio'/></disk>`;
    });
    const nic = `<interface type='ethernet'><target dev='${tap}'/><model type='virtio'/></interface>`;
    const monitor = `<qemu:commandline><qemu:arg value='-qmp'/><qemu:arg value='unix:${qmpPath},server=on,wait=off'/></qemu:commandline>`;
    const period = balloonPeriod > 0 ? `<stats period='${balloonPeriod}'/>` : '';
    return `<domain type='${hasKvm() ? 'kvm' : 'qemu'}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
      <name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>${memoryMib}</memory><vcpu>${vcpus}</vcpu>
      ${iothreads > 0 ? `<iothreads>${iothreads}</iothreads>` : ''}
      <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os><features><acpi/></features>
      <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>${disks.join('')}${tap === undefined ? '' : nic}
        <memballoon model='virtio'>${period}</memballoon></devices>
      ${ownMonitor ? monitor : ''}
    </domain>`;
  }
}

/** The QEMU driver of libvirt refuses to start without its user; Debian's package that makes it would bring systemd. */
function makeAccounts(): void {
  const isThere = (database: string, name: string): boolean => {
    try {
      execFileSync('getent', [database, name], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };
  for (const group of ['kvm', 'libvirt', 'libvirt-qemu']) {
    if (!isThere('group', group)) execFileSync('groupadd', ['--system', group]);
  }
  if (isThere('passwd', 'libvirt-qemu')) return;
  const home = ['-d', '/var/lib/libvirt', '-M', '-s', '/usr/sbin/nologin'];
  execFileSync('useradd', ['--system', '-g', 'kvm', '-G', 'libvirt-qemu', ...home, 'libvirt-qemu']);
}

/** In the folder of a lab. */
const SASL_FOLDER = 'sasl';

function userDatabase(folder: string): string {
  return join(folder, SASL_FOLDER, 'passwd.db');
}

function addUsers(folder: string, users: SaslLabOptions['users']): void {
  mkdirSync(join(folder, SASL_FOLDER));
  for (const [name, password] of Object.entries(users)) {
    execFileSync('saslpasswd2', ['-p', '-c', '-a', 'libvirt', '-f', userDatabase(folder), name], { input: password });
  }
}

/** No polkit, no virtlogd, no namespaces of a domain's own, no ownership kept: none of it is there on a lab machine. */
function writeConfiguration(folder: string, sasl: SaslLabOptions | undefined): void {
  const daemon = {
    unix_sock_group: 'root',
    unix_sock_ro_perms: '0777',
    unix_sock_rw_perms: '0770',
    auth_unix_ro: sasl === undefined ? 'none' : 'sasl',
    auth_unix_rw: 'none',
    log_outputs: `3:file:${folder}/log/libvirtd.log`,
  };
  const tls = sasl?.tls && {
    listen_addr: '127.0.0.1',
    tls_port: `${sasl.tls.port}`,
    auth_tls: 'sasl',
    ca_file: `${sasl.tls.folder}/cacert.pem`,
    cert_file: `${sasl.tls.folder}/servercert.pem`,
    key_file: `${sasl.tls.folder}/serverkey.pem`,
  };
  const driver = { user: 'root', group: 'root', security_driver: 'none', stdio_handler: 'file' };
  const lines = (settings: Readonly<Record<string, string>>): string =>
    Object.entries(settings)
      .map(([key, value]) => `${key} = "${value}"\n`)
      .join('');
  // Whoever comes has no certificate: a password is enough.
  const flags = 'tls_no_verify_certificate = 1\ntls_no_sanity_certificate = 1\n';
  writeFileSync(`${folder}/etc/libvirtd.conf`, lines({ ...daemon, ...tls }) + (tls === undefined ? '' : flags));
  writeFileSync(`${folder}/etc/qemu.conf`, `${lines(driver)}namespaces = []\nremember_owner = 0\n`);
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

function lastLine(path: string): string {
  return existsSync(path) ? (readFileSync(path, 'utf8').trim().split('\n').at(-1) ?? '') : 'it wrote no log';
}
